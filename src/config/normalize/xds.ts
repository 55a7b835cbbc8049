import type { LocalSettings } from '../../resources/schema/index.ts';
import type { XdsSettings } from '../../resources/settings.ts';
import type { Section } from '../section.ts';
import type { Environment } from '../substitute.ts';
import type { Context } from './context.ts';
import type { Reader } from './settings.ts';

const HEADER_PREFIX = 'XDS_HEADER_';
const HEADER_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const LABEL = /^([A-Za-z0-9](?:[\w./-]*[A-Za-z0-9])?)=([\w.-]*)$/;

/**
 * The control plane of the configuration's and the environment's words, by agentgateway's names; null where there is none.
 * Files that it names are read when the connection is opened.
 */
export function normalizeXds(
  context: Context,
  reader: Reader,
  section: Section<LocalSettings> | undefined,
  env: Environment,
): XdsSettings | null {
  const text = (value: string): string => value;
  const path = (name: string) => ['config', name];
  const address = reader.read('xdsAddress', section?.get('xdsAddress'), path('xdsAddress'), null, parseAddress);
  const tokenFile = reader.read('xdsAuthToken', section?.get('xdsAuthToken'), path('xdsAuthToken'), null, text);
  if (address === null) return null;
  const required = (name: 'namespace' | 'gateway', variable: string): string => {
    const given = reader.read(name, section?.get(name), path(name), '', text);
    if (given === '') context.fault(path(name), `is required with xdsAddress: set it, or ${variable}`);
    return given;
  };
  const namespace = required('namespace', 'NAMESPACE');
  const gateway = required('gateway', 'GATEWAY');
  return {
    address,
    namespace,
    gateway,
    clusterId: reader.read('clusterId', section?.get('clusterId'), path('clusterId'), 'Kubernetes', text),
    tokenFile: tokenFile === '' ? null : tokenFile,
    rootCa: filled(env.XDS_ROOT_CA),
    clientCertificate: clientCertificate(context, env),
    secretHeaders: headers(context, env),
    podName: env.POD_NAME ?? '',
    instanceIp: env.INSTANCE_IP ?? '',
    nodeName: env.NODE_NAME ?? '',
    labels: labels(context, env.SLUICE_LABELS ?? ''),
    recordFile: filled(env.SLUICE_XDS_RECORD),
  };
}

const filled = (value: string | undefined): string | null => (value === undefined || value === '' ? null : value);

/** As `scheme://host:port`. What has no scheme is taken for https, as agentgateway takes it. Empty = none. */
function parseAddress(given: string): string | null {
  if (given === '') return null;
  const text = given.includes('://') ? given : `https://${given}`;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.hostname === '')
    throw new RangeError('is not of the form http://host:port or https://host:port');
  const { protocol, username, password, hostname, port } = url;
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new RangeError(`has scheme ${protocol} but not http or https`);
  if (username !== '' || password !== '') throw new RangeError('must hold no user name and password');
  return `${protocol}//${hostname}:${port === '' ? (protocol === 'http:' ? 80 : 443) : port}`;
}

/** `XDS_HEADER_X_TENANT=a` → `x-tenant: a`. */
function headers(context: Context, env: Environment): [string, string][] {
  const headers: [string, string][] = [];
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(HEADER_PREFIX) || value === undefined) continue;
    const name = variable.slice(HEADER_PREFIX.length).toLowerCase().replaceAll('_', '-');
    if (!HEADER_NAME.test(name)) context.fault(['config'], `environment variable ${variable}: names no header`);
    else if (!HEADER_VALUE.test(value))
      context.fault(['config'], `environment variable ${variable}: is no header's value`);
    else headers.push([name, value]);
  }
  return headers;
}

/** Sluice's own: for control planes that authenticate their clients by certificates. */
function clientCertificate(context: Context, env: Environment): XdsSettings['clientCertificate'] {
  const cert = filled(env.XDS_CLIENT_CERT);
  const key = filled(env.XDS_CLIENT_KEY);
  if (cert !== null && key !== null) return { cert, key };
  if (cert !== null || key !== null)
    context.fault(['config'], 'environment variables XDS_CLIENT_CERT and XDS_CLIENT_KEY must be given together');
  return null;
}

/** `a=b,c=d`. */
function labels(context: Context, text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const [, name, value] = LABEL.exec(entry) ?? [];
    if (name === undefined || value === undefined)
      context.fault(['config'], `environment variable SLUICE_LABELS: "${entry}" is not of the form name=value`);
    else labels[name] = value;
  }
  return labels;
}
