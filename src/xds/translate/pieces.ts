import type { Backend, Bind, Listener, PolicyMap, Resource, Route, TargetedPolicy } from '../../resources/types.ts';
import type { ModelPiece } from './models.ts';

/** What one wire resource comes down to. A resource may be made of several of them, in whatever order they come. */
export type Piece =
  | ResourcePiece
  | { readonly kind: 'bind'; readonly key: string; readonly bind: Bind; readonly internal: boolean }
  | { readonly kind: 'listener'; readonly key: string; readonly listener: Listener; readonly tls: GivenTls | null }
  | { readonly kind: 'route'; readonly key: string; readonly route: Packed<Route> }
  /** One more listener of a route. */
  | {
      readonly kind: 'reach';
      readonly key: string;
      readonly owner: string;
      readonly listener: string;
      readonly order: number;
    }
  | { readonly kind: 'backend'; readonly key: string; readonly backend: Backend }
  | PartPiece
  | { readonly kind: 'policy'; readonly key: string; readonly policy: TargetedPolicy }
  | ModelPiece
  /** A model router's declaration: keys of its LlmRouter, and of the Backend that leads there; '' = none does. */
  | { readonly kind: 'router'; readonly key: string; readonly router: string; readonly backend: string }
  | { readonly kind: 'nothing'; readonly key: string };

/** A value that may be put away as its JSON: of what there are tens of thousands of, each a dozen objects. */
export class Packed<Value extends object> {
  #value: Value | string;

  constructor(value: Value) {
    this.#value = value;
  }

  get(): Value {
    return typeof this.#value === 'string' ? (JSON.parse(this.#value) as Value) : this.#value;
  }

  pack(): void {
    this.#value = typeof this.#value === 'string' ? this.#value : JSON.stringify(this.#value);
  }
}

/** A resource as it is. Not kept: where it is one of many, only its key is. */
export interface ResourcePiece {
  readonly kind: 'resource';
  readonly key: string;
  readonly resource: Resource | null;
}

/** A policy that is part of a listener, of a route or of the policies of all connections. */
export interface PartPiece {
  readonly kind: 'part';
  readonly key: string;
  /** Key of what it is part of. */
  readonly owner: string;
  readonly policies: PolicyMap;
  readonly order: number;
}

/** What a listener says itself of its TLS; the rest is said for all connections, or by default. */
export interface GivenTls {
  readonly cert: string;
  readonly key: string;
  readonly root: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly cipherSuites: readonly string[];
}
