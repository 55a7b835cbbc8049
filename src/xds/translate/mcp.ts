import {
  list,
  mapped,
  message,
  oneWord,
  otherwise,
  required,
  text,
  uint32,
  WireError,
  type WireMessage,
} from '../../resources/wire.ts';

/** MCPBackend ↔ the value of a file's `mcp` backend. */

/** Where a server is, as a file says it. */
interface Server {
  host?: string;
  port?: number;
  path?: string | null;
  backend?: string;
  /** A service, which only control planes name here. */
  service?: { namespace: string; hostname: string; port: number };
}

interface Reference {
  service?: { namespace: string; hostname: string };
  backend?: string;
  inline?: { hostname: string; port: number };
  port?: number;
}

interface TargetMessage {
  name: string;
  backend?: Reference;
  path?: string;
  protocol: 'undefined' | 'sse' | 'mcp';
}

interface Target {
  name: string;
  sse?: Server;
  mcp?: Server;
}

const targetMessage = message<TargetMessage>({
  name: required(text),
  backend: message({
    service: message({ namespace: text, hostname: text }),
    backend: text,
    inline: message({ hostname: text, port: uint32 }),
    port: uint32,
  }),
  path: text,
  protocol: oneWord({ undefined: 'UNDEFINED', sse: 'SSE', mcp: 'STREAMABLE_HTTP' }, 'undefined'),
});

const target = mapped<TargetMessage, Target>(targetMessage, {
  read({ name, backend: { service, backend, inline, port = 0 } = {}, path, protocol }) {
    const place = path === undefined ? {} : { path };
    const server: Server =
      service !== undefined
        ? { service: { ...service, port }, ...place }
        : inline !== undefined
          ? { host: inline.hostname, port: inline.port, ...place }
          : { backend: backend ?? '', ...place };
    return protocol === 'sse' ? { name, sse: server } : { name, mcp: server };
  },
  write({ name, sse, mcp, ...others }) {
    const server = sse ?? mcp;
    const other = Object.entries(others).find(([, value]) => value !== undefined && value !== null);
    if (server === undefined || other !== undefined) throw new WireError("can't be said", [other?.[0] ?? 'target']);
    return {
      name,
      backend: reference(server),
      ...(server.path && { path: server.path }),
      protocol: sse ? 'sse' : 'mcp',
    };
  },
});

function reference({ host, port, backend, service }: Server): Reference {
  if (backend !== undefined) return { backend };
  if (service !== undefined)
    return { service: { namespace: service.namespace, hostname: service.hostname }, port: service.port };
  if (host === undefined || port === undefined) throw new WireError("a URL can't be said", ['host']);
  return { inline: { hostname: host, port } };
}

const wire = message({
  targets: otherwise(list(target), []),
  statefulMode: oneWord({ stateful: 'STATEFUL', stateless: 'STATELESS' }),
  prefixMode: oneWord({ conditional: 'CONDITIONAL', always: 'ALWAYS', never: 'NEVER' }),
  failureMode: oneWord({ failClosed: 'FAIL_CLOSED', failOpen: 'FAIL_OPEN' }),
});

/** Throws WireError. */
export function readMcp(backend: WireMessage): unknown {
  return wire.read(backend);
}

/** Throws WireError for what only files can say. */
export function writeMcp(value: WireMessage): WireMessage {
  return wire.write(value) as WireMessage;
}
