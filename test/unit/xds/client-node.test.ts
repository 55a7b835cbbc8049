import { expect, test } from 'vitest';
import { struct } from '../../../src/resources/wire.ts';
import { nodeOf } from '../../../src/xds/client/node.ts';
import { deltaRequestType } from '../../../src/xds/wire/discovery.ts';
import { xdsSettings } from '../../support/xds-client.ts';

/** What a server reads of the node's metadata. */
function metadataOf(...[facts]: Parameters<typeof nodeOf>): Record<string, unknown> {
  const bytes = deltaRequestType().encode({ node: nodeOf(facts) });
  return struct.read(deltaRequestType().decode(bytes).node?.metadata) ?? {};
}

const facts = (more = {}, statsAddress: { host: string; port: number } | null = null) => ({
  settings: xdsSettings('http://localhost:1', more),
  version: '1.2.3',
  statsAddress,
});

test('a node says what agentgateway does, and what roll-outs need', () => {
  const labels = { ring: 'canary', 'example.com/zone': 'a' };
  expect(metadataOf(facts({ labels }, { host: '10.1.1.1', port: 9100 }))).toEqual({
    NAME: 'edge-1',
    NAMESPACE: 'infra',
    INSTANCE_IPS: '10.0.0.7',
    NODE_NAME: 'node-a',
    GATEWAY_NAME: 'edge',
    role: 'infra~edge',
    VERSION: '1.2.3',
    STATS_ADDRESS: '10.1.1.1:9100',
    LABELS: labels,
  });
});

test('what is not known is empty, as agentgateway has it', () => {
  const bare = facts({ podName: '', instanceIp: '', nodeName: '' });
  expect(nodeOf(bare).id).toBe('agentgateway~1.1.1.1~.infra~infra.svc.cluster.local');
  expect(metadataOf(bare)).toEqual({
    NAME: '',
    NAMESPACE: 'infra',
    INSTANCE_IPS: '1.1.1.1',
    NODE_NAME: '',
    GATEWAY_NAME: 'edge',
    role: 'infra~edge',
    VERSION: '1.2.3',
  });
});

test.each([
  ['::', '10.0.0.7', '10.0.0.7:15020'],
  ['0.0.0.0', 'fd00::7', '[fd00::7]:15020'],
  ['0.0.0.0', '', ':15020'],
  ['localhost', '10.0.0.7', ':15020'],
  ['::1', '10.0.0.7', '[::1]:15020'],
])('metrics on %s of %s are at %s', (host, instanceIp, address) => {
  expect(metadataOf(facts({ instanceIp }, { host, port: 15020 })).STATS_ADDRESS).toBe(address);
});
