import type { ProviderFault } from '../../../../facts/answer.ts';
import type { EncodedFault } from '../codec.ts';

/** Cohere's errors: `{message}` (https://docs.cohere.com/reference/errors). Reading them is like reading OpenAI's. */
export { decodeFault } from '../openai-chat/faults.ts';

export function encodeFault({ message }: ProviderFault): EncodedFault {
  return { headers: [], body: { message } };
}
