import { createServer, type Server } from 'node:http';
import { PROVIDERS } from './responses-api.ts';

export type StatelessFormat = keyof typeof PROVIDERS;

/**
 * Providers over real sockets that keep nothing: each answers with the number of messages it was told, or with a call of a tool where
 * it is given one and not yet its result.
 */
export class StatelessProviders {
  /** Bodies by format, in the order they came. */
  readonly bodies: Record<StatelessFormat, any[]> = { completions: [], messages: [], generateContent: [] };
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const format = formatOf(request.url ?? '');
        const body = JSON.parse(Buffer.concat(chunks).toString());
        this.bodies[format].push(body);
        const { said, answer, call, events } = PROVIDERS[format];
        const turns = said(body);
        const wantsCall = body.tools !== undefined && !JSON.stringify(body).includes('SUNNY');
        const streams = body.stream === true || request.url?.includes('stream') === true;
        if (streams) {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.end(events(`heard ${turns.length}`).join(''));
        } else {
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(JSON.stringify(wantsCall ? call('call_7') : answer(`heard ${turns.length}`)));
        }
      });
    });
  }

  static async start(): Promise<StatelessProviders> {
    const providers = new StatelessProviders();
    await new Promise<void>((resolve) => providers.#server.listen(0, '127.0.0.1', resolve));
    return providers;
  }

  /** What the last request to a provider of this format told it. */
  said(format: StatelessFormat): string[] {
    return PROVIDERS[format].said(this.bodies[format].at(-1));
  }

  /** The `llm:` section of a gateway on `port` whose models are named by the format of their provider. */
  yaml(port: number): string {
    const { port: upstream } = this.#server.address() as { port: number };
    const kinds = {
      completions: '{ custom: { formats: [{ type: completions }] } }',
      messages: 'anthropic',
      generateContent: 'gemini',
    };
    const models = Object.entries(kinds).map(
      ([name, provider]) => `  - name: ${name}
    provider: ${provider}
    params:
      baseUrl: "http://127.0.0.1:${upstream}${name === 'completions' ? '/v1' : ''}"
    auth: { key: own-key }
`,
    );
    return `llm:\n  port: ${port}\n  models:\n${models.join('')}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function formatOf(url: string): StatelessFormat {
  if (url.includes('/messages')) return 'messages';
  return url.includes('enerateContent') ? 'generateContent' : 'completions';
}
