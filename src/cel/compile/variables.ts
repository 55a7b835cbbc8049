import type { Definition } from '../definitions.ts';
import { CelError, noSuchKey } from '../errors.ts';
import { CelOptional, type CelValue } from '../values/value.ts';
import { hasField, select, selectOptional } from './access.ts';
import type { Code, Run } from './code.ts';

/** Reads a declared variable or field; `optional`: as an optional, `test`: whether it is set. */
export function readDefinition(definition: Definition<unknown>, path: string, optional: boolean, test: boolean): Code {
  if (test) return { run: ({ activation }) => (definition.read(activation) ?? null) !== null, constant: undefined };
  if (optional)
    return { run: ({ activation }) => CelOptional.of(definition.read(activation) ?? undefined), constant: undefined };
  const run: Run = ({ activation }) => {
    const value = definition.read(activation);
    if (value === undefined) throw noSuchKey(`${path} (not known here)`);
    return value;
  };
  return { run, constant: undefined, unset: true };
}

/** A field of a declared variable, which may not be set. */
export function fieldOfUnset(operand: Run, field: string, optional: boolean, test: boolean): Run {
  if (test || optional) {
    return (frame) => {
      let value: CelValue;
      try {
        value = operand(frame);
      } catch (error) {
        if (!(error instanceof CelError) || error.code !== 'no_such_key') throw error;
        value = null;
      }
      if (value === null) return test ? false : CelOptional.none;
      return test ? hasField(value, field) : selectOptional(value, field);
    };
  }
  return (frame) => {
    const value = operand(frame);
    if (value === null) throw noSuchKey(`${field} (of what is not set)`);
    return select(value, field);
  };
}
