import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { ConfigDocument } from '../config/document.ts';
import { ConfigError, type Fault } from '../config/fault.ts';
import { Lines } from '../config/lines.ts';
import { substitute } from '../config/substitute.ts';
import { isObject } from '../resources/json.ts';
import { type ValueFault, validate } from '../resources/schema/validate.ts';
import { formatPath, type Path } from '../resources/schema/walk.ts';

export interface ReadYaml<Output> {
  readonly data: Output;
  /** Refuses the file for what is wrong with a value in it. */
  fault(path: Path, message: string): ConfigError;
}

/** Reads a YAML file (environment variables substituted) against a schema. Throws ConfigError with every fault and its place. */
export async function readYaml<Output>(
  path: string,
  schema: z.ZodType<Output>,
  over: Readonly<Record<string, unknown>> = {},
): Promise<ReadYaml<Output>> {
  const at = (place: { line: number; column: number }, inside: Path, { message, hint }: Omit<ValueFault, 'path'>) => {
    const { line, column } = place;
    const fault: Fault = { file: path, line, column, path: formatPath(inside), message };
    return hint === undefined ? fault : { ...fault, hint };
  };
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new ConfigError([at({ line: 1, column: 1 }, [], { message })], [path]);
  }
  const { result, faults: unset } = substitute(text, process.env);
  const lines = new Lines(text);
  if (unset.length > 0)
    throw new ConfigError(
      unset.map((fault) => at(lines.at(fault.offset), [], fault)),
      [path],
    );
  const document = new ConfigDocument(result, lines);
  if (document.faults.length > 0)
    throw new ConfigError(
      document.faults.map((fault) => at(fault, [], fault)),
      [path],
    );
  const { data, faults } = validate(schema, merged(document.value, over));
  if (data === null) {
    throw new ConfigError(
      faults.map((fault) => at(document.at(fault.path), fault.path, fault)),
      [path],
    );
  }
  return { data, fault: (inside, message) => new ConfigError([at(document.at(inside), inside, { message })], [path]) };
}

/** Mappings of both are merged, anything else is replaced. */
export function merged(
  under: Readonly<Record<string, unknown>>,
  over: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const result = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const before = result[name];
    result[name] = isObject(before) && isObject(value) ? merged(before, value) : value;
  }
  return result;
}
