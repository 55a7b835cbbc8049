import { createHash, randomBytes } from 'node:crypto';
import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type { DownstreamUpgrade } from '../../../facts/upgrade.ts';

/** RFC 6455 §1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const VERSION = '13';
const KEY = /^[A-Za-z0-9+/]{22}==$/;
const FIELD_PREFIX = 'sec-websocket-';

/** A client's opening handshake, checked, and ours to the provider (RFC 6455 §4). */
export class Handshake {
  readonly upgrade: DownstreamUpgrade;
  readonly #clientKey: string;
  /** What the client offers to speak, in its order. */
  readonly #protocols: readonly string[];
  readonly #key = randomBytes(16).toString('base64');

  /** Throws upgrade_required or bad_request. */
  constructor({ downstream, headers }: Exchange) {
    const { upgrade } = downstream;
    if (upgrade === null || upgrade.protocol !== 'websocket')
      throw new GatewayError('upgrade_required', undefined, { headers: ['upgrade', 'websocket'] });
    if (headers.get('sec-websocket-version') !== VERSION)
      throw new GatewayError('upgrade_required', 'Only version 13 of WebSocket is spoken here.', {
        headers: ['sec-websocket-version', VERSION],
      });
    const key = headers.get('sec-websocket-key') ?? '';
    if (upgrade.keyed && !KEY.test(key)) throw new GatewayError('bad_request', 'The WebSocket key is not valid.');
    this.upgrade = upgrade;
    this.#clientKey = key;
    this.#protocols = listed(headers.getAll('sec-websocket-protocol'));
  }

  /** The client's fields as they go to the provider, with a handshake of ours in place of the client's; extensions are not offered. */
  request(fields: readonly string[]): string[] {
    const sent = withoutHandshake(fields);
    sent.push('sec-websocket-version', VERSION, 'sec-websocket-key', this.#key);
    if (this.#protocols.length > 0) sent.push('sec-websocket-protocol', this.#protocols.join(', '));
    return sent;
  }

  /**
   * The fields of the switch for the client, from those of the provider's. Throws `upstream_protocol` where the provider's don't
   * answer what it was asked.
   */
  response(fields: readonly string[]): string[] {
    let protocol = '';
    let accepted = '';
    for (let i = 0; i < fields.length; i += 2) {
      const value = fields[i + 1] as string;
      if (fields[i] === 'sec-websocket-accept') accepted = value;
      else if (fields[i] === 'sec-websocket-protocol') protocol = value;
      else if (fields[i] === 'sec-websocket-extensions') throw unasked('an extension');
    }
    if (accepted !== acceptOf(this.#key)) throw unasked('another key');
    if (protocol !== '' && !this.#protocols.includes(protocol)) throw unasked('a protocol');
    // A browser that offers protocols insists on one; a provider that names none speaks the first.
    if (protocol === '') protocol = this.#protocols[0] ?? '';
    const sent = withoutHandshake(fields);
    if (this.upgrade.keyed) sent.push('sec-websocket-accept', acceptOf(this.#clientKey));
    if (protocol !== '') sent.push('sec-websocket-protocol', protocol);
    return sent;
  }
}

function unasked(what: string): GatewayError {
  return new GatewayError('upstream_protocol', `The provider's WebSocket handshake answers ${what} nobody asked for.`);
}

function acceptOf(key: string): string {
  return createHash('sha1').update(key).update(ACCEPT_SUFFIX).digest('base64');
}

function withoutHandshake(fields: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!name.startsWith(FIELD_PREFIX) && name !== 'content-length') kept.push(name, fields[i + 1] as string);
  }
  return kept;
}

/** The members of comma-separated lists. */
export function listed(fields: readonly string[]): string[] {
  return fields
    .flatMap((field) => field.split(','))
    .map((member) => member.trim())
    .filter((member) => member !== '');
}
