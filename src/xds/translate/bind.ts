import type { Bind } from '../../resources/types.ts';
import { message, oneWord, text, uint32, WireError, type WireMessage } from '../../resources/wire.ts';
import { nameOf } from './keys.ts';
import { type Notes, portIn, required } from './notes.ts';
import type { Piece } from './pieces.ts';

const TUNNELS = {
  direct: 'DIRECT',
  proxy: 'PROXY',
  hboneWaypoint: 'HBONE_WAYPOINT',
  hboneGateway: 'HBONE_GATEWAY',
  connect: 'CONNECT',
} as const satisfies Record<Bind['tunnelProtocol'], string>;

interface BindMessage {
  key: string;
  port: number;
  protocol: Bind['protocol'];
  tunnelProtocol: Bind['tunnelProtocol'];
  mode: 'standard' | 'internal';
}

const wire = message<BindMessage>({
  key: text,
  port: uint32,
  protocol: oneWord<Bind['protocol']>({ http: 'HTTP', tcp: 'TCP', tls: 'TLS' }, 'http'),
  tunnelProtocol: oneWord<Bind['tunnelProtocol']>(TUNNELS, 'direct'),
  mode: oneWord({ standard: 'STANDARD', internal: 'INTERNAL' }, 'standard'),
});

/** Throws WireError. */
export function readBind(wireBind: WireMessage, notes: Notes): Piece {
  const { protocol, tunnelProtocol, mode } = wire.read(wireBind) as BindMessage;
  const key = `bind/${required(wireBind, 'key')}`;
  const internal = mode === 'internal';
  if (internal) notes.warn('mode INTERNAL: accepted, not yet active; nothing is served there');
  if (tunnelProtocol !== 'direct')
    notes.warn(`tunnelProtocol ${tunnelProtocol}: accepted, not yet active; its routes answer 503`);
  const port = internal ? 0 : portIn(wireBind, 'port');
  return {
    kind: 'bind',
    key,
    bind: { kind: 'bind', key, port, address: '', protocol, tunnelProtocol, driver: 'auto' },
    internal,
  };
}

/** Throws WireError for what only files can say. */
export function writeBind({ key, port, address, protocol, tunnelProtocol, driver }: Bind): WireMessage {
  if (address !== '') throw new WireError("can't be said", ['address']);
  if (driver !== 'auto') throw new WireError("can't be said", ['driver']);
  return wire.write({ key: nameOf(key), port, protocol, tunnelProtocol, mode: 'standard' }) as WireMessage;
}
