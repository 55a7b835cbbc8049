import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { celConformancePage } from '../../../scripts/docs/cel-conformance-page.mjs';
import * as definitions from '../../../src/cel/definitions.ts';
import * as errors from '../../../src/cel/errors.ts';
import * as library from '../../../src/cel/functions/library.ts';
import * as program from '../../../src/cel/program.ts';
import * as json from '../../../src/cel/values/json.ts';
import * as time from '../../../src/cel/values/time.ts';
import * as value from '../../../src/cel/values/value.ts';
import { runAll } from '../../conformance/cel/runner.mjs';

const outcomes = runAll({ ...definitions, ...errors, ...library, ...program, ...json, ...time, ...value });

/** Sections that need no protocol buffer messages: all of their tests run, but the few that make a message. */
const CORE = [
  'basic',
  'comparisons',
  'conversions',
  'fields',
  'fp_math',
  'integer_math',
  'lists',
  'logic',
  'macros',
  'namespace',
];
const MORE = [
  'bindings_ext',
  'encoders_ext',
  'macros2',
  'math_ext',
  'optionals',
  'parse',
  'plumbing',
  'string',
  'string_ext',
  'timestamps',
];

describe('the conformance tests of the CEL specification', () => {
  it.each([...CORE, ...MORE])('passes %s', (name) => {
    const section = outcomes.filter((outcome) => outcome.section.split('/')[0] === name);
    const run = section.filter(({ excluded }) => excluded === null);
    expect(run.length).toBeGreaterThan(section.length / 2);
    expect(run.filter(({ fault }) => fault !== null)).toEqual([]);
  });

  it('runs more than 1600 tests, and leaves out only what needs what there is not', () => {
    expect(outcomes.filter(({ excluded }) => excluded === null).length).toBeGreaterThan(1600);
    expect(outcomes.filter(({ fault }) => fault !== null)).toEqual([]);
  });

  it('is published as it is', () => {
    const page = readFileSync(new URL('../../../docs/reference/cel-conformance.md', import.meta.url), 'utf8');
    expect(page).toBe(celConformancePage(outcomes));
  });
});
