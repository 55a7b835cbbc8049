import { existsSync, readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { deltaResponseType } from '../../../src/xds/wire/discovery.ts';
import { messageType, protos } from '../../../src/xds/wire/protos.ts';

describe('the proto files', () => {
  it('reads what it wrote', () => {
    const resources = messageType('agentgateway.dev.resource.Resource');
    const policy = {
      policy: {
        key: 'a',
        target: { gateway: { name: 'g', namespace: 'n', port: 8080 } },
        traffic: {
          api_key_auth: {
            api_keys: [
              { key: 'k', metadata: { fields: { a: { structValue: { fields: { b: { numberValue: 3 } } } } } } },
              { key_hash: 'h', metadata: { fields: { l: { listValue: { values: [{ boolValue: true }] } } } } },
            ],
            mode: 'PERMISSIVE',
          },
        },
      },
    };
    expect(resources.decode(resources.encode(policy))).toEqual(policy);
  });

  it('keeps the bytes of resources as they are', () => {
    const responses = deltaResponseType();
    const value = Buffer.from([1, 2, 3, 0, 255]);
    const response = { resources: [{ name: 'x', version: '1', resource: { type_url: 'u', value } }], nonce: 'n' };
    expect(responses.decode(responses.encode(response))).toEqual(response);
  });

  it('tells optional fields that are at their default from absent ones', () => {
    const provider = messageType('agentgateway.dev.resource.AIBackend.Provider');
    expect(provider.decode(provider.encode({ path_prefix: '' }))).toEqual({ path_prefix: '' });
  });

  const table = new URL('../../../../shared/reference/wire.json', import.meta.url);
  it.runIf(existsSync(table))('say what the table of wire facts says, and all of it', () => {
    const { messages } = JSON.parse(readFileSync(table, 'utf8')) as { messages: Record<string, WireFacts> };
    const rooms = ['agentgateway.dev.resource.', 'istio.workload.', 'envoy.service.discovery.v3.'];
    const names = Object.keys(messages).filter((name) => rooms.some((room) => name.startsWith(room)));
    expect(names.length).toBeGreaterThan(250);
    for (const name of names) expect({ [name]: factsOf(name) }).toEqual({ [name]: expectedFacts(messages[name]) });
  });
});

interface WireFacts {
  enum?: Record<string, number>;
  fields?: { n: number; name: string; type: string; repeated?: boolean; optional?: boolean; oneof?: string }[];
}

/** Fields that are Sluice's own, which no other table knows. */
const OWN = new Set(['sluice']);

function expectedFacts(facts: WireFacts | undefined): unknown {
  if (facts?.enum !== undefined) return facts.enum;
  return (facts?.fields ?? [])
    .map(({ n, name, type, repeated = false, optional = false, oneof = null }) => {
      return { n, name, type, repeated, optional, oneof };
    })
    .sort((a, b) => a.n - b.n);
}

function factsOf(name: string): unknown {
  const found = protos().lookup(name);
  if (found instanceof protobuf.Enum) return found.values;
  if (!(found instanceof protobuf.Type)) return found;
  return found.fieldsArray
    .filter((field) => !OWN.has(field.name))
    .map((field) => ({
      n: field.id,
      name: field.name,
      type: field instanceof protobuf.MapField ? `map<${field.keyType}, ${typeOf(field)}>` : typeOf(field),
      repeated: field.repeated,
      optional: field.options?.proto3_optional === true,
      oneof: field.options?.proto3_optional === true ? null : (field.partOf?.name ?? null),
    }))
    .sort((a, b) => a.n - b.n);
}

function typeOf(field: protobuf.Field): string {
  return field.resolvedType === null ? field.type : field.resolvedType.fullName.slice(1);
}
