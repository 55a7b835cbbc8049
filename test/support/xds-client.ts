import { afterEach } from 'vitest';
import type { XdsSettings } from '../../src/resources/settings.ts';
import { AdsClient, type AdsTimes } from '../../src/xds/client/client.ts';
import type { XdsMetrics } from '../../src/xds/client/metrics.ts';
import { nodeOf } from '../../src/xds/client/node.ts';
import type { WireDelta, WireIssue, XdsLog } from '../../src/xds/delta.ts';
import {
  ADDRESS_TYPE,
  type DeltaDiscoveryResponse,
  type DiscoveryResource,
  RESOURCE_TYPE,
} from '../../src/xds/wire/discovery.ts';
import { AdsServer, type AdsStream } from './ads-server.ts';

/** Settings of a client of the control plane at `address`. */
export function xdsSettings(address: string, more: Partial<XdsSettings> = {}): XdsSettings {
  return {
    address,
    namespace: 'infra',
    gateway: 'edge',
    clusterId: 'Kubernetes',
    tokenFile: null,
    rootCa: 'SYSTEM',
    clientCertificate: null,
    secretHeaders: [],
    podName: 'edge-1',
    instanceIp: '10.0.0.7',
    nodeName: 'node-a',
    labels: {},
    recordFile: null,
    ...more,
  };
}

/** A log that keeps its lines, fields and all. */
export class KeptLog implements XdsLog {
  readonly lines: string[] = [];
  debug = (message: string, fields?: object) => this.#keep('debug', message, fields);
  info = (message: string, fields?: object) => this.#keep('info', message, fields);
  warn = (message: string, fields?: object) => this.#keep('warn', message, fields);
  error = (message: string, fields?: object) => this.#keep('error', message, fields);

  #keep(level: string, message: string, fields: object | undefined): void {
    this.lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  }
}

/** Metrics as a list of what was counted: `name{labels} value`. */
export class KeptMetrics implements XdsMetrics {
  readonly counts = new Map<string, number>();
  readonly xdsTerminations = this.#counter<{ reason: string }>('terminations');
  readonly xdsMessages = this.#counter<{ url: string; result: string }>('messages');
  readonly xdsMessageBytes = this.#counter<{ url: string }>('bytes');
  readonly xdsConnected = { set: (value: number) => void this.counts.set('connected', value) };
  readonly xdsLastMessage = { set: (value: number) => void this.counts.set('last', value) };
  readonly xdsResources = {
    set: ({ url, state }: { url: string; state: string }, value: number) =>
      void this.counts.set(`resources ${url} ${state}`, value),
  };

  #counter<Labels extends object>(name: string) {
    return {
      inc: (labels: Labels, by = 1) => {
        const key = `${name} ${Object.values(labels).join(' ')}`;
        this.counts.set(key, (this.counts.get(key) ?? 0) + by);
      },
    };
  }
}

/** Fast enough for tests; nothing waits for them. */
const TIMES: Partial<AdsTimes> = { backoff: { first: 1, longest: 20 } };

/** A client whose deltas go to `handle`, which refuses nothing by default. */
export function adsClient(
  settings: XdsSettings,
  handle: (delta: WireDelta) => Promise<readonly WireIssue[]> = async () => [],
  times: Partial<AdsTimes> = {},
): { client: AdsClient; log: KeptLog; metrics: KeptMetrics } {
  const log = new KeptLog();
  const metrics = new KeptMetrics();
  const node = nodeOf({ settings, version: '1.2.3', statsAddress: { host: '::', port: 15020 } });
  const types = [ADDRESS_TYPE, RESOURCE_TYPE];
  const client = new AdsClient({ settings, node, types, handle, log, metrics, times: { ...TIMES, ...times } });
  return { client, log, metrics };
}

/** A resource whose content says its name and version, or what is given. */
export const resource = (name: string, version: string, value = `${name}@${version}`): DiscoveryResource => ({
  name,
  version,
  resource: { type_url: RESOURCE_TYPE, value: Buffer.from(value) },
});

export const response = (
  nonce: string,
  resources: DiscoveryResource[],
  removed: string[] = [],
): DeltaDiscoveryResponse => ({
  type_url: RESOURCE_TYPE,
  nonce,
  resources,
  removed_resources: removed,
});

/** Both first requests of a stream. */
export const opening = async (stream: AdsStream) => [await stream.nextRequest(), await stream.nextRequest()] as const;

/** A handler that notes what it gets as `+name@version` and `-name`, and refuses what `issues` says. */
export function noting(issues: (name: string, content: string) => Partial<WireIssue> | null = () => null) {
  const seen: string[] = [];
  const handle = async ({ resources, removed }: WireDelta): Promise<WireIssue[]> => {
    const found: WireIssue[] = [];
    for (const { name, bytes } of resources) {
      const content = Buffer.from(bytes).toString();
      seen.push(`+${content}`);
      const issue = issues(name, content);
      if (issue !== null) found.push({ key: name, ...issue });
    }
    for (const name of removed) seen.push(`-${name}`);
    return found;
  };
  return { seen, handle };
}

/** Servers and clients of a file's tests, closed in reverse order after each. */
export function adsTest() {
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  return {
    cleanups,
    async serve(): Promise<AdsServer> {
      const server = new AdsServer();
      await server.listen();
      cleanups.push(() => server.close());
      return server;
    },
    async start(client: AdsClient): Promise<void> {
      cleanups.push(() => client.close());
      await client.start();
    },
  };
}
