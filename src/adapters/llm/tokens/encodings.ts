/** OpenAI's encodings, by which every model's tokens are counted here: exactly for its own models, roughly for others. */
export type Encoding = 'o200k_base' | 'cl100k_base';

/** Models before gpt-4o (https://platform.openai.com/docs/models). */
const OLDER = /(?:^|\/)(?:gpt-4(?:-|$)|gpt-3\.5|text-embedding-|text-davinci)/;
const OPENAI = /(?:^|\/)(?:gpt-|o[1-9](?:-|$)|chatgpt-|text-embedding-|codex-)/;

export function encodingOf(model: string): Encoding {
  return OLDER.test(model) ? 'cl100k_base' : 'o200k_base';
}

/** True where the encoding is the model's own, so that a count is exact. */
export function isExact(model: string): boolean {
  return OPENAI.test(model);
}
