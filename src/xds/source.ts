import { decodeResource } from '../resources/encoding.ts';
import type { XdsSettings } from '../resources/settings.ts';
import { WireError } from '../resources/wire.ts';
import { Changes } from './changes.ts';
import { AdsClient, type AdsTimes } from './client/client.ts';
import type { XdsMetrics } from './client/metrics.ts';
import { type NodeFacts, nodeOf } from './client/node.ts';
import type {
  ApplyChanges,
  CurrentResource,
  EncodedChanges,
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

/** What the messages of a control plane mean (`translate/`). `Held`: what a name stands for. */
export interface WireTranslator<Held = unknown> {
  /** Throws WireError where the resource is refused; then what it said before still holds. */
  put(
    typeUrl: string,
    resource: Pick<WireResource, 'name' | 'bytes'>,
  ): ResourceChanges & { readonly warnings: readonly string[] };
  remove(typeUrl: string, name: string): ResourceChanges;
  held(typeUrl: string, name: string): Held | null;
  /**
   * Makes a name stand again for what it did when that was held. `asItWas`: keys of resources of which it knows no more than that they
   * were there. Throws WireError where that can't be.
   */
  restore(typeUrl: string, name: string, held: Held | null): ResourceChanges & { readonly asItWas: readonly string[] };
}

export interface XdsSourceOptions {
  readonly settings: XdsSettings;
  readonly translator: WireTranslator;
  readonly apply: ApplyChanges;
  readonly current: CurrentResource;
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
    const before = new Map<string, unknown>();
    // First: what goes under one name may come back under another.
    for (const name of removed) {
      before.set(name, translator.held(typeUrl, name));
      changes.add(name, translator.remove(typeUrl, name));
    }
    const pause = this.#options.begin();
    await inTurns(resources, pause, (resource) => {
      const { name } = resource;
      before.set(name, translator.held(typeUrl, name));
      try {
        const translated = translator.put(typeUrl, resource);
        changes.add(name, translated);
        if (translated.warnings.length > 0) issues.push({ key: name, warn: translated.warnings.join('; ') });
      } catch (error) {
        if (!(error instanceof WireError)) log.error('a resource can not be translated', { key: name, error });
        issues.push({ key: name, error: refusalOf(error) });
      }
    });
    const inOrder = changes.inOrder();
    const gone = new Map(inOrder.removed.map((key) => [key, this.#options.current(key)]));
    const faults = await this.#apply(inOrder);
    const refused = new Map<string, string>();
    for (const [key, fault] of faults) {
      const names = changes.namesOf(key);
      if (names.length === 0) issues.push({ key, error: fault });
      for (const name of names) refused.set(name, refused.has(name) ? `${refused.get(name)}; ${fault}` : fault);
    }
    for (const [key, error] of refused) issues.push({ key, error });
    const errors = new Set(issues.filter(({ error }) => error !== undefined).map(({ key }) => key));
    await this.#restore(typeUrl, new Map([...refused.keys()].map((name) => [name, before.get(name) ?? null])), gone);
    return issues.filter(({ key, warn }) => warn === undefined || !errors.has(key));
  }

  /** Makes refused resources mean again what they did. `before`: by name, what they stood for; `gone`: by key, what was taken out of force. */
  async #restore(typeUrl: string, before: ReadonlyMap<string, unknown>, gone: ReadonlyMap<string, Uint8Array | null>) {
    const { translator, log } = this.#options;
    const failed = (key: string, error: unknown): void =>
      log.error('what was in force of a refused resource can not be put back', { key, error });
    const changes = new Changes();
    for (const [name, held] of before) {
      try {
        const { changed, removed, asItWas } = translator.restore(typeUrl, name, held);
        const back = asItWas.flatMap((key) => gone.get(key) ?? []).map(decodeResource);
        changes.add(name, { changed: [...changed, ...back], removed });
      } catch (error) {
        failed(name, error);
      }
    }
    for (const [key, error] of await this.#apply(changes.inOrder())) failed(key, error);
  }

  async #apply(changes: EncodedChanges): Promise<ResourceFaults> {
    const { changed, removed } = changes;
    if (changed.length + removed.length === 0) return new Map();
    try {
      return await this.#options.apply(changes);
    } catch (error) {
      const fault = `cannot be applied: ${error instanceof Error ? error.message : String(error)}`;
      return new Map([...changed.map(({ key }) => key), ...removed].map((key) => [key, fault]));
    }
  }
}

/** Why a resource is refused, with the field at fault. */
function refusalOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof WireError && error.path.length > 0 ? `${error.path.join('.')}: ${message}` : message;
}
