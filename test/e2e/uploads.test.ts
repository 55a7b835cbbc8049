import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FORM_HEADERS, formOf } from '../support/forms.ts';
import { freePorts, Gateway, ownServers, until } from '../support/gateway.ts';

/** Large uploads that name their model first go to the provider as they come. */

const MEGABYTE = 1 << 20;
let provider: Server;
let gateway: Gateway;
let base = '';
/** Of the last request: bytes that came, and whether all did. */
const seen = { bytes: 0, complete: false, aborted: false, length: '' };
/** Answers before it has read the body. */
let refuses = false;

beforeAll(async () => {
  provider = createServer((incoming, response) => {
    Object.assign(seen, {
      bytes: 0,
      complete: false,
      aborted: false,
      length: incoming.headers['content-length'] ?? '',
    });
    if (refuses) {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end('{"error":{"message":"Wrong key","type":"invalid_request_error","code":"invalid_api_key"}}');
      return;
    }
    incoming.on('data', (chunk: Buffer) => {
      seen.bytes += chunk.length;
    });
    incoming.on('close', () => {
      seen.aborted = !incoming.complete;
    });
    incoming.on('end', () => {
      seen.complete = true;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ text: `${seen.bytes} bytes` }));
    });
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`;
  const [port = 0] = await freePorts(1);
  gateway = await Gateway.start(
    (ports) => `${ownServers(ports, 1)}llm:
  port: ${port}
  models:
  - name: whisper
    provider: openAI
    params: { model: whisper-large-v3, baseUrl: "${url}", apiKey: k }
`,
  );
  base = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  await gateway?.stop();
  provider?.close();
  provider?.closeAllConnections();
});

const openai = () => new OpenAI({ apiKey: 'client', baseURL: `${base}/v1`, maxRetries: 0 });
const large = (bytes: number) => toFile(Buffer.alloc(bytes, 7), 'a.wav', { type: 'audio/wav' });

/** Sends `pieces` one by one, each once `next` lets it. */
function send(pieces: readonly Buffer[], length: number, next: (sent: number) => Promise<void>) {
  return new Promise<{ status: number; text: string } | null>((resolve) => {
    const out = request(`${base}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { [FORM_HEADERS[0] as string]: FORM_HEADERS[1] as string, 'content-length': length },
    });
    out.on('error', () => resolve(null));
    out.on('response', (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += String(chunk);
      });
      response.on('close', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    void (async () => {
      for (const [i, piece] of pieces.entries()) {
        out.write(piece);
        await next(i + 1);
      }
      out.end();
    })();
  });
}

function cut(whole: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(whole.length / size) }, (_, i) => whole.subarray(i * size, (i + 1) * size));
}

describe('a large upload', () => {
  it("of OpenAI's client is larger than may be held", async () => {
    const { text } = await openai().audio.transcriptions.create({ model: 'whisper', file: await large(48 * MEGABYTE) });
    expect(text).toBe(`${seen.bytes} bytes`);
    expect(seen.bytes).toBeGreaterThan(48 * MEGABYTE);
    expect(seen.length).toBe(String(seen.bytes));
  });

  it('is at the provider before its end has come', async () => {
    const file = { name: 'file', value: Buffer.alloc(2 * MEGABYTE, 7), filename: 'a.wav' };
    const whole = formOf([{ name: 'model', value: 'whisper' }, file]);
    const answer = await send(cut(whole, MEGABYTE), whole.length, async (sent) => {
      if (sent === 1) await until(() => seen.bytes > MEGABYTE / 2);
    });
    expect(answer).toEqual({ status: 200, text: `{"text":"${whole.length + 'whisper-large-v3'.length - 7} bytes"}` });
  });

  it('that names a second model never reaches its end', async () => {
    const file = { name: 'file', value: Buffer.alloc(2 * MEGABYTE, 7), filename: 'a.wav' };
    const whole = formOf([{ name: 'model', value: 'whisper' }, file, { name: 'model', value: 'other' }]);
    const answer = await send([whole], whole.length, async () => {});
    expect(answer === null || answer.status === 400).toBe(true);
    await until(() => seen.aborted);
    expect(seen.complete).toBe(false);
  });

  it('that is refused at once gets the answer', async () => {
    refuses = true;
    const asked = openai().audio.transcriptions.create({ model: 'whisper', file: await large(8 * MEGABYTE) });
    const error = await asked.then(
      () => null,
      (reason: unknown) => reason,
    );
    refuses = false;
    expect(error).toMatchObject({ status: 401 });
    const { text } = await openai().audio.transcriptions.create({ model: 'whisper', file: await large(2 * MEGABYTE) });
    expect(text).toContain('bytes');
  });

  it('whose client leaves is given up', async () => {
    const file = { name: 'file', value: Buffer.alloc(2 * MEGABYTE, 7), filename: 'a.wav' };
    const whole = formOf([{ name: 'model', value: 'whisper' }, file]);
    const out = request(`${base}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { [FORM_HEADERS[0] as string]: FORM_HEADERS[1] as string, 'content-length': whole.length },
    });
    out.on('error', () => {});
    seen.bytes = 0;
    out.write(whole.subarray(0, MEGABYTE));
    await until(() => seen.bytes > MEGABYTE / 2);
    out.destroy();
    await until(() => seen.aborted);
    expect(seen.complete).toBe(false);
  });
});
