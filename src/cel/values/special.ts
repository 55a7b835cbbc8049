import { invalidArgument } from '../errors.ts';
import { type CelList, type CelMap, CelObject, CelType, type CelValue } from './value.ts';

const SECRET = new CelType('secret');
const FLATTENED = new CelType('flattened');

/** A credential: it shows as `<redacted>` wherever it ends up, and is had by `.unredacted()` alone. */
export class CelSecret extends CelObject {
  readonly #value: string | null;

  /** `value` null: the gateway has not kept it. */
  constructor(value: string | null) {
    super();
    this.#value = value;
  }

  get type(): CelType {
    return SECRET;
  }

  /** Equal to itself alone: comparing must not tell what it is. */
  equals(other: CelValue): boolean {
    return other === this;
  }

  toString(): string {
    return '<redacted>';
  }

  reveal(): string {
    if (this.#value === null) throw invalidArgument('this credential is not kept');
    return this.#value;
  }
}

/** `flatten(x)`: in logs and traces, each element is a field of its own (`recursive`: theirs too). Elsewhere it is what it wraps. */
export class CelFlattened extends CelObject {
  readonly value: CelMap | CelList;
  readonly recursive: boolean;

  constructor(value: CelMap | CelList, recursive: boolean) {
    super();
    this.value = value;
    this.recursive = recursive;
  }

  get type(): CelType {
    return FLATTENED;
  }

  equals(other: CelValue): boolean {
    return other === this;
  }

  toString(): string {
    return 'flattened';
  }
}
