import { describe, expect, it } from 'vitest';
import { type LlmBench, llmBench, model, provider, serve } from '../../../support/llm.ts';

const JSON_TYPE = ['content-type', 'application/json'];
const SECRETS = '/v1/realtime/client_secrets';
const CALLS = '/v1/realtime/calls';

const bench = (): LlmBench =>
  llmBench({
    models: [
      model('voice', { provider: provider('openAI', { settings: { model: 'gpt-real' } }) }),
      model('claude', { provider: provider('anthropic') }),
      model('*', { provider: provider('openAI') }),
    ],
  });

function post(url: string, body: string, headers = JSON_TYPE) {
  return { method: 'POST', url, body, headers };
}

function form(fields: Record<string, string>): { body: string; headers: string[] } {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  return { body: `${parts.join('')}--b--\r\n`, headers: ['content-type', 'multipart/form-data; boundary=b'] };
}

describe('what surrounds realtime sessions', () => {
  it.each([
    [
      'a client secret',
      post(SECRETS, '{"session":{"type":"realtime","model":"voice"}}'),
      '{"session":{"type":"realtime","model":"gpt-real"}}',
    ],
    ['the same as it is', post(SECRETS, '{ "session": {"model":"gpt-x"} }'), '{ "session": {"model":"gpt-x"} }'],
    [
      'a secret for transcription',
      post(SECRETS, '{"session":{"type":"transcription","audio":{"input":{"transcription":{"model":"voice"}}}}}'),
      '{"session":{"type":"transcription","audio":{"input":{"transcription":{"model":"gpt-real"}}}}}',
    ],
    ["the beta's session", post('/v1/realtime/sessions', '{"model":"voice"}'), '{"model":"gpt-real"}'],
    [
      'a call that is accepted',
      post(`${CALLS}/rtc_1/accept`, '{"type":"realtime","model":"voice"}'),
      '{"type":"realtime","model":"gpt-real"}',
    ],
  ])('%s', async (_, request, sent) => {
    const llm = bench();
    const exchange = await serve(llm, request);
    expect(llm.flights[0]?.sent).toBe(sent);
    expect(llm.flights[0]?.call.path).toBe(request.url);
    llm.flights[0]?.answer(200, '{"value":"ek_1"}');
    expect(exchange.status).toBe(200);
    expect(exchange.downstream.text).toBe('{"value":"ek_1"}');
    expect(exchange.llm?.operation).toBe('realtime');
  });

  it('a call by WebRTC: its model in the form, or in the query beside a bare SDP', async () => {
    const llm = bench();
    const instructions = 'x'.repeat(5000);
    const session = JSON.stringify({ type: 'realtime', model: 'voice', instructions });
    const { body, headers } = form({ sdp: 'v=0', session });
    await serve(llm, post(CALLS, body, headers));
    expect(llm.flights[0]?.sent).toContain('"model":"gpt-real"');
    expect(llm.flights[0]?.sent).toContain(instructions);
    expect(llm.flights[0]?.sent.length).toBe(body.length + 'gpt-real'.length - 'voice'.length);
    await serve(llm, post('/v1/realtime?model=voice', 'v=0', ['content-type', 'application/sdp']));
    expect(llm.flights[1]?.call.path).toBe('/v1/realtime?model=gpt-real');
    expect(llm.flights[1]?.sent).toBe('v=0');
  });

  it.each([
    ['no model', post(SECRETS, '{}'), 400, 'missing_model'],
    ['two models', post(SECRETS, '{"model":"gpt-a","session":{"model":"gpt-b"}}'), 400, 'invalid_request_body'],
    ['a model twice', post(SECRETS, '{"session":{"model":"gpt-a","model":"gpt-b"}}'), 400, 'invalid_request_body'],
    ['a model that is no text', post(SECRETS, '{"session":{"model":7}}'), 400, 'invalid_request_body'],
    ['no JSON', post(SECRETS, '{"session"'), 400, 'invalid_request_body'],
    [
      'a form that is none',
      post(CALLS, 'x', ['content-type', 'multipart/form-data; boundary=b']),
      400,
      'invalid_request_body',
    ],
    ['a provider without sessions', post(SECRETS, '{"session":{"model":"claude"}}'), 400, 'unsupported_conversion'],
    ['the end of a call whose provider nobody knows', post(`${CALLS}/rtc_1/hangup`, ''), 400, 'missing_model'],
  ])('refuses %s', async (_, request, status, code) => {
    const llm = bench();
    const exchange = await serve(llm, request);
    expect([exchange.status, exchange.error?.code]).toEqual([status, code]);
    expect(llm.flights).toEqual([]);
  });

  it.each([
    ['a secret', post(SECRETS, '{"session":{"model":"gpt-x"}}'), 403, 'forbidden'],
    ['a secret, spelled otherwise', post('/v1//realtime/client%5Fsecrets/', '{"model":"gpt-x"}'), 403, 'forbidden'],
    ['a call with another model', post(CALLS, JSON.stringify({ session: { model: 'o-x' } })), 403, 'model_not_allowed'],
    [
      'a call that transcribes with another model',
      post(CALLS, '{"session":{"model":"gpt-x","audio":{"input":{"transcription":{"model":"whisper-1"}}}}}'),
      403,
      'model_not_allowed',
    ],
    ['a call without a model', post(CALLS, 'v=0', ['content-type', 'application/sdp']), 400, 'missing_model'],
    ['a call with one of its models', post(CALLS, '{"session":{"model":"gpt-x"}}'), 0, undefined],
  ])('of a key that is limited to some models: %s', async (_, request, status, code) => {
    const llm = bench();
    const exchange = await serve(llm, request, (one) => {
      one.apiKey = { id: 'narrow', metadata: {}, allowedModels: ['gpt-*'] };
    });
    expect([exchange.status, exchange.error?.code]).toEqual([status, code]);
  });
});
