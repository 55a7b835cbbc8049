import type { Resource } from '../resources/types.ts';

/** What passes between the parts of this room, and what the primary is handed. */

/** A resource as control planes send it. */
export interface WireResource {
  /** Names it within its type; opaque. */
  readonly name: string;
  /** Says whether it changed; opaque. */
  readonly version: string;
  /** The encoded message. */
  readonly bytes: Uint8Array;
}

/** What one response of a control plane changes. */
export interface WireDelta {
  readonly typeUrl: string;
  readonly resources: readonly WireResource[];
  /** Names; of what was never there, too. */
  readonly removed: readonly string[];
}

/** What there is to say of a resource: an `error` where it was refused (what it said before stays in force), else a `warn`. */
export interface WireIssue {
  /** The resource's name on the wire. */
  readonly key: string;
  readonly error?: string;
  readonly warn?: string;
}

/** What changes of Sluice's own resources. */
export interface ResourceChanges {
  readonly changed: readonly Resource[];
  /** Keys. */
  readonly removed: readonly string[];
}

/** A resource as its JSON: tens of thousands wait for each other, and as objects they would outlive several collections. */
export interface EncodedResource {
  readonly kind: Resource['kind'];
  readonly key: string;
  readonly json: Uint8Array;
}

/** As ResourceChanges, to be put into force. */
export interface EncodedChanges {
  readonly changed: readonly EncodedResource[];
  readonly removed: readonly string[];
}

/** Why a changed resource can't be in force, by its key; what it was before stays. */
export type ResourceFaults = ReadonlyMap<string, string>;

/** Puts changes into force, all of them but those that it gives faults of. */
export type ApplyChanges = (changes: EncodedChanges) => Promise<ResourceFaults>;

/** Gives what is in force under a key, as JSON; null = nothing. */
export type CurrentResource = (key: string) => Uint8Array | null;

/** Asked between the steps of long work: what to wait for, so that others get the thread; null = nothing. */
export type Pause = () => Promise<void> | null;

/** What the room says of itself to the outside: the process's log. */
export interface XdsLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
