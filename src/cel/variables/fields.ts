import type { Definition } from '../definitions.ts';
import { JsonMap } from '../values/json.ts';
import { RecordMap } from '../values/record.ts';
import type { CelValue } from '../values/value.ts';
import type { GatewayActivation } from './activation.ts';

type Read = (activation: GatewayActivation) => CelValue | undefined;
type GatewayDefinition = Definition<GatewayActivation>;

/** A field of the record that `parent` gives: not there where that is null. */
export function fieldOf<P>(parent: (activation: GatewayActivation) => P | null | undefined) {
  return (
    description: string,
    read: (parent: P, activation: GatewayActivation) => CelValue | undefined,
  ): GatewayDefinition => ({
    description,
    read: (activation) => {
      const value = parent(activation);
      return value === null || value === undefined ? undefined : read(value, activation);
    },
  });
}

/** A variable or field with fields of its own, of which an expression may name no others; null where `isSet` says no. */
export function record(
  description: string,
  isSet: (activation: GatewayActivation) => boolean,
  fields: Readonly<Record<string, GatewayDefinition>>,
): GatewayDefinition {
  const map = new Map(Object.entries(fields));
  const read: Read = (activation) => (isSet(activation) ? new RecordMap(map, activation) : null);
  return { description, read, fields: map };
}

/** A variable that holds whatever it holds. */
export function open(
  name: string,
  description: string,
  read: (activation: GatewayActivation) => object | null | undefined,
): GatewayDefinition {
  return {
    description,
    read: (activation) => {
      const value = read(activation);
      return value === null || value === undefined ? null : activation.once(name, () => new JsonMap(value));
    },
  };
}

/** '' and absent are null: not set. */
export function text(value: string | null | undefined): string | null {
  return value === undefined || value === '' ? null : value;
}

export function integer(value: number | null | undefined): bigint | null {
  return value === null || value === undefined ? null : BigInt(value);
}
