import { describe, expect, it } from 'vitest';
import { backendAuth } from '../../../src/policies/backend-auth.ts';
import { POLICIES } from '../../../src/policies/registry.ts';
import { redact } from '../../../src/resources/redact.ts';
import { faultPaths } from '../../support/policy.ts';
import { callTo } from '../upstream/helpers.ts';

function compile(value: unknown) {
  return backendAuth.compile!(backendAuth.schema.parse(value), { key: 'b', level: 'backend' }, {} as never);
}

describe('backendAuth keys', () => {
  it('take turns where nobody chooses one', () => {
    const policy = compile({ keys: ['k1', 'k2\n', 'k3'] });
    const sent = Array.from({ length: 4 }, () => {
      const call = callTo({} as never);
      policy.onUpstream?.(call, call.exchange);
      return call.headers;
    });
    expect(sent).toEqual(['k1', 'k2', 'k3', 'k1'].map((key) => ['authorization', `Bearer ${key}`]));
  });

  it('are shown as the call says, in their place', () => {
    const policy = compile({ keys: { values: ['k1', 'k2'], location: { header: { name: 'x-api-key' } } } });
    for (const [credential, key] of [
      [1, 'k2'],
      [0, 'k1'],
      [3, 'k2'],
    ] as const) {
      const call = callTo({} as never, { credential });
      policy.onUpstream?.(call, call.exchange);
      expect(call.headers).toEqual(['x-api-key', key]);
    }
  });

  it.each([
    ['none', { keys: [] }],
    ['a key beside them', { key: 'a', keys: ['b'] }],
    ['too many', { keys: Array.from({ length: 65 }, String) }],
    ['no text', { keys: [1] }],
  ])('are refused where there is %s', (_, value) => {
    expect(faultPaths(backendAuth, value)).toEqual(['schema']);
  });

  it('are refused in a place that an expression computes', () => {
    expect(faultPaths(backendAuth, { keys: { values: ['a'], location: { expression: 'x' } } })).toEqual([
      'keys.location',
    ]);
  });

  it.each([[['very-secret']], [{ values: ['very-secret'] }]])('are never shown: %j', (keys) => {
    const shown = JSON.stringify(redact({ keys }, POLICIES.get('backendAuth')?.schema));
    expect(shown).not.toContain('very-secret');
    expect(shown).toContain('redacted');
  });
});
