import { describe, expect, it } from 'vitest';
import { requestHeaderModifier } from '../../../src/policies/request-header-modifier.ts';
import { responseHeaderModifier } from '../../../src/policies/response-header-modifier.ts';
import type { UpstreamCall } from '../../../src/upstream/call.ts';
import { fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, faultPaths, responseHead } from '../../support/policy.ts';

const EDITS: { what: string; value: unknown; before: string[]; after: string[] }[] = [
  {
    what: 'adds behind values that are there',
    value: { add: { 'X-A': '2' } },
    before: ['x-a', '1', 'x-b', '3'],
    after: ['x-a', '1', 'x-b', '3', 'x-a', '2'],
  },
  {
    what: 'sets in place of all values',
    value: { set: { 'X-A': 'new' } },
    before: ['x-a', '1', 'x-b', '3', 'x-a', '2'],
    after: ['x-a', 'new', 'x-b', '3'],
  },
  { what: 'sets what was not there', value: { set: { 'x-a': '1' } }, before: [], after: ['x-a', '1'] },
  {
    what: 'removes all values, names without case',
    value: { remove: ['X-A', 'x-none'] },
    before: ['x-a', '1', 'x-b', '3', 'x-a', '2'],
    after: ['x-b', '3'],
  },
  {
    what: 'adds, then sets, then removes',
    value: { add: { 'x-a': 'added', 'x-c': 'added' }, set: { 'x-a': 'set' }, remove: ['x-c'] },
    before: ['x-a', '1'],
    after: ['x-a', 'set'],
  },
  { what: 'leaves white space at the ends out', value: { set: { 'x-a': '  v ' } }, before: [], after: ['x-a', 'v'] },
];

describe('requestHeaderModifier', () => {
  it.each(EDITS)('$what', ({ value, before, after }) => {
    const exchange = fakeExchange({ headers: before });
    compilePolicy(requestHeaderModifier, value).onRequest?.(exchange);
    expect(exchange.headers.raw).toEqual(after);
  });

  it.each(EDITS)('on a backend: $what', ({ value, before, after }) => {
    const exchange = fakeExchange({ headers: ['x-a', 'untouched'] });
    const call = { headers: [...before], authority: '' } as unknown as UpstreamCall;
    compilePolicy(requestHeaderModifier, value, { level: 'backend' }).onUpstream?.(call, exchange);
    expect(call.headers).toEqual(after);
    expect(exchange.headers.raw).toEqual(['x-a', 'untouched']);
  });

  it.each(['Host', ':authority'])('changes the authority by %s and adds no field', (name) => {
    const policy = compilePolicy(requestHeaderModifier, { set: { [name]: 'Backend.Example:81', 'x-a': '1' } });
    const exchange = fakeExchange({ headers: [] });
    policy.onRequest?.(exchange);
    expect(exchange.authority).toBe('backend.example:81');
    expect(exchange.host).toBe('example.com');
    expect(exchange.headers.raw).toEqual(['x-a', '1']);
  });

  it("changes the call's authority on a backend", () => {
    const call = { headers: [], authority: 'example.com' } as unknown as UpstreamCall;
    const policy = compilePolicy(requestHeaderModifier, { set: { host: 'b.example' } }, { level: 'backend' });
    policy.onUpstream?.(call, fakeExchange());
    expect(call.authority).toBe('b.example');
    expect(call.headers).toEqual([]);
  });

  it.each([
    [{ add: { host: 'x' } }, ['add.host']],
    [{ remove: ['Host'] }, ['remove.0']],
    [{ set: { 'Content-Length': '5' } }, ['set.Content-Length']],
    [{ set: { 'transfer-encoding': 'chunked' } }, ['set.transfer-encoding']],
    [{ add: { connection: 'x-secret' } }, ['add.connection']],
    [{ add: { 'bad name': 'x' } }, ['add.bad name']],
    [{ set: { 'x-a': 'one\r\nx-evil: two' } }, ['set.x-a']],
    [{ set: { ':path': '/x' } }, ['set.:path']],
    [{ set: { host: 'x' }, remove: ['x-a'] }, []],
    [{ replace: {} }, ['schema']],
  ])('faults of %j', (value, paths) => {
    expect(faultPaths(requestHeaderModifier, value)).toEqual(paths);
  });
});

describe('responseHeaderModifier', () => {
  it.each(EDITS)('$what', ({ value, before, after }) => {
    const head = responseHead(before);
    compilePolicy(responseHeaderModifier, value).onResponse?.(head, fakeExchange());
    expect(head.headers.raw).toEqual(after);
  });

  it('knows no pseudo-header', () => {
    expect(faultPaths(responseHeaderModifier, { set: { ':authority': 'x' } })).toEqual(['set.:authority']);
  });
});
