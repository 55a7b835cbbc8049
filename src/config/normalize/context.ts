import type { Catalogue, CatalogueEntry, PolicyLevel } from '../../resources/catalogue.ts';
import { unguardedPolicies } from '../../resources/policy-check.ts';
import type { ValueFault } from '../../resources/schema/validate.ts';
import type { PolicyMap, Resource } from '../../resources/types.ts';
import type { Path } from '../fault.ts';
import type { Section } from '../section.ts';

/** Something accepted but not executed, before it is known where in the file it stands. */
export interface InactiveNote {
  path: Path;
  protects: boolean;
  message: string;
}

const NOT_ACTIVE = 'accepted, not yet active';

/** Names of this gateway, for listeners, routes and policy targets. */
export interface Identity {
  gateway: string;
  namespace: string;
}

const NOUNS: Readonly<Record<string, string>> = { routeGroup: 'route group', llm: 'model router' };

/** What normalising one file has in its hands: the catalogue, what comes out, what is wrong, what is not executed. */
export class Context {
  readonly catalogue: Catalogue;
  readonly resources: Resource[] = [];
  readonly faults: ValueFault[] = [];
  readonly notes: InactiveNote[] = [];
  /** Every mapping that was opened for reading. */
  readonly opened: Section[] = [];
  identity: Identity = { gateway: 'default', namespace: 'default' };
  readonly #keys = new Set<string>();
  readonly #byName = new Map<PolicyLevel, Map<string, CatalogueEntry>>();

  constructor(catalogue: Catalogue) {
    this.catalogue = catalogue;
  }

  /** Emits a resource that stands at `path`; a second one of the same key is a fault, as it would replace the first. */
  emit(resource: Resource, path: Path): void {
    if (this.#keys.has(resource.key)) {
      const [kind = '', ...name] = resource.key.split('/');
      this.fault(path, `there are two of the ${NOUNS[kind] ?? kind} "${name.filter((part) => part !== '').join('/')}"`);
    }
    this.#keys.add(resource.key);
    this.resources.push(resource);
  }

  fault(path: Path, message: string, hint?: string): void {
    this.faults.push(hint === undefined ? { path, message } : { path, message, hint });
  }

  /** Reports what stands at `path`, with all below it, as accepted and not executed. */
  inactive(path: Path, protects = false): void {
    this.notes.push({ path, protects, message: NOT_ACTIVE });
  }

  /** Reports what is accepted but means nothing where it stands. */
  without(path: Path, message: string): void {
    this.notes.push({ path, protects: false, message });
  }

  /**
   * The policies given in `section` at `level`, keyed by catalogue name with aliases resolved. Reports what of them is wrong
   * beyond the schema, and what is not executed. Fields that are no policies are left to their reader.
   */
  policies(section: Section<object> | undefined, level: PolicyLevel): PolicyMap {
    const policies: Record<string, unknown> = {};
    if (section === undefined) return policies;
    const entries = this.#entries(level);
    for (const key of Object.keys(section.value)) {
      const entry = entries.get(key);
      if (entry === undefined) continue;
      const value = section.take(key);
      if (value === undefined || value === null) continue;
      policies[entry.name] = value;
      this.policy(entry.name, value, section.at(key));
    }
    return policies;
  }

  /** Reports on one policy's value that stands at `path`. */
  policy(name: string, value: unknown, path: Path): void {
    const entry = this.catalogue.policies.get(name);
    if (entry === undefined) return;
    for (const fault of entry.faults?.(value) ?? []) this.fault([...path, ...fault.path], fault.message);
    if (!entry.active) this.inactive(path, entry.protects);
    else for (const part of entry.inactiveParts?.(value) ?? []) this.inactive([...path, ...part.path], part.protects);
  }

  /** See unguardedPolicies. */
  unguarded(policies: PolicyMap): string[] {
    return unguardedPolicies(this.catalogue, policies);
  }

  #entries(level: PolicyLevel): Map<string, CatalogueEntry> {
    let entries = this.#byName.get(level);
    if (entries === undefined) {
      entries = new Map();
      for (const entry of this.catalogue.policies.values()) {
        if (!entry.levels.includes(level)) continue;
        for (const name of [entry.yamlName ?? entry.name, ...(entry.aliases ?? [])]) entries.set(name, entry);
      }
      this.#byName.set(level, entries);
    }
    return entries;
  }
}
