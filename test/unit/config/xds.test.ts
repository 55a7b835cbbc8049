import { describe, expect, test } from 'vitest';
import { ConfigError, ConfigSource } from '../../../src/config/index.ts';
import { redact } from '../../../src/resources/redact.ts';
import type { XdsSettings } from '../../../src/resources/settings.ts';
import { CATALOGUE as catalogue } from './support.ts';

const GATEWAY = { NAMESPACE: 'infra', GATEWAY: 'edge' };

async function xds(text: string, env: Record<string, string> = {}): Promise<XdsSettings | null> {
  return (await new ConfigSource('c', catalogue, { text, env }).load()).settings.xds;
}

async function faults(text: string, env: Record<string, string> = {}): Promise<string[]> {
  const error = await xds(text, env).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).faults.map(({ path, message }) => `${path}: ${message}`);
}

test('there is no control plane unless an address is given', async () => {
  expect(await xds('{}')).toBeNull();
  expect(await xds('{}', { XDS_ADDRESS: '' })).toBeNull();
});

test('the environment says it all', async () => {
  const env = {
    ...GATEWAY,
    XDS_ADDRESS: 'http://agentgateway.infra.svc.cluster.local:9978',
    XDS_AUTH_TOKEN: '/var/run/token',
    XDS_ROOT_CA: '/etc/root.pem',
    XDS_CLIENT_CERT: '/etc/client.pem',
    XDS_CLIENT_KEY: '/etc/client.key',
    XDS_HEADER_X_TENANT: 'team-a',
    CLUSTER_ID: 'east',
    POD_NAME: 'edge-1',
    INSTANCE_IP: '10.0.0.7',
    NODE_NAME: 'node-a',
    SLUICE_LABELS: 'app=edge, example.com/ring=canary',
    SLUICE_XDS_RECORD: '/tmp/record',
  };
  const settings = await xds('{}', env);
  expect(settings).toEqual({
    address: 'http://agentgateway.infra.svc.cluster.local:9978',
    namespace: 'infra',
    gateway: 'edge',
    clusterId: 'east',
    tokenFile: '/var/run/token',
    rootCa: '/etc/root.pem',
    clientCertificate: { cert: '/etc/client.pem', key: '/etc/client.key' },
    secretHeaders: [['x-tenant', 'team-a']],
    podName: 'edge-1',
    instanceIp: '10.0.0.7',
    nodeName: 'node-a',
    labels: { app: 'edge', 'example.com/ring': 'canary' },
    recordFile: '/tmp/record',
  });
  expect(JSON.stringify(redact({ xds: settings }))).not.toContain('team-a');
});

test('the file says it, and the environment stands above it', async () => {
  const text = `
config:
  xdsAddress: https://control.example:9978
  xdsAuthToken: ./token
  namespace: one
  gateway: edge
  clusterId: west
`;
  expect(await xds(text, { NAMESPACE: 'two' })).toMatchObject({
    address: 'https://control.example:9978',
    namespace: 'two',
    gateway: 'edge',
    clusterId: 'west',
    tokenFile: './token',
    rootCa: null,
    clientCertificate: null,
  });
});

describe('an address', () => {
  test.each([
    ['http://control:9978', 'http://control:9978'],
    ['https://control', 'https://control:443'],
    ['control:9978', 'https://control:9978'],
    ['http://[::1]:9978/', 'http://[::1]:9978'],
  ])('%s is %s', async (given, address) => {
    expect((await xds('{}', { ...GATEWAY, XDS_ADDRESS: given }))?.address).toBe(address);
  });

  test.each([
    ['ftp://control:1', 'has scheme ftp:'],
    ['http://', 'is not of the form'],
    ['http://user:hush@control:1', 'must hold no user name and password'],
  ])('%s is refused', async (given, why) => {
    const [fault] = await faults('{}', { ...GATEWAY, XDS_ADDRESS: given });
    expect(fault).toContain(`config.xdsAddress: environment variable XDS_ADDRESS: ${why}`);
    expect(fault).not.toContain('hush');
  });

  test('needs the namespace and the name of the gateway', async () => {
    expect(await faults('{}', { XDS_ADDRESS: 'http://control:1' })).toEqual([
      'config.namespace: is required with xdsAddress: set it, or NAMESPACE',
      'config.gateway: is required with xdsAddress: set it, or GATEWAY',
    ]);
  });
});

test.each([
  [{ XDS_HEADER_X_TENANT: 'bad\nvalue' }, "XDS_HEADER_X_TENANT: is no header's value"],
  [{ 'XDS_HEADER_A B': 'a' }, 'XDS_HEADER_A B: names no header'],
  [{ SLUICE_LABELS: 'a=b,c' }, 'SLUICE_LABELS: "c" is not of the form name=value'],
  [{ XDS_CLIENT_CERT: '/c.pem' }, 'XDS_CLIENT_CERT and XDS_CLIENT_KEY must be given together'],
])('%o is refused', async (env, why) => {
  const found = await faults('{}', { ...GATEWAY, XDS_ADDRESS: 'http://control:1', ...(env as Record<string, string>) });
  expect(found.join()).toContain(why);
  expect(found.join()).not.toContain('bad');
});
