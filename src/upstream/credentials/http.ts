import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'undici';
import { isObject } from '../../resources/json.ts';
import { CredentialError } from './source.ts';

export interface TokenRequest {
  /** What is asked, for errors: "Entra ID". */
  readonly what: string;
  readonly url: string;
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For everything, from the connection to the last byte, ms. */
  readonly timeoutMs?: number;
}

export interface TokenAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const TIMEOUT_MS = 5_000;
/** Answers that hold a token are a few KiB. */
const MAX_BYTES = 256 * 1024;

/**
 * Token services are asked once in a while, on a connection each time, and redirects are not followed: a credential goes where it was
 * sent and nowhere else.
 */
const AGENT = new Agent({ pipelining: 0, maxHeaderSize: 16 * 1024, connect: { timeout: TIMEOUT_MS } });

/** Thrown where nobody answered at all. */
export class UnreachableError extends CredentialError {}

/**
 * Asks a token or metadata service.
 *
 * Throws `UnreachableError` where no answer came, `CredentialError` where it was too long or broke off.
 */
export async function ask(asked: TokenRequest): Promise<TokenAnswer> {
  const { what, url, method = 'GET', headers = {}, body, timeoutMs = TIMEOUT_MS } = asked;
  let answered = false;
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await request(url, { method, headers, body: body ?? null, signal, dispatcher: AGENT });
    answered = true;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BYTES) throw new CredentialError(`${what} answered more than ${MAX_BYTES} bytes`);
      chunks.push(chunk);
    }
    return { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') };
  } catch (error) {
    if (error instanceof CredentialError) throw error;
    if (error instanceof Error && error.name === 'TimeoutError')
      throw new UnreachableError(`${what} did not answer within ${timeoutMs} ms`);
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    if (answered) throw new CredentialError(`the answer of ${what} broke off${code}`);
    throw new UnreachableError(`${what} could not be reached${code}`);
  }
}

/** As `ask`, for an answer that is a JSON object. Throws `CredentialError` for another status than 2xx and for anything else. */
export async function askJson(asked: TokenRequest): Promise<Record<string, unknown>> {
  const answer = await ask(asked);
  const value = jsonObject(answer.text);
  if (answer.status < 200 || answer.status > 299)
    throw new CredentialError(`${asked.what} answered ${answer.status}${faultOf(value)}`);
  if (value === null) throw new CredentialError(`the answer of ${asked.what} is no JSON object`);
  return value;
}

/** A form, as token endpoints take it (RFC 6749 appendix B). */
export function form(fields: Readonly<Record<string, string | undefined>>): {
  method: 'POST';
  headers: Record<string, string>;
  body: string;
} {
  const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams(given).toString(),
  };
}

function jsonObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** The service's word for what went wrong: a code, never its prose, which may quote what it was sent. */
function faultOf(value: Record<string, unknown> | null): string {
  if (value === null) return '';
  const words: string[] = [];
  const { error } = value;
  for (const word of [error, value.code, value.Code, isObject(error) ? error.status : undefined])
    if (typeof word === 'string' && /^[\w.-]{1,64}$/.test(word)) words.push(word);
  // Entra ID's own number for it: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
  const description = value.error_description;
  const number = typeof description === 'string' ? /AADSTS\d{4,8}/.exec(description)?.[0] : undefined;
  if (number !== undefined) words.push(number);
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}
