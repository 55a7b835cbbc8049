import { z } from 'zod';
import { type ValueFault, validate } from '../../resources/schema/validate.ts';

/** What of a node says which configurations it gets. */
export interface NodeSelection {
  readonly namespace: string;
  readonly gateway: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Which nodes a configuration is for. */
export interface Selector {
  /** `namespace/gateway`, either with `*` for any characters; empty = every gateway. */
  readonly gateways: readonly string[];
  /** A node must have all of them; empty = whichever labels it has. */
  readonly labels: Readonly<Record<string, string>>;
}

export const EVERY_NODE: Selector = { gateways: [], labels: {} };

const pattern = z
  .string()
  .regex(/^[A-Za-z0-9._*-]+\/[A-Za-z0-9._*-]+$/, 'not "<namespace>/<gateway>" (* stands for any characters)');

/** The `control:` section of a configuration in the directory. */
export const headerSchema = z.strictObject({
  gateways: z
    .union([pattern, z.array(pattern).min(1)])
    .optional()
    .describe(
      'Gateways the file is for, `<namespace>/<gateway>`; `*` stands for any characters. Default: every gateway.',
    ),
  labels: z
    .record(z.string(), z.string())
    .optional()
    .describe('Labels that a node must have (`LABELS` of its metadata). Default: none.'),
});

/** Takes the `control:` section out of a configuration. */
export function takeHeader(value: Record<string, unknown>): { selector: Selector; faults: ValueFault[] } {
  const { control } = value;
  delete value.control;
  if (control === undefined || control === null) return { selector: EVERY_NODE, faults: [] };
  const { data, faults } = validate(headerSchema, control);
  if (data === null) {
    return { selector: EVERY_NODE, faults: faults.map((fault) => ({ ...fault, path: ['control', ...fault.path] })) };
  }
  const { gateways = [], labels = {} } = data;
  return { selector: { gateways: typeof gateways === 'string' ? [gateways] : gateways, labels }, faults: [] };
}

export function selectsGateway({ gateways }: Selector, namespace: string, gateway: string): boolean {
  return gateways.length === 0 || gateways.some((one) => matches(one, `${namespace}/${gateway}`));
}

export function selectsLabels(wanted: Selector['labels'], labels: NodeSelection['labels']): boolean {
  return Object.entries(wanted).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);
}

/** Whether there can be a node that both select. */
export function overlap(one: Selector, other: Selector): boolean {
  for (const [name, value] of Object.entries(one.labels)) {
    if (Object.hasOwn(other.labels, name) && other.labels[name] !== value) return false;
  }
  if (one.gateways.length === 0 || other.gateways.length === 0) return true;
  return one.gateways.some((first) => other.gateways.some((second) => meet(first, second)));
}

/** `*` stands for any characters but the slash. */
function matches(glob: string, name: string): boolean {
  return meet(glob, name);
}

/** Whether some name fits both patterns; a name without `*` is a pattern of itself. */
function meet(one: string, other: string): boolean {
  const [oneNamespace = '', oneGateway = ''] = one.split('/');
  const [otherNamespace = '', otherGateway = ''] = other.split('/');
  return intersect(oneNamespace, otherNamespace) && intersect(oneGateway, otherGateway);
}

/** Whether two patterns of one segment have a name in common: row by row over the prefixes of both. */
function intersect(one: string, other: string): boolean {
  let row = [true];
  for (let b = 1; b <= other.length; b++) row[b] = row[b - 1] === true && other[b - 1] === '*';
  for (let a = 1; a <= one.length; a++) {
    const next = [row[0] === true && one[a - 1] === '*'];
    for (let b = 1; b <= other.length; b++) {
      const [x, y] = [one[a - 1], other[b - 1]];
      const star = x === '*' || y === '*';
      next[b] = star ? row[b] === true || next[b - 1] === true : row[b - 1] === true && x === y;
    }
    row = next;
  }
  return row[other.length] === true;
}
