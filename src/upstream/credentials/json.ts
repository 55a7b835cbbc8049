import { isObject } from '../../resources/json.ts';
import { CredentialError, type Token } from './source.ts';

/** A member that must be a string with something in it. */
export function textOf(from: Record<string, unknown>, name: string, what: string): string {
  const value = from[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new CredentialError(`${what} has no "${name}"`);
}

export function optionalText(from: Record<string, unknown>, name: string): string | undefined {
  const value = from[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Where a token's answer names no end, ms. */
const DEFAULT_LIFE_MS = 300_000;

/**
 * A token endpoint's answer (RFC 6749 §5.1); some say `expires_in` as text.
 *
 * @param now Unix ms before the token was asked for
 */
export function tokenOf(answer: Record<string, unknown>, what: string, now: number): Token {
  const seconds = Number(answer.expires_in ?? Number.NaN);
  const life = Number.isFinite(seconds) ? seconds * 1000 : DEFAULT_LIFE_MS;
  return { value: headerText(textOf(answer, 'access_token', what), what), expiresAt: now + life };
}

/** A JWT that is used as it is: it says itself when it ends. */
export function jwtToken(jwt: string, what: string, now: number): Token {
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8'));
  } catch {
    throw new CredentialError(`${what} gave no JWT`);
  }
  const expires = isObject(claims) ? claims.exp : undefined;
  return {
    value: headerText(jwt, what),
    expiresAt: typeof expires === 'number' ? expires * 1000 : now + DEFAULT_LIFE_MS,
  };
}

/** Text that can stand in a header field; anything else is no token, whoever sent it. */
export function headerText(text: string, what: string): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new CredentialError(`${what} gave something that is no token`);
}

/** ISO 8601 → Unix ms. */
export function timeOf(from: Record<string, unknown>, name: string, what: string): number {
  const time = Date.parse(textOf(from, name, what));
  if (Number.isNaN(time)) throw new CredentialError(`${what} has no valid "${name}"`);
  return time;
}
