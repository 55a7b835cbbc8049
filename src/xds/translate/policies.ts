import type { Catalogue, CatalogueEntry, PolicyLevel, PolicySpec, PolicyWire } from '../../resources/catalogue.ts';
import { type Conditional, isConditional } from '../../resources/conditional.ts';
import { getOrAdd } from '../../resources/maps.ts';
import { PolicyChecker } from '../../resources/policy-check.ts';
import { schemaAt } from '../../resources/schema/policies.ts';
import { fieldsOf, optionsOf } from '../../resources/schema/walk.ts';
import type { PolicyMap } from '../../resources/types.ts';
import { WireError, type WireMessage } from '../../resources/wire.ts';
import { below, type Notes } from './notes.ts';

/** One policy, by its catalogue name. */
export interface NamedPolicy {
  readonly name: string;
  readonly value: unknown;
}

/** A field of a spec, and a policy that it may say. */
interface Place {
  readonly entry: CatalogueEntry;
  readonly wire: PolicyWire;
}

/** What a spec says, before its schema has seen it; or, where nobody executes it, what stands for it. */
type Said = SaidBy | StandIn;

interface StandIn {
  readonly place: null;
  readonly policy: NamedPolicy;
}

interface SaidBy {
  readonly place: Place;
  readonly given: unknown;
}

/** With where it was said. */
type SaidAt = SaidBy & { readonly at: readonly (string | number)[] };

/** Fields of specs that no policy of Sluice stands for, and that nobody is less protected without. */
const HARMLESS: ReadonlySet<string> = new Set(['frontend/metrics']);
/** Fields of specs that stop nobody but must not be missing: a backend would get requests in the clear, or clients' own credentials. */
const NEEDED: ReadonlySet<string> = new Set(['backend/backend_tls', 'backend/auth']);

/**
 * The policies in TrafficPolicySpec, BackendPolicySpec and FrontendPolicySpec messages ↔ policies by catalogue name, checked as a
 * file's are.
 *
 * A policy that this version doesn't know (or can't place where it stands) is kept under a name that no catalogue has: what it covers
 * then answers 503, as with every policy that protects and isn't executed.
 */
export class PolicySpecs {
  readonly catalogue: Catalogue;
  readonly checker: PolicyChecker;
  readonly #places = new Map<string, Place[]>();

  constructor(catalogue: Catalogue, customFunctions: string) {
    this.catalogue = catalogue;
    this.checker = new PolicyChecker(catalogue, customFunctions);
    for (const entry of catalogue.policies.values()) {
      for (const wire of entry.wire ?? []) {
        const field = `${wire.spec}/${wire.field}`;
        getOrAdd(this.#places, field, (): Place[] => []).push({ entry, wire });
      }
    }
  }

  /** The policies of the specs in the list `field`. Throws WireError. */
  readAll(
    spec: PolicySpec,
    field: string,
    messages: readonly WireMessage[],
    level: PolicyLevel,
    notes: Notes,
  ): PolicyMap {
    const policies: Record<string, unknown> = {};
    const byEntry = new Map<CatalogueEntry, SaidAt[]>();
    for (const [index, message] of messages.entries()) {
      const said = below([field, index], () => this.#say(spec, message, level, notes));
      if (said === null) continue;
      if (said.place === null) policies[said.policy.name] = said.policy.value;
      else getOrAdd(byEntry, said.place.entry, (): SaidAt[] => []).push({ ...said, at: [field, index] });
    }
    for (const [entry, all] of byEntry) {
      for (const { place, given, at } of together(entry, all)) {
        const { value } = below(at, () => this.#check(place, level, given, notes));
        const merge = Object.hasOwn(policies, entry.name) ? entry.merge : undefined;
        // Of two of a name the later counts, as in agentgateway, unless the policy says how they merge.
        policies[entry.name] = merge === undefined ? value : merge(policies[entry.name], value);
      }
    }
    return policies;
  }

  /** The policy of one spec; null for one that this version can do without. Throws WireError. */
  read(spec: PolicySpec, message: WireMessage, level: PolicyLevel, notes: Notes): NamedPolicy | null {
    const said = this.#say(spec, message, level, notes);
    if (said === null) return null;
    return said.place === null ? said.policy : this.#check(said.place, level, said.given, notes);
  }

  /** What stands in for the policy of a spec that can't be read; null where nobody is less protected without it. */
  refused(spec: PolicySpec, message: WireMessage): NamedPolicy | null {
    const field = fieldOf(message) ?? '';
    const place = this.#places.get(`${spec}/${field}`)?.find(({ entry }) => entry.protects);
    const needed = place !== undefined || NEEDED.has(`${spec}/${field}`);
    return needed ? { name: `${field} (refused)`, value: null } : null;
  }

  /** Several specs of one policy, each with its condition, as one policy in its conditional form. Throws WireError. */
  readConditional(
    entries: readonly { condition: string; message: WireMessage }[],
    level: PolicyLevel,
    notes: Notes,
  ): NamedPolicy | null {
    const [head] = entries;
    if (head === undefined) throw new WireError('is empty', ['policies']);
    const said = this.#say('traffic', head.message, level, notes, true);
    if (said === null) return null;
    if (said.place === null) return said.policy;
    const { entry, wire } = said.place;
    if (!takesConditions(entry, level)) {
      const what = `${entry.name} under a condition`;
      if (entry.protects) return standIn(what, notes).policy;
      throw new WireError(`${what} is not executed by this version`, ['policies', 0, 'traffic', wire.field]);
    }
    const conditional = entries.map(({ condition, message }, index) =>
      below(['policies', index, 'traffic'], () => {
        if (message[wire.field] === undefined) throw new WireError(`is not a ${wire.field} policy as the others are`);
        const value = below([wire.field], () => (wire.entry ?? wire.message).read(message[wire.field]));
        return condition === '' ? (value as object) : { ...(value as object), condition };
      }),
    );
    return this.#check(said.place, level, { conditional }, notes);
  }

  /** The spec that says a policy; undefined where no spec of the kind has a place for it. Throws WireError for a value without a place. */
  write(spec: PolicySpec, { name, value }: NamedPolicy): WireMessage | undefined {
    let refusal: unknown;
    for (const wire of this.catalogue.policies.get(name)?.wire ?? []) {
      if (wire.spec !== spec) continue;
      try {
        return { [wire.field]: wire.message.write(value) ?? {} };
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        refusal ??= error;
      }
    }
    if (refusal !== undefined) throw refusal;
    return undefined;
  }

  /** As `write`, for the entries of a policy in its conditional form. */
  writeConditional({ name, value }: NamedPolicy): { condition: string; message: WireMessage }[] | undefined {
    const wire = this.catalogue.policies.get(name)?.wire?.find(({ spec }) => spec === 'traffic');
    if (wire === undefined) return undefined;
    return (value as Conditional<object>).conditional.map(({ condition, ...entry }) => ({
      condition: condition ?? '',
      message: { [wire.field]: (wire.entry ?? wire.message).write(entry) ?? {} },
    }));
  }

  /** The first message that says a policy; undefined where none does. */
  said(policy: NamedPolicy): unknown {
    try {
      if (isConditional(policy.value)) return this.writeConditional(policy);
      return this.write('traffic', policy) ?? this.write('backend', policy) ?? this.write('frontend', policy);
    } catch (error) {
      if (error instanceof WireError) return undefined;
      throw error;
    }
  }

  /** Specs of a whole map. Throws WireError where one has no place among specs of the kind. */
  writeAll(spec: PolicySpec, policies: PolicyMap): WireMessage[] {
    return Object.entries(policies).map(([name, value]) => {
      const message = isConditional(value) ? undefined : this.write(spec, { name, value });
      if (message === undefined) throw new WireError("can't be said", [name]);
      return message;
    });
  }

  /** What a spec says; null for what this version can do without. */
  #say(spec: PolicySpec, message: WireMessage, level: PolicyLevel, notes: Notes, entry = false): Said | null {
    const field = fieldOf(message);
    if (field === undefined) return standIn(`a ${spec} policy of a kind that this version doesn't know`, notes);
    const places = this.#places.get(`${spec}/${field}`);
    if (places === undefined) {
      if (!HARMLESS.has(`${spec}/${field}`)) return standIn(`the ${spec} policy ${field}`, notes);
      notes.warn(`${field}: not known to this version; left out`);
      return null;
    }
    const said = readFirst(places, message, field, entry);
    const { name, levels, protects } = said.place.entry;
    if (levels.includes(level)) return said;
    const where = `${name} ${PLACES[level]}`;
    if (protects) return standIn(where, notes);
    throw new WireError(`${where} has no effect in this version`, [field]);
  }

  #check({ entry, wire }: Place, level: PolicyLevel, given: unknown, notes: Notes): NamedPolicy {
    // As in agentgateway, an expression that is none fails whenever it is asked, and the rest of the policy holds. Not where the policy
    // protects: a rule that denies would deny nobody.
    const sound = entry.protects
      ? given
      : this.checker.failing(entry, level, given ?? {}, (fault) => notes.refuse(new WireError(fault, [wire.field])));
    const checked = this.checker.check(entry, level, sound ?? {});
    if ('fault' in checked) throw new WireError(checked.fault, [wire.field]);
    for (const text of this.checker.inactive(entry, checked.value)) notes.warn(text);
    return { name: entry.name, value: checked.value };
  }
}

const PLACES: Readonly<Record<PolicyLevel, string>> = {
  frontend: 'for all connections',
  gateway: 'before a route is chosen',
  route: 'on routes',
  backend: 'on backends',
};

/** The field that says which policy a spec is; undefined where none that is known does. */
function fieldOf(message: WireMessage): string | undefined {
  return Object.keys(message).find((name) => name !== 'phase');
}

/** What the first policy that can read the field reads. */
function readFirst(places: readonly Place[], message: WireMessage, field: string, entry: boolean): SaidBy {
  let refusal: unknown;
  for (const place of places) {
    const wire = (entry ? place.wire.entry : undefined) ?? place.wire.message;
    try {
      return { place, given: wire.read(message[field]) };
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      refusal ??= new WireError(error.message, [field, ...error.path]);
    }
  }
  throw refusal;
}

/** What several fields say of one policy is one value, in which what its first field says goes before, member by member. */
function together(entry: CatalogueEntry, all: readonly SaidAt[]): readonly SaidAt[] {
  const [head] = all;
  if (head === undefined || all.every(({ place }) => place.wire === head.place.wire)) return all;
  const last = (entry.wire ?? []).flatMap((wire) => all.findLast(({ place }) => place.wire === wire) ?? []);
  return [{ ...head, given: Object.assign({}, ...last.map(({ given }) => given).reverse()) }];
}

/** Stands for a policy that isn't executed: a name that no catalogue has. */
function standIn(what: string, notes: Notes): StandIn {
  notes.warn(`${what}: not executed by this version; what it covers answers 503`);
  return { place: null, policy: { name: what, value: null } };
}

/** True where the policy has a conditional form. */
function takesConditions(entry: CatalogueEntry, level: PolicyLevel): boolean {
  return fieldsOf(optionsOf(schemaAt(entry, level))).includes('conditional');
}
