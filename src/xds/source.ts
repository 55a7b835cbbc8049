import { getOrAdd } from '../resources/maps.ts';
import type { XdsSettings } from '../resources/settings.ts';
import { WireError } from '../resources/wire.ts';
import { Changes } from './changes.ts';
import { AdsClient, type AdsTimes } from './client/client.ts';
import type { XdsMetrics } from './client/metrics.ts';
import { type NodeFacts, nodeOf } from './client/node.ts';
import type {
  ApplyChanges,
  Pause,
  ResourceChanges,
  ResourceFaults,
  WireDelta,
  WireIssue,
  WireResource,
  XdsLog,
} from './delta.ts';
import { inTurns } from './in-turns.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from './wire/discovery.ts';

/** What is asked for, in agentgateway's order. */
const TYPES = [ADDRESS_TYPE, RESOURCE_TYPE];
const MAX_SHOWN = 100;

/** What the messages of a control plane mean (`translate/`). */
export interface WireTranslator {
  /** Throws WireError where the resource is refused; then what it said before still holds. */
  put(
    typeUrl: string,
    resource: Pick<WireResource, 'name' | 'bytes'>,
  ): ResourceChanges & { readonly warnings: readonly string[] };
  remove(typeUrl: string, name: string): ResourceChanges;
}

export interface XdsSourceOptions {
  readonly settings: XdsSettings;
  readonly translator: WireTranslator;
  readonly apply: ApplyChanges;
  /** See AdsClientOptions. */
  readonly begin: () => Pause;
  readonly version: NodeFacts['version'];
  readonly statsAddress: NodeFacts['statsAddress'];
  readonly log: XdsLog;
  readonly metrics: XdsMetrics;
  readonly times?: Partial<AdsTimes>;
}

/** What the control plane has to do with what is in force. Lists are cut short at 100 entries. */
export interface XdsStatus {
  readonly address: string;
  readonly connected: boolean;
  readonly synced: boolean;
  readonly types: readonly {
    readonly typeUrl: string;
    /** The control plane's word for the state its last response brought; '' where it has none. */
    readonly version: string;
    readonly inForce: number;
    readonly refused: number;
    readonly reasons: readonly { readonly name: string; readonly version: string; readonly reason: string }[];
  }[];
}

/** Configuration that comes from a control plane: its stream, what it means, and putting it into force. */
export class XdsSource {
  readonly #options: XdsSourceOptions;
  readonly #client: AdsClient;
  /**
   * What is in force as it came, by type and name: where a newer version is refused, its meaning must be that again. Bytes as the
   * characters of a string, which is less than half of an array's size where they are few.
   */
  readonly #inForce = new Map<string, Map<string, string>>();

  constructor(options: XdsSourceOptions) {
    const { settings, begin, log, metrics, times } = options;
    this.#options = options;
    this.#client = new AdsClient({
      settings,
      node: nodeOf(options),
      types: TYPES,
      handle: (delta) => this.#take(delta),
      begin,
      log,
      metrics,
      ...(times !== undefined && { times }),
    });
  }

  /** Resolved once each type has had a response without errors. */
  get synced(): Promise<void> {
    return this.#client.synced;
  }

  /** Begins to connect. Throws XdsStartError where settings name files that can't be used. */
  async start(): Promise<void> {
    await this.#client.start();
  }

  /** Resolves when what was being applied is applied; what is in force stays. */
  async close(): Promise<void> {
    await this.#client.close();
  }

  status(): XdsStatus {
    const { session, connected } = this.#client;
    const types = [...session.subscriptions].map(({ typeUrl, version, known, refused }) => ({
      typeUrl,
      version,
      inForce: known.size,
      refused: refused.size,
      reasons: [...refused].slice(0, MAX_SHOWN).map(([name, is]) => ({ name, ...is })),
    }));
    return { address: this.#options.settings.address, connected, synced: session.synced, types };
  }

  /** Puts all of a delta into force that can be, in one step. */
  async #take({ typeUrl, resources, removed }: WireDelta): Promise<WireIssue[]> {
    const { translator, log } = this.#options;
    const issues: WireIssue[] = [];
    const changes = new Changes();
    // First: what goes under one name may come back under another.
    for (const name of removed) changes.add(name, translator.remove(typeUrl, name));
    const pause = this.#options.begin();
    await inTurns(resources, pause, (resource) => {
      const { name } = resource;
      try {
        const translated = translator.put(typeUrl, resource);
        changes.add(name, translated);
        if (translated.warnings.length > 0) issues.push({ key: name, warn: translated.warnings.join('; ') });
      } catch (error) {
        if (!(error instanceof WireError)) log.error('a resource can not be translated', { key: name, error });
        issues.push({ key: name, error: refusalOf(error) });
      }
    });
    const faults = await this.#apply(changes);
    const refused = new Map<string, string>();
    for (const [key, fault] of faults) {
      const names = changes.namesOf(key);
      if (names.length === 0) issues.push({ key, error: fault });
      for (const name of names) refused.set(name, refused.has(name) ? `${refused.get(name)}; ${fault}` : fault);
    }
    for (const [key, error] of refused) issues.push({ key, error });
    const errors = new Set(issues.filter(({ error }) => error !== undefined).map(({ key }) => key));
    if (refused.size > 0) await this.#restore(typeUrl, [...refused.keys()]);
    const kept = getOrAdd(this.#inForce, typeUrl, () => new Map<string, string>());
    for (const name of removed) if (!errors.has(name)) kept.delete(name);
    await inTurns(resources, pause, ({ name, bytes }) => {
      if (!errors.has(name))
        kept.set(name, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'));
    });
    return issues.filter(({ key, warn }) => warn === undefined || !errors.has(key));
  }

  /** Makes refused resources mean again what is in force of them. */
  async #restore(typeUrl: string, names: readonly string[]): Promise<void> {
    const { translator, log } = this.#options;
    const changes = new Changes();
    for (const name of names) {
      const last = this.#inForce.get(typeUrl)?.get(name);
      try {
        changes.add(name, translator.remove(typeUrl, name));
        if (last === undefined) continue;
        changes.add(name, translator.put(typeUrl, { name, bytes: Buffer.from(last, 'latin1') }));
      } catch (error) {
        log.error('what was in force of a refused resource can not be put back', { key: name, error });
      }
    }
    for (const [key, error] of await this.#apply(changes)) {
      log.error('what was in force of a refused resource can not be put back', { key, error });
    }
  }

  async #apply(changes: Changes): Promise<ResourceFaults> {
    if (changes.empty) return new Map();
    try {
      return await this.#options.apply(changes.inOrder());
    } catch (error) {
      const fault = `cannot be applied: ${error instanceof Error ? error.message : String(error)}`;
      return new Map(changes.keys.map((key) => [key, fault]));
    }
  }
}

/** Why a resource is refused, with the field at fault. */
function refusalOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof WireError && error.path.length > 0 ? `${error.path.join('.')}: ${message}` : message;
}
