import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A provider that speaks OpenAI's and Anthropic's wire formats, scripted by the model it is asked for. `ok-…` behaves; the faults:
 *
 *   refuses-…      401 with an error body, whatever was asked for
 *   cut-…          closes the connection after two pieces of a stream
 *   uncounted-…    never reports usage
 *   unfinished-…   ends a stream without the last event's blank line
 *   slow-…         20 ms between the pieces of a stream
 *   split-…        sends each byte of a stream on its own
 */
export class MockLlm {
  readonly #server: Server;
  /** Requests as they came, the latest last. */
  readonly requests: { path: string; headers: IncomingMessage['headers']; body: any }[] = [];
  /** Streams that were sent to their end. */
  finished = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<MockLlm> {
    const mock = new MockLlm();
    await new Promise<void>((resolve) => mock.#server.listen(0, '127.0.0.1', resolve));
    return mock;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const body = text === '' ? null : JSON.parse(text);
    const path = request.url ?? '';
    this.requests.push({ path, headers: request.headers, body });
    const model: string = body?.model ?? '';
    if (model.startsWith('refuses')) {
      const error = path.startsWith('/v1/messages')
        ? { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } }
        : {
            error: {
              message: 'Incorrect API key',
              type: 'invalid_request_error',
              param: null,
              code: 'invalid_api_key',
            },
          };
      return json(response, 401, error);
    }
    const answer = ANSWERS[path.split('?', 1)[0] as string];
    if (answer === undefined) return json(response, 404, { error: { message: `no ${path}`, type: 'not_found' } });
    const made = answer(body);
    if (!Array.isArray(made)) {
      if (model.startsWith('uncounted')) delete (made as { usage?: unknown }).usage;
      return json(response, 200, made);
    }
    await this.#stream(response, made, model);
  }

  async #stream(response: ServerResponse, events: string[], model: string): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'req_mock' });
    let sent = model.startsWith('uncounted') ? events.filter((event) => !/"usage":\{/.test(event)) : events;
    if (model.startsWith('unfinished')) {
      sent = sent.filter((event) => !event.includes('[DONE]') && !event.includes('message_stop'));
      sent = [...sent.slice(0, -1), (sent.at(-1) as string).trimEnd()];
    }
    for (const [index, event] of sent.entries()) {
      if (response.destroyed) return;
      if (model.startsWith('cut') && index === 3) {
        // What was written leaves first.
        await sleep(20);
        response.destroy();
        return;
      }
      if (model.startsWith('split')) {
        for (const byte of Buffer.from(event)) {
          response.write(Buffer.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
      } else response.write(event);
      if (model.startsWith('slow')) await sleep(20);
    }
    this.finished++;
    response.end();
  }
}

export const WORDS = ['Stream', 'ing ', 'is ', 'fün ', '😀', '.'];
const ANSWER = WORDS.join('');

export const CHAT_USAGE = {
  prompt_tokens: 20,
  completion_tokens: 11,
  total_tokens: 31,
  prompt_tokens_details: { cached_tokens: 8 },
  completion_tokens_details: { reasoning_tokens: 5 },
};
export const RESPONSES_USAGE = {
  input_tokens: 20,
  input_tokens_details: { cached_tokens: 8, cache_write_tokens: 0 },
  output_tokens: 11,
  output_tokens_details: { reasoning_tokens: 5 },
  total_tokens: 31,
};
export const MESSAGES_USAGE = {
  input_tokens: 9,
  cache_read_input_tokens: 8,
  cache_creation_input_tokens: 3,
  output_tokens: 11,
};

/** What each path answers: an object, or the events of a stream. */
const ANSWERS: Record<string, (body: any) => object | string[]> = {
  '/v1/chat/completions': chat,
  '/v1/responses': responses,
  '/v1/embeddings': ({ model }) => ({
    object: 'list',
    model,
    data: [{ object: 'embedding', index: 0, embedding: [0.25, -0.5] }],
    usage: { prompt_tokens: 4, total_tokens: 4 },
  }),
  '/v1/messages': messages,
  '/v1/messages/count_tokens': () => ({ input_tokens: 42 }),
};

function chat({ model, stream, stream_options: options }: any): object | string[] {
  const head = { id: 'chatcmpl-1', created: 1_700_000_000, model: `${model}-2026` };
  if (!stream) {
    const message = { role: 'assistant', content: ANSWER, refusal: null };
    return {
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }],
      usage: CHAT_USAGE,
    };
  }
  const nothing = options?.include_usage ? { usage: null } : {};
  const chunk = (rest: object) => `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...rest })}\n\n`;
  const piece = (delta: object, finish: string | null = null) =>
    chunk({ choices: [{ index: 0, delta, finish_reason: finish }], ...nothing });
  return [
    piece({ role: 'assistant', content: '' }),
    ...WORDS.map((content) => piece({ content })),
    piece({}, 'stop'),
    ...(options?.include_usage ? [chunk({ choices: [], usage: CHAT_USAGE })] : []),
    'data: [DONE]\n\n',
  ];
}

function responses({ model, stream }: any): object | string[] {
  const part = { type: 'output_text', text: ANSWER, annotations: [] };
  const item = { id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content: [part] };
  const response = { id: 'resp_1', object: 'response', created_at: 1_700_000_000, model, error: null };
  const completed = { ...response, status: 'completed', output: [item], usage: RESPONSES_USAGE };
  if (!stream) return completed;
  let sequence = 0;
  const event = (type: string, rest: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...rest })}\n\n`;
  const place = { item_id: 'msg_1', output_index: 0, content_index: 0 };
  return [
    event('response.created', { response: { ...response, status: 'in_progress', output: [], usage: null } }),
    event('response.output_item.added', { output_index: 0, item: { ...item, status: 'in_progress', content: [] } }),
    event('response.content_part.added', { ...place, part: { ...part, text: '' } }),
    ...WORDS.map((delta) => event('response.output_text.delta', { ...place, delta })),
    event('response.output_text.done', { ...place, text: ANSWER }),
    event('response.content_part.done', { ...place, part }),
    event('response.output_item.done', { output_index: 0, item }),
    event('response.completed', { response: completed }),
  ];
}

function messages({ model, stream }: any): object | string[] {
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: `${model}-2026`, stop_sequence: null };
  if (!stream) {
    return { ...message, content: [{ type: 'text', text: ANSWER }], stop_reason: 'end_turn', usage: MESSAGES_USAGE };
  }
  const event = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
  const { output_tokens, ...input } = MESSAGES_USAGE;
  return [
    event('message_start', {
      message: { ...message, content: [], stop_reason: null, usage: { ...input, output_tokens: 1 } },
    }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('ping', {}),
    ...WORDS.map((text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens } }),
    event('message_stop', {}),
  ];
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
