import { countTokens } from './count.ts';

export { decodeTokens } from './decode.ts';

import type { Encoding } from './encodings.ts';

export interface CountTask {
  readonly texts: readonly string[];
  readonly encoding: Encoding;
}

/** What a thread of the pool does (`pool.ts`): the tokens of all texts together. */
export async function countAll({ texts, encoding }: CountTask): Promise<number> {
  let tokens = 0;
  for (const text of texts) tokens += await countTokens(text, encoding);
  return tokens;
}
