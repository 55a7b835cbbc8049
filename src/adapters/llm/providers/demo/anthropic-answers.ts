import { randomUUID } from 'node:crypto';
import { countTokens, type DemoRequest, demoAnswer, splitTokens } from './request.ts';
import { type DemoAnswer, json, stream } from './wire.ts';

/** Messages: https://docs.anthropic.com/en/api/messages */
export function messagesAnswer(request: DemoRequest): DemoAnswer {
  const answer = demoAnswer(request);
  const output = countTokens(answer);
  const message = (content: object[], stop: string | null, outputTokens: number) => ({
    id: `msg_demo_${randomUUID()}`,
    type: 'message',
    role: 'assistant',
    model: request.model,
    content,
    stop_reason: stop,
    stop_sequence: null,
    usage: {
      input_tokens: request.inputTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: outputTokens,
    },
  });
  if (!request.streaming) return json(message([{ type: 'text', text: answer }], 'end_turn', output));
  const event = (type: string, rest: object, paced = false) => ({
    text: `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`,
    paced,
  });
  return stream(
    (function* () {
      yield event('message_start', { message: message([], null, 1) });
      yield event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
      yield event('ping', {});
      for (const text of splitTokens(answer))
        yield event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }, true);
      yield event('content_block_stop', { index: 0 });
      yield event('message_delta', {
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: output },
      });
      yield event('message_stop', {});
    })(),
  );
}

/** Token counting: https://docs.anthropic.com/en/api/messages-count-tokens */
export function countTokensAnswer(request: DemoRequest): DemoAnswer {
  return json({ input_tokens: request.inputTokens });
}
