import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Downstream } from '../../../../src/exchange.ts';
import type { DownstreamUpgrade } from '../../../../src/facts/upgrade.ts';
import type { FakeDownstream, FakeRequest } from '../../../support/exchange.ts';
import { type LlmBench, llmBench, model, provider, serve } from '../../../support/llm.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const acceptOf = (key: string) =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

interface Given {
  upgrade?: Downstream['upgrade'];
  keyed?: boolean;
  fields?: Record<string, string | undefined>;
  url?: string;
}

/** A handshake as it reaches the adapter; `accepted` are the fields of the switch. */
async function shake(given: Given = {}) {
  const llm: LlmBench = llmBench({
    models: [
      model('voice', { provider: provider('xai', { settings: { model: 'grok-voice' } }) }),
      model('*', { provider: provider('openAI') }),
    ],
  });
  const accepted: (readonly string[])[] = [];
  const upgrade: DownstreamUpgrade = {
    protocol: 'websocket',
    keyed: given.keyed ?? true,
    accept: (headers) => {
      accepted.push(headers);
      return { stream: new PassThrough(), onClose: null };
    },
  };
  const fields = { 'sec-websocket-version': '13', 'sec-websocket-key': KEY, ...given.fields };
  const headers = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
  const request: FakeRequest = { method: 'GET', url: given.url ?? '/v1/realtime?model=gpt-x', headers };
  const exchange = await serve(llm, request, ({ downstream }) => {
    Object.assign(downstream satisfies FakeDownstream, {
      upgrade: given.upgrade === undefined ? upgrade : given.upgrade,
    });
  });
  const flight = llm.flights[0];
  const sent = flight?.call.headers ?? [];
  const field = (name: string) => sent[sent.indexOf(name) + 1] ?? '';
  /** The provider's switch. */
  const grant = (more: string[] = [], key = field('sec-websocket-key')) => {
    if (flight?.call.upgrade !== undefined) flight.call.upgrade.stream = new PassThrough();
    flight?.sink.onHead(101, ['sec-websocket-accept', acceptOf(key), ...more]);
    flight?.sink.onEnd([]);
  };
  return { exchange, flight, sent, field, grant, accepted };
}

describe("a client's handshake", () => {
  it.each([
    ['none at all', { upgrade: null }, 426, 'upgrade_required'],
    ['another version', { fields: { 'sec-websocket-version': '8' } }, 426, 'upgrade_required'],
    ['no version', { fields: { 'sec-websocket-version': undefined } }, 426, 'upgrade_required'],
    ['a short key', { fields: { 'sec-websocket-key': 'AAAA' } }, 400, 'bad_request'],
    ['no key', { fields: { 'sec-websocket-key': undefined } }, 400, 'bad_request'],
  ] as const)('with %s is refused', async (_, given, status, code) => {
    const { exchange, flight } = await shake(given as Given);
    expect([exchange.status, exchange.error?.code, flight]).toEqual([status, code, undefined]);
  });

  it('over HTTP/2 has no key, and gets none back', async () => {
    const { grant, accepted } = await shake({ keyed: false, fields: { 'sec-websocket-key': undefined } });
    grant();
    expect(accepted).toEqual([[]]);
  });
});

describe('the handshake with the provider', () => {
  it('is our own, at its own path, for its own model', async () => {
    const { sent, field, flight } = await shake({
      url: '/v1/realtime?model=voice&x=1',
      fields: {
        'sec-websocket-extensions': 'permessage-deflate',
        'sec-websocket-protocol': 'realtime',
        authorization: 'Bearer theirs',
        'openai-beta': 'realtime=v1',
      },
    });
    expect([flight?.call.method, flight?.call.path]).toEqual(['GET', '/v1/realtime?x=1&model=grok-voice']);
    expect(field('sec-websocket-key')).not.toBe(KEY);
    expect(field('sec-websocket-key')).toHaveLength(24);
    expect(field('sec-websocket-version')).toBe('13');
    expect(field('sec-websocket-protocol')).toBe('realtime');
    expect(field('openai-beta')).toBe('realtime=v1');
    expect(sent).not.toContain('sec-websocket-extensions');
  });

  it("answers the client's key, protocol and the provider's own fields", async () => {
    const { grant, accepted, exchange } = await shake({ fields: { 'sec-websocket-protocol': 'other, realtime' } });
    grant(['sec-websocket-protocol', 'realtime', 'x-request-id', 'req_1']);
    expect(accepted).toEqual([
      ['x-request-id', 'req_1', 'sec-websocket-accept', acceptOf(KEY), 'sec-websocket-protocol', 'realtime'],
    ]);
    expect(exchange.status).toBe(101);
  });

  it('names a protocol to a client that insists on one', async () => {
    const { grant, accepted } = await shake({ fields: { 'sec-websocket-protocol': 'realtime, beta' } });
    grant();
    expect(accepted[0]).toEqual(['sec-websocket-accept', acceptOf(KEY), 'sec-websocket-protocol', 'realtime']);
  });

  it.each([
    ['another key', [], 'other'],
    ['a protocol nobody offered', ['sec-websocket-protocol', 'mine'], undefined],
    ['an extension', ['sec-websocket-extensions', 'permessage-deflate'], undefined],
  ] as const)('that answers with %s is given up', async (_, more, key) => {
    const { grant, exchange, flight, accepted } = await shake();
    grant([...more], key);
    expect([exchange.status, exchange.error?.code, accepted]).toEqual([502, 'upstream_protocol', []]);
    expect(flight?.call.upgrade?.stream?.destroyed).toBe(true);
  });

  it('ends with a client that has left meanwhile', async () => {
    const { exchange, flight } = await shake();
    exchange.downstream.onAbort?.();
    expect([flight?.aborted, exchange.endCause]).toEqual([true, 'client_gone']);
  });
});
