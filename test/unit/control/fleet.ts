import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildCatalogue } from '../../../src/catalogue.ts';
import { Control, type ControlTimes } from '../../../src/control/control.ts';
import { ConfigurationDirectory } from '../../../src/control/directory/directory.ts';
import { readSettings } from '../../../src/control/settings-file.ts';
import type { ControlState } from '../../../src/control/state/open.ts';
import { LocalStore } from '../../../src/state/stores/local.ts';
import { MemoryEngine } from '../../../src/state/stores/memory-engine.ts';
import { DEFAULT_LIMITS, type Store } from '../../../src/state/stores/store.ts';
import { LevelLogger, type LogRecord } from '../../../src/telemetry/log.ts';
import { fromResources } from '../../../src/xds/translate/index.ts';
import { type DeltaDiscoveryResponse, RESOURCE_TYPE } from '../../../src/xds/wire/discovery.ts';
import { RawClient, struct } from '../xds/server-client.ts';

const catalogue = buildCatalogue();

export function memoryStore(): Store {
  const log = new LevelLogger('error', () => {});
  return new LocalStore({ engine: new MemoryEngine({ maxBytes: 1e8 }), limits: DEFAULT_LIMITS, log });
}

/** A port with one route that answers `body`. */
export const answering = (body: string, port = 1000, header = '') =>
  `${header}binds:\n- port: ${port}\n  listeners:\n  - name: l${port}\n    routes:\n    - name: r\n      policies:\n        directResponse: { status: 200, body: ${body} }\n`;

/** A replica of control over a directory of its own, and what it logs. */
export class Replica {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-fleet-'));
  readonly logged: LogRecord[] = [];
  control!: Control;
  url = '';

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  async start(
    state: Omit<ControlState, 'name' | 'close'>,
    settings: Record<string, unknown> = {},
    times: Partial<ControlTimes> = {},
  ): Promise<this> {
    const log = new LevelLogger('debug', (record) => this.logged.push(record));
    const directory = new ConfigurationDirectory(this.folder, catalogue, fromResources);
    this.control = await Control.open({
      directory,
      settings: await readSettings(null, { listen: '127.0.0.1:0', admin: 'off', ...settings }, this.folder),
      state: { ...state, name: 'a test', close: async () => {} },
      log,
      times: { tickMs: 25, graceMs: 200, lease: { ttlMs: 400, renewMs: 50 }, ...times },
    });
    const first = await directory.load();
    this.url = `http://127.0.0.1:${await this.control.start(first.faults.length > 0 ? null : first)}`;
    return this;
  }

  async stop(): Promise<void> {
    await this.control.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** A node that takes what it is given, with metrics to scrape. */
export class FakeNode {
  readonly id: string;
  readonly #client: RawClient;
  readonly #stats: Server;
  /** Names of what it has, with their versions. */
  readonly has = new Map<string, string>();
  revision = '';
  requests = 1000;
  errors = 0;
  /** Said of the next responses that change anything; null = ACK. */
  refuses: string | null = null;

  private constructor(id: string, client: RawClient, stats: Server) {
    this.id = id;
    this.#client = client;
    this.#stats = stats;
    void this.#take();
  }

  static async connect(
    url: string,
    id: string,
    options: { role?: string; labels?: Record<string, string>; stats?: boolean; token?: string; had?: FakeNode } = {},
  ): Promise<FakeNode> {
    const { role = 'prod~edge', labels = {}, token } = options;
    let node: FakeNode | null = null;
    const stats = createServer((_, response) => {
      const { requests = 0, errors = 0 } = node ?? {};
      response.end(
        `agentgateway_requests_total{status="200"} ${requests - errors}\nagentgateway_requests_total{status="500"} ${errors}\n`,
      );
    });
    await new Promise<void>((resolve) => stats.listen(0, '127.0.0.1', resolve));
    const address = options.stats === false ? {} : { STATS_ADDRESS: `:${(stats.address() as AddressInfo).port}` };
    const client = new RawClient(url, token === undefined ? {} : { token });
    client.send({
      node: { id, metadata: struct({ role, LABELS: labels, ...address }) },
      type_url: RESOURCE_TYPE,
      initial_resource_versions: Object.fromEntries(options.had?.has ?? []),
    });
    node = new FakeNode(id, client, stats);
    for (const [name, version] of options.had?.has ?? []) node.has.set(name, version);
    return node;
  }

  get ended() {
    return this.#client.ended;
  }

  close(): void {
    this.#client.close();
    this.#stats.closeAllConnections();
    this.#stats.close();
  }

  async #take(): Promise<void> {
    for (;;) {
      const response: DeltaDiscoveryResponse = await this.#client.receive();
      const { resources = [], removed_resources: removed = [], nonce = '' } = response;
      this.revision = response.system_version_info ?? '';
      const refused = resources.length > 0 ? this.refuses : null;
      for (const { name = '', version = '' } of refused === null ? resources : []) this.has.set(name, version);
      for (const name of removed) this.has.delete(name);
      const issues = resources.map(({ name = '' }) => ({ key: name, error: refused }));
      this.#client.send({
        type_url: RESOURCE_TYPE,
        response_nonce: nonce,
        ...(refused === null ? {} : { error_detail: { message: JSON.stringify(issues) } }),
      });
    }
  }
}
