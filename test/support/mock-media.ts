import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface MediaRequest {
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

type Answer = (request: MediaRequest, response: ServerResponse, port: number) => void;

export const SOUND = Buffer.from([0xff, 0xfb, 0x90, 0x00, 0x7b, 0x22, 0x00, 0xff]);
export const PICTURE = Buffer.from('a picture').toString('base64');
export const IMAGE_USAGE = {
  total_tokens: 130,
  input_tokens: 10,
  output_tokens: 120,
  input_tokens_details: { text_tokens: 10, image_tokens: 0 },
};

/** Providers of images, sound, files, batches and lists of models, by the paths of OpenAI, Anthropic and Gemini; the port stands for them. */
export class MockMedia {
  readonly #server: Server;
  readonly requests: MediaRequest[] = [];
  /** Bytes of uploads seen so far, while they come. */
  received = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<MockMedia> {
    const mock = new MockMedia();
    await new Promise<void>((resolve) => mock.#server.listen(0, '127.0.0.1', resolve));
    return mock;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get last(): MediaRequest {
    const last = this.requests.at(-1);
    if (last === undefined) throw new Error('nothing was asked');
    return last;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      this.received += (chunk as Buffer).length;
      chunks.push(chunk as Buffer);
    }
    const { method = '', url: path = '', headers } = request;
    const seen = { method, path, headers, body: Buffer.concat(chunks) };
    this.requests.push(seen);
    const name = path.split('?', 1)[0] ?? '';
    const answer = ANSWERS.find(([pattern]) => pattern.test(`${method} ${name}`))?.[1];
    if (answer === undefined) json({ error: { message: `no ${method} ${path}` } }, 404)(seen, response, this.port);
    else answer(seen, response, this.port);
  }
}

function json(value: object, status = 200, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  };
}

function events(...values: object[]): Answer {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const value of values) response.write(`data: ${JSON.stringify(value)}\n\n`);
    response.end();
  };
}

/** One thing to who asks for a stream, the other to who doesn't: forms and JSON say so alike. */
function streamed(stream: Answer, whole: Answer): Answer {
  return (request, response, port) => {
    const body = request.body.toString('latin1');
    const asked = /"stream":\s*true|name="stream"\r\n\r\ntrue|"stream_format":\s*"sse"/.test(body);
    (asked ? stream : whole)(request, response, port);
  };
}

const FILE = { id: 'file-1', object: 'file', bytes: 3, created_at: 1, filename: 'f.jsonl', purpose: 'batch' };
const BATCH = { id: 'batch_1', object: 'batch', endpoint: '/v1/chat/completions', status: 'validating', created_at: 1 };
const MESSAGE_BATCH = { id: 'msgbatch_1', type: 'message_batch', processing_status: 'in_progress', results_url: null };
const IMAGES = { created: 1, data: [{ b64_json: PICTURE }], usage: IMAGE_USAGE };
const SPOKEN = {
  type: 'tokens',
  input_tokens: 14,
  input_token_details: { audio_tokens: 14 },
  output_tokens: 2,
  total_tokens: 16,
};
const GOOGLE_FILE = {
  name: 'files/abc',
  uri: 'https://g.test/v1beta/files/abc',
  mimeType: 'text/plain',
  state: 'ACTIVE',
};
const CONTENT = {
  candidates: [
    { content: { parts: [{ inlineData: { mimeType: 'image/png', data: PICTURE } }] }, finishReason: 'STOP' },
  ],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 120, totalTokenCount: 130 },
};

const ANSWERS: readonly (readonly [RegExp, Answer])[] = [
  [
    /^POST \/v1\/images\/(?:generations|edits)$/,
    streamed(
      events(
        { type: 'image_generation.partial_image', b64_json: PICTURE, partial_image_index: 0 },
        { type: 'image_generation.completed', b64_json: PICTURE, usage: IMAGE_USAGE },
      ),
      json(IMAGES),
    ),
  ],
  [
    /^POST \/v1\/audio\/speech$/,
    streamed(
      events(
        { type: 'speech.audio.delta', audio: SOUND.toString('base64') },
        { type: 'speech.audio.done', usage: { input_tokens: 4, output_tokens: 96, total_tokens: 100 } },
      ),
      (_, response) => {
        response.writeHead(200, { 'content-type': 'audio/mpeg' });
        response.write(SOUND.subarray(0, 3));
        response.end(SOUND.subarray(3));
      },
    ),
  ],
  [
    /^POST \/v1\/audio\/transcriptions$/,
    streamed(
      events(
        { type: 'transcript.text.delta', delta: 'Hello' },
        { type: 'transcript.text.done', text: 'Hello', usage: SPOKEN },
      ),
      json({ text: 'Hello', usage: SPOKEN }),
    ),
  ],
  [/^POST \/v1\/audio\/translations$/, json({ text: 'Hello', usage: { type: 'duration', seconds: 3 } })],
  [/^POST \/v1\/moderations$/, json({ id: 'modr-1', model: 'omni-moderation', results: [{ flagged: false }] })],
  [/^GET \/v1\/models$/, (request, response, port) => MODELS(request)(request, response, port)],
  [/^GET \/v1\/files\/file-1\/content$/, (_, response) => void response.end('{"custom_id":"1"}\n')],
  [/^DELETE \/v1\/files\/file-1$/, json({ id: 'file-1', object: 'file', deleted: true })],
  [/^GET \/v1\/files$/, json({ object: 'list', data: [FILE], has_more: false })],
  [/^(?:POST \/v1\/files|GET \/v1\/files\/file-1)$/, json(FILE)],
  [/^GET \/v1\/batches$/, json({ object: 'list', data: [BATCH], has_more: false })],
  [/^(?:POST|GET) \/v1\/batches(?:\/batch_1)?(?:\/cancel)?$/, json(BATCH)],
  [
    /^GET \/v1\/messages\/batches\/done$/,
    json({ ...MESSAGE_BATCH, id: 'done', results_url: 'https://api.anthropic.com/v1/messages/batches/done/results' }),
  ],
  [
    /^GET \/v1\/messages\/batches\/done\/results$/,
    (_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-jsonl' });
      response.end('{"custom_id":"1","result":{"type":"expired"}}\n{"custom_id":"2","result":{"type":"expired"}}\n');
    },
  ],
  [/^GET \/v1\/messages\/batches$/, json({ data: [MESSAGE_BATCH], has_more: false, first_id: null, last_id: null })],
  [/^(?:POST|GET) \/v1\/messages\/batches/, json(MESSAGE_BATCH)],
  [/^GET \/v1beta\/models$/, json({ models: [{ name: 'models/gemini-live', displayName: 'Gemini Live' }] })],
  [/^POST \/v1beta\/models\/gemini-[^/]*:generateContent$/, json(CONTENT)],
  [
    /^POST \/v1beta\/models\/imagen-[^/]*:predict$/,
    json({ predictions: [{ bytesBase64Encoded: PICTURE, mimeType: 'image/png' }] }),
  ],
  [
    /^POST \/upload\/v1beta\/files$/,
    (request, response, port) => {
      const start = request.headers['x-goog-upload-command'] === 'start';
      const url = `http://127.0.0.1:${port}/upload/v1beta/files?upload_id=u1&key=secret`;
      const headers = start ? { 'x-goog-upload-url': url } : { 'x-goog-upload-status': 'final' };
      json(start ? {} : { file: GOOGLE_FILE }, 200, headers as Record<string, string>)(request, response, port);
    },
  ],
  [/^GET \/v1beta\/files\/abc$/, json(GOOGLE_FILE)],
];

/** OpenAI's or Anthropic's, by the credential. */
function MODELS({ headers }: MediaRequest): Answer {
  if (headers['x-api-key'] === undefined)
    return json({ object: 'list', data: [{ id: 'gpt-live', owned_by: 'system', created: 5 }] });
  return json({
    data: [{ type: 'model', id: 'claude-live', display_name: 'Claude Live', created_at: '2026-01-01T00:00:00Z' }],
  });
}
