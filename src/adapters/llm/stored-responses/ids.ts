import { randomBytes } from 'node:crypto';

/** What the ids of responses that are kept here begin with; no provider's do. */
const PREFIX = 'resp_sluice_';
const OWN = /^resp_sluice_[0-9a-f]{32}$/;
const PREFIX_BYTES = Buffer.from(PREFIX);

/** An id of 128 random bits: who knows it was told it. */
export function newResponseId(): string {
  return PREFIX + randomBytes(16).toString('hex');
}

export function isOwnResponseId(id: string): boolean {
  return OWN.test(id);
}

/** False where a body names no response that is kept here: it need not be parsed to find out which. */
export function mayNameOwnResponse(body: Buffer): boolean {
  return body.includes(PREFIX_BYTES);
}
