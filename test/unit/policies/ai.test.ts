import { describe, expect, it } from 'vitest';
import { aiPolicy } from '../../../src/policies/ai.ts';
import { faultPaths, inactive } from '../../support/policy.ts';

describe('what may be fetched', () => {
  it.each<[object, string[]]>([
    [{ allow: true }, []],
    [
      { allow: ['a.test', '*.b.test', 'c.test:8443', '10.0.0.1'], networks: ['10.1.0.0/16', 'fd00::/8', '127.0.0.1'] },
      [],
    ],
    [
      { allow: true, networks: ['10.0.0.0/8', 'nonsense', '10.0.0.0/33'] },
      ['mediaFetch.networks.1', 'mediaFetch.networks.2'],
    ],
    [{}, ['schema']],
    [{ allow: ['http://a.test'] }, ['schema']],
    [{ allow: ['a.test/path'] }, ['schema']],
    [{ allow: ['*'] }, ['schema']],
    [{ allow: ['a.*.test'] }, ['schema']],
    [{ allow: true, timeout: 'soon' }, ['schema']],
    [{ allow: true, maxBytes: 'much' }, ['schema']],
  ])('%j', (mediaFetch, expected) => {
    expect(faultPaths(aiPolicy, { mediaFetch })).toEqual(expected);
  });

  it('is bounded where nothing else is said', () => {
    expect(aiPolicy.schema.parse({ mediaFetch: { allow: true } })).toEqual({
      mediaFetch: { allow: true, networks: [], maxBytes: 10 * 1024 * 1024, timeout: '10s' },
    });
  });
});

it('all that changes requests is executed', () => {
  const value = {
    defaults: { a: 1 },
    overrides: { a: 1 },
    transformations: { a: '1' },
    finalTransformations: { a: '1' },
    prompts: { prepend: [{ role: 'system', content: 'x' }] },
    promptCaching: {},
    modelAliases: { a: 'b' },
    mediaFetch: { allow: true },
  };
  expect(inactive(aiPolicy, value)).toEqual([]);
});
