import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

type Body = any;

/** What is heard, whatever the sound. */
export const TRANSCRIPT = 'Grüezi mitenand.';
export const SOUND = Buffer.from(Array.from({ length: 4800 }, (_, i) => i % 251));

const usage = (input: [string, number][], output: [string, number][]) => {
  const sum = (counts: [string, number][]) => counts.reduce((total, [, tokens]) => total + tokens, 0);
  const details = (counts: [string, number][]) => counts.map(([modality, tokenCount]) => ({ modality, tokenCount }));
  return {
    promptTokenCount: sum(input),
    candidatesTokenCount: sum(output),
    totalTokenCount: sum(input) + sum(output),
    promptTokensDetails: details(input),
    candidatesTokensDetails: details(output),
  };
};

function answer(parts: object[], usageMetadata: object, finishReason?: string): object {
  const candidate = {
    content: { role: 'model', parts },
    index: 0,
    ...(finishReason !== undefined && { finishReason }),
  };
  return { candidates: [candidate], usageMetadata, modelVersion: 'gemini-real', responseId: 'r' };
}

/** The first image, backwards. */
function edited({ contents }: Body): object {
  const { mimeType, data } = contents[0].parts[0].inlineData;
  const image = Buffer.from(data, 'base64').reverse().toString('base64');
  const counts = usage(
    [
      ['TEXT', 4],
      ['IMAGE', 258],
    ],
    [['IMAGE', 1290]],
  );
  return answer([{ text: 'There:' }, { inlineData: { mimeType, data: image } }], counts, 'STOP');
}

function spoken(): object {
  const inlineData = { mimeType: 'audio/L16;codec=pcm;rate=24000', data: SOUND.toString('base64') };
  return answer([{ inlineData }], usage([['TEXT', 4]], [['AUDIO', 5]]), 'STOP');
}

const HEARD = usage(
  [
    ['TEXT', 60],
    ['AUDIO', 32],
  ],
  [['TEXT', 6]],
);

/** Gemini's image, speech and understanding models on their wire, as far as requests for media go. */
export class MockGeminiMedia {
  readonly requests: { path: string; key: string; body: Body }[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const path = request.url ?? '';
        const body: Body = JSON.parse(Buffer.concat(chunks).toString());
        this.requests.push({ path, key: String(request.headers['x-goog-api-key'] ?? ''), body });
        const modalities: string[] = body.generationConfig?.responseModalities ?? [];
        if (path.endsWith(':streamGenerateContent?alt=sse')) {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          const words = TRANSCRIPT.split(/(?<= )/);
          for (const [i, text] of words.entries())
            response.write(
              `data: ${JSON.stringify(answer([{ text }], HEARD, words[i + 1] === undefined ? 'STOP' : undefined))}\r\n\r\n`,
            );
          response.end();
          return;
        }
        const found = path.endsWith(':generateContent');
        const reply = modalities.includes('AUDIO')
          ? spoken()
          : modalities.includes('IMAGE')
            ? edited(body)
            : answer([{ text: TRANSCRIPT }], HEARD, 'STOP');
        response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
        response.end(JSON.stringify(found ? reply : { error: { code: 404, message: path, status: 'NOT_FOUND' } }));
      });
    });
  }

  static async start(): Promise<MockGeminiMedia> {
    const mock = new MockGeminiMedia();
    await new Promise<void>((resolve) => mock.#server.listen(0, '127.0.0.1', resolve));
    return mock;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
