import type { Exchange } from '../../../exchange.ts';
import type { CompiledAiPolicy } from '../ai-policy.ts';
import type { Destination } from '../target.ts';
import { markPrompt } from './cache-marks.ts';

/** What policies change of a body as the provider gets it: marks for its cache, then members computed from it. */
export function finishBody(
  bytes: Buffer,
  { route, model }: Destination,
  { promptCaching, finalTransformations }: CompiledAiPolicy,
  exchange: Exchange,
): Buffer {
  const marked = promptCaching === null ? bytes : markPrompt(bytes, route, model, promptCaching);
  const clientModel = exchange.llm?.clientModel ?? '';
  return finalTransformations === null ? marked : finalTransformations.apply(marked, exchange, clientModel);
}
