import type { LlmBench, LlmExchange } from '../../../support/llm.ts';
import { chatEvents, provider, serve } from '../../../support/llm.ts';

/** Providers that keep no responses, by the format they speak, with answers as they give them. */
export const PROVIDERS = {
  completions: {
    provider: provider('custom', {
      settings: { formats: [{ type: 'completions' }] },
      hostOverride: 'chat.test:443',
      hostOverrideTls: true,
    }),
    answer: (text: string) => ({
      id: 'c1',
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    }),
    call: (id: string) => ({
      id: 'c1',
      model: 'm',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: null,
            tool_calls: [{ id, type: 'function', function: { name: 'look', arguments: '{"at":"x"}' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
    }),
    events: (text: string) => chatEvents([...text], null),
    /** The roles and texts that a request of the provider's tells. */
    said: (body: any): string[] =>
      body.messages.map((message: any) => `${message.role}: ${message.content ?? JSON.stringify(message.tool_calls)}`),
  },
  messages: {
    provider: provider('anthropic'),
    answer: (text: string) => ({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, output_tokens: 1 },
    }),
    call: (id: string) => ({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'tool_use', id, name: 'look', input: { at: 'x' } }],
      stop_reason: 'tool_use',
      usage: { input_tokens: 1, output_tokens: 1 },
    }),
    events: (text: string) =>
      [
        {
          type: 'message_start',
          message: { id: 'msg_1', model: 'm', role: 'assistant', content: [], usage: { input_tokens: 1 } },
        },
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        ...[...text].map((piece) => ({
          type: 'content_block_delta',
          index: 0,
          delta: { type: 'text_delta', text: piece },
        })),
        { type: 'content_block_stop', index: 0 },
        { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } },
        { type: 'message_stop' },
      ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
    said: (body: any): string[] =>
      body.messages.map(
        ({ role, content }: any) => `${role}: ${typeof content === 'string' ? content : told(content)}`,
      ),
  },
  generateContent: {
    provider: provider('gemini'),
    answer: (text: string) => ({
      modelVersion: 'm',
      candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP' }],
    }),
    call: (id: string) => ({
      modelVersion: 'm',
      candidates: [
        {
          content: { role: 'model', parts: [{ functionCall: { id, name: 'look', args: { at: 'x' } } }] },
          finishReason: 'STOP',
        },
      ],
    }),
    events: (text: string) =>
      [...text].map(
        (piece, i) =>
          `data: ${JSON.stringify({
            modelVersion: 'm',
            candidates: [
              {
                content: { role: 'model', parts: [{ text: piece }] },
                ...(i === text.length - 1 && { finishReason: 'STOP' }),
              },
            ],
          })}\n\n`,
      ),
    said: (body: any): string[] =>
      body.contents.map(
        ({ role, parts }: any) =>
          `${role === 'model' ? 'assistant' : role}: ${parts.map((part: any) => part.text ?? JSON.stringify(part)).join('')}`,
      ),
  },
} as const;

function told(content: any[]): string {
  return content.map((block) => block.text ?? JSON.stringify(block)).join('');
}

/** Posts a request of the responses API. */
export function respond(
  llm: LlmBench,
  body: object,
  prepare?: (exchange: LlmExchange) => void,
): ReturnType<typeof serve> {
  return serve(llm, { url: '/v1/responses', body: JSON.stringify({ model: 'm', ...body }) }, prepare);
}

/** Asks for what is kept. */
export function ask(llm: LlmBench, method: string, path: string, prepare?: (exchange: LlmExchange) => void) {
  return serve(llm, { method, url: `/v1/responses/${path}` }, prepare);
}

export function json(exchange: LlmExchange): any {
  return JSON.parse(exchange.downstream.text);
}

/** The events of a stream that the client got. */
export function events(exchange: LlmExchange): any[] {
  return [...exchange.downstream.text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? ''));
}
