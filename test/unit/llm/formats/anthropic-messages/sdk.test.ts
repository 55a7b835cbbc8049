import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { anthropicMessagesCodec as codec } from '../../../../../src/adapters/llm/formats/anthropic-messages/codec.ts';
import type { StreamPart } from '../../../../../src/facts/answer.ts';
import { encodeStream } from '../hub.ts';

/** The official client, as it reads what is written here. */
function client(status: number, type: string, body: string): Anthropic {
  const fetch = async () => new Response(body, { status, headers: { 'content-type': type } });
  return new Anthropic({ apiKey: 'none', baseURL: 'http://localhost', maxRetries: 0, fetch });
}

const REQUEST = { model: 'm', max_tokens: 10, messages: [{ role: 'user' as const, content: 'Hello' }] };

function streamed(parts: readonly StreamPart[]) {
  const body = encodeStream(codec, parts).map(({ event, data }) => `event: ${event}\ndata: ${data}\n\n`);
  return client(200, 'text/event-stream', body.join('')).messages.stream(REQUEST);
}

const at = (index: number) => ({ choice: 0, index });
const BEGUN: StreamPart = { type: 'start', id: 'm1', model: 'm', created: 5 };

describe('the official client', () => {
  it('puts together a stream with thinking, text, citations and parallel calls', async () => {
    const message = await streamed([
      BEGUN,
      { type: 'part', ...at(0), part: { kind: 'thinking', text: '' } },
      { type: 'thinking', ...at(0), text: 'hm' },
      { type: 'signature', ...at(0), signature: { issuer: 'google', data: 'g' } },
      { type: 'part_end', ...at(0) },
      { type: 'part', ...at(1), part: { kind: 'text', text: '' } },
      { type: 'text', ...at(1), text: 'So' },
      { type: 'citation', ...at(1), citation: { kind: 'url', url: 'https://example.com', title: 'T', quote: 'q' } },
      { type: 'part_end', ...at(1) },
      { type: 'part', ...at(2), part: { kind: 'tool_call', id: 'c1', name: 'f', arguments: '' } },
      { type: 'part', ...at(3), part: { kind: 'tool_call', id: 'c2', name: 'g', arguments: '' } },
      { type: 'arguments', ...at(3), json: '{"b":' },
      { type: 'arguments', ...at(2), json: '{"a":1}' },
      { type: 'arguments', ...at(3), json: '2}' },
      { type: 'part_end', ...at(2) },
      { type: 'part_end', ...at(3) },
      { type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: 'tool_calls' } },
      { type: 'usage', usage: { input: 3, cachedInput: 2, cacheWrite: 1, output: 4, reasoning: 5 } },
      { type: 'end' },
    ]).finalMessage();
    expect(message).toMatchObject({
      stop_reason: 'tool_use',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 'sluice:google:g' },
        { type: 'text', text: 'So', citations: [{ type: 'web_search_result_location', url: 'https://example.com' }] },
        { type: 'tool_use', id: 'c1', name: 'f', input: { a: 1 } },
        { type: 'tool_use', id: 'c2', name: 'g', input: { b: 2 } },
      ],
      usage: { input_tokens: 3, cache_read_input_tokens: 2, cache_creation_input_tokens: 1, output_tokens: 9 },
    });
  });

  it('is told of an error in the middle of a stream', async () => {
    const fault = { status: 529, message: 'Overloaded', type: '', code: '', param: '' };
    await expect(streamed([BEGUN, { type: 'error', fault }]).finalMessage()).rejects.toThrow('Overloaded');
  });

  it('knows an error by its class', async () => {
    const fault = { status: 429, message: 'Slow down', type: '', code: '', param: '', requestId: 'req_1' };
    const body = JSON.stringify(codec.encodeFault(fault).body);
    const asked = client(429, 'application/json', body).messages.create(REQUEST);
    await expect(asked).rejects.toBeInstanceOf(Anthropic.RateLimitError);
    await expect(asked).rejects.toThrow('Slow down');
  });
});
