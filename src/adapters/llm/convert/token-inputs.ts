import { GatewayError } from '../../../errors/table.ts';
import type { AdapterServices } from '../../adapter.ts';
import { editMembers, scanObject } from '../json-edit.ts';
import { jsonValue } from '../json-value.ts';
import { Wanted } from '../json-wanted.ts';

const MEMBERS = new Wanted({ input: true });
const INPUT = MEMBERS.slot('input');
/** A list of tokens, or several, as their JSON begins: `[1`, `[[1`. */
const OPEN = 0x5b;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/**
 * OpenAI's clients may send inputs of embeddings as tokens. For who takes none, the gateway makes texts of them.
 *
 * Throws `invalid_request_body` as `scanObject` does.
 *
 * @returns null where `body` has no tokens; else the body with texts in their place. Rejects with `invalid_request_body` for what is no
 * token of cl100k_base, `overloaded` where there is no time to decode them.
 */
export function textsForTokens(body: Buffer, services: AdapterServices): Promise<Buffer> | null {
  const scan = scanObject(body, MEMBERS);
  const raw = scan.value(INPUT);
  const lists = raw === null || !beginsWithTokens(raw) ? null : listsOf(jsonValue(raw));
  if (lists === null) return null;
  return services.decodeTokens(lists).then((texts) => {
    if (texts === null) throw new GatewayError('overloaded', 'The gateway has no time to read the tokens of "input".');
    const unknown = texts.indexOf(null);
    if (unknown >= 0) {
      const message = `"input[${unknown}]" holds what is no token of cl100k_base; send texts.`;
      throw new GatewayError('invalid_request_body', message);
    }
    return editMembers(body, scan, [{ name: 'input', slot: INPUT, json: JSON.stringify(texts) }]);
  });
}

function beginsWithTokens(raw: Buffer): boolean {
  if (raw[0] !== OPEN) return false;
  let i = 1;
  while (i < raw.length && ((raw[i] as number) <= 0x20 || raw[i] === OPEN)) i++;
  const first = raw[i] ?? 0;
  return first >= DIGIT_0 && first <= DIGIT_9;
}

/** Tokens, or lists of them; null for anything else, which the request's decoder says is wrong. */
function listsOf(input: unknown): readonly (readonly number[])[] | null {
  if (isTokens(input)) return [input];
  return Array.isArray(input) && input.every(isTokens) ? input : null;
}

function isTokens(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'number');
}
