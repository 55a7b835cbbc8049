import { describe, expect, it } from 'vitest';
import { POLICIES } from '../../../src/policies/registry.ts';
import type { PolicySpec, PolicyWire } from '../../../src/resources/catalogue.ts';
import { parseDuration } from '../../../src/resources/schema/common.ts';
import { schemaAt } from '../../../src/resources/schema/policies.ts';
import { WireError, type WireMessage } from '../../../src/resources/wire.ts';
import { messageType } from '../../../src/xds/wire/protos.ts';

const SPECS = {
  traffic: messageType('agentgateway.dev.resource.TrafficPolicySpec'),
  backend: messageType('agentgateway.dev.resource.BackendPolicySpec'),
  frontend: messageType('agentgateway.dev.resource.FrontendPolicySpec'),
};

function definition(name: string) {
  const found = POLICIES.get(name);
  if (found === undefined) throw new Error(`no policy ${name}`);
  return found;
}

function parse(name: string, spec: PolicySpec, value: unknown): unknown {
  const policy = definition(name);
  const level = spec === 'backend' && policy.levels.includes('backend') ? 'backend' : policy.levels.at(-1);
  return schemaAt(policy, level ?? 'route').parse(value);
}

function wires(name: string, spec: PolicySpec): PolicyWire[] {
  return (definition(name).wire ?? []).filter((wire) => wire.spec === spec);
}

/** The message of the first field that can say a value, through the real encoding. Throws the last WireError. */
function written(name: string, spec: PolicySpec, value: unknown): WireMessage {
  let refusal: unknown = new Error(`${name} can't be said in ${spec}`);
  for (const wire of wires(name, spec)) {
    try {
      const message = wire.message.write(parse(name, spec, value));
      return SPECS[spec].decode(SPECS[spec].encode({ [wire.field]: message ?? {} }));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/** What a message says of a policy, through the real encoding. */
function read(name: string, spec: PolicySpec, message: WireMessage): unknown {
  const decoded = SPECS[spec].decode(SPECS[spec].encode(message));
  const [field] = Object.keys(decoded);
  const wire = wires(name, spec).find((one) => one.field === field);
  if (wire === undefined) throw new Error(`${name} has no field ${field} in ${spec}`);
  return wire.message.read(decoded[field as string]);
}

/** Nothing where something is null; durations by value. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'string') return /^(\d+(\.\d+)?(ns|ms|s|m|h))+$/.test(value) ? parseDuration(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== null && one !== undefined);
  return Object.fromEntries(entries.map(([key, one]) => [key, plain(one)]));
}

/** A value, and what is read of it where that is another way to say the same. */
type Case = readonly [value: unknown, read?: unknown];

const TRAFFIC: Record<string, readonly Case[]> = {
  timeout: [[{}], [{ requestTimeout: '1m30s', backendRequestTimeout: '250ms' }], [{ requestTimeout: '0s' }]],
  retry: [
    [{ codes: [] }],
    [{ attempts: 3, backoff: '1.5s', codes: [503, 429], precondition: 'request.method == "GET"', condition: 'true' }],
  ],
  delay: [
    [{ duration: '2s' }],
    [{ duration: '1d' }, { duration: '24h' }],
    [{ duration: 'random() < 0.1 ? 500 : 0' }],
    [{ duration: 'duration("x" + "s")' }],
  ],
  authorization: [
    [{ rules: [] }],
    [
      { rules: [{ deny: 'a' }, 'b', { require: 'c' }, { allow: 'd' }] },
      { rules: ['b', 'd', { deny: 'a' }, { require: 'c' }] },
    ],
  ],
  localRateLimit: [
    [[{ maxTokens: 10, tokensPerFill: 1, fillInterval: '1s' }]],
    [
      [
        { maxTokens: 10, tokensPerFill: 1, fillInterval: '1s' },
        { maxTokens: 100_000, tokensPerFill: 1000, fillInterval: '1m', type: 'tokens' },
      ],
    ],
  ],
  cors: [
    [{}],
    [
      {
        allowOrigins: ['https://*.example'],
        allowMethods: ['GET', '*'],
        allowHeaders: ['x-a'],
        exposeHeaders: ['x-b'],
      },
    ],
    [{ allowCredentials: true, maxAge: '10m' }],
    [{ maxAge: '600' }, { maxAge: '600s' }],
  ],
  requestHeaderModifier: [[{ add: { 'x-a': 'b', 'x-b': '' }, set: { host: 'example.com' }, remove: ['x-c'] }]],
  responseHeaderModifier: [[{ set: { 'x-a': 'b' } }], [{ remove: ['server'] }]],
  requestRedirect: [
    [{}],
    [{ scheme: 'https', authority: { full: 'a.example:8443' }, path: { full: '/x' }, status: 301 }],
    [{ authority: { full: '[::1]:8443' } }],
    [{ authority: { host: 'a.example' }, path: { prefix: '' } }],
    [{ authority: { port: 8080 } }],
    [{ authority: 'none' }, {}],
  ],
  urlRewrite: [
    [{ authority: { host: 'a.example' }, path: { prefix: '/x' } }],
    [{ path: { full: '' } }],
    [{ authority: 'auto' }],
    [{ authority: 'none' }],
  ],
  requestMirror: [
    [{ backend: { host: 'shadow.example:8080' }, percentage: 0.29 }],
    [{ backend: { host: '[::1]:8080' }, percentage: 0 }],
    [
      [
        { backend: { service: { name: 'ns/shadow.ns.svc.cluster.local', port: 80 } }, percentage: 1 },
        { backend: { backend: 'ns/other' }, percentage: 0.5 },
      ],
    ],
  ],
  directResponse: [
    [{ status: 204 }],
    [{ status: 200, body: 'hellö', headers: { 'x-a': 'request.path' } }],
    [{ status: 200, body: [255, 0] }],
    [{ status: 404, bodyExpression: '"no"' }],
  ],
};

const BACKEND: Record<string, readonly Case[]> = {
  authorization: TRAFFIC.authorization!,
  requestHeaderModifier: TRAFFIC.requestHeaderModifier!,
  responseHeaderModifier: TRAFFIC.responseHeaderModifier!,
  requestRedirect: TRAFFIC.requestRedirect!,
};

const FRONTEND: Record<string, readonly Case[]> = {};

describe.each([
  ['traffic', TRAFFIC],
  ['backend', BACKEND],
  ['frontend', FRONTEND],
] as const)('policies in messages: %s', (spec, policies) => {
  const cases = Object.entries(policies).flatMap(([name, values]) =>
    values.map(([value, expected = value]) => ({ name, value, expected })),
  );
  it.each(cases)('$name: $value', ({ name, value, expected }) => {
    const message = written(name, spec, value);
    const again = read(name, spec, message);
    expect(plain(parse(name, spec, again))).toEqual(plain(parse(name, spec, expected)));
    // Said once more, it is the same message: nothing was lost on the way.
    expect(written(name, spec, again)).toEqual(message);
  });

  it('is tried out for every policy that has such a message', () => {
    const said = [...POLICIES.values()].filter((policy) => policy.wire?.some((wire) => wire.spec === spec));
    expect(Object.keys(policies).sort()).toEqual(said.map((policy) => policy.name).sort());
  });
});
