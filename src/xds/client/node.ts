import { joinHostPort } from '../../resources/host-port.ts';
import type { XdsSettings } from '../../resources/settings.ts';
import { struct } from '../../resources/wire.ts';
import type { Node } from '../wire/discovery.ts';

/** What agentgateway calls itself by where it knows no address. */
const NO_ADDRESS = '1.1.1.1';

/** What a control plane is told of this process: agentgateway's identity, and what Sluice's own roll-outs need on top. */
export interface NodeFacts {
  readonly settings: XdsSettings;
  readonly version: string;
  /** Where metrics are scraped from, as it is listened on; null = nowhere. */
  readonly statsAddress: { readonly host: string; readonly port: number } | null;
}

/**
 * The `node` of requests. Strings as agentgateway sends them (`role` selects the Gateway), then Sluice's: `VERSION`, `LABELS`
 * (a struct of strings) and `STATS_ADDRESS` (`host:port`; without a host it is the one that the connection comes from).
 */
export function nodeOf(facts: NodeFacts): Node {
  const { settings, version, statsAddress } = facts;
  const { podName, namespace, gateway, instanceIp, nodeName, labels } = settings;
  const address = instanceIp === '' ? NO_ADDRESS : instanceIp;
  const metadata: Record<string, unknown> = {
    NAME: podName,
    NAMESPACE: namespace,
    INSTANCE_IPS: address,
    NODE_NAME: nodeName,
    GATEWAY_NAME: gateway,
    role: `${namespace}~${gateway}`,
    VERSION: version,
  };
  if (statsAddress !== null) metadata.STATS_ADDRESS = reachable(statsAddress, instanceIp);
  if (Object.keys(labels).length > 0) metadata.LABELS = labels;
  return {
    id: `agentgateway~${address}~${podName}.${namespace}~${namespace}.svc.cluster.local`,
    metadata: struct.write(metadata) as NonNullable<Node['metadata']>,
  };
}

/** What is listened on everywhere is reached by the process's own address; `localhost` is where the connection comes from. */
function reachable({ host, port }: { host: string; port: number }, instanceIp: string): string {
  const name = host === '::' || host === '0.0.0.0' ? instanceIp : host === 'localhost' ? '' : host;
  return joinHostPort(name, port);
}
