import type { SelfSettings } from '../resources/settings.ts';
import type { LoadBalancer, LoadBalancerScope, Locality, Workload } from '../resources/types.ts';

/** Where something runs. Empty = not said. */
export interface Standing {
  readonly locality: Locality;
  readonly node: string;
  readonly clusterId: string;
  readonly network: string;
}

export const NO_LOCALITY: Locality = { region: '', zone: '', subzone: '' };
const DEFAULT_CLUSTER = 'Kubernetes';

export function standingOf({ locality, node, clusterId, network }: Partial<Workload>): Standing {
  return {
    locality: locality ?? NO_LOCALITY,
    node: node ?? '',
    clusterId: clusterId ?? DEFAULT_CLUSTER,
    network: network ?? '',
  };
}

/**
 * Where this process runs: what its environment says, or, where that says no locality but names the process's own workload, what is
 * known of that.
 */
export class Self {
  readonly #settings: SelfSettings | null;
  readonly #lookedUp: boolean;
  #standing: Standing | null;

  constructor(settings: SelfSettings | null) {
    this.#settings = settings;
    const { locality, podName, podNamespace, node, network } = settings ?? {};
    this.#lookedUp = locality === null && podName !== '' && podNamespace !== '';
    const known = !this.#lookedUp && (locality !== null || node !== '' || network !== '');
    this.#standing = settings !== null && known ? { ...settings, locality: locality ?? NO_LOCALITY } : null;
  }

  /** null = not known (yet): every endpoint is as near as any other. */
  get standing(): Standing | null {
    return this.#standing;
  }

  /** The network that can be reached directly. */
  get network(): string {
    return this.#settings?.network ?? '';
  }

  /** Looks at a workload, which may be this process; true where its standing is another now. What is known once is not forgotten. */
  learn(workload: Workload): boolean {
    const settings = this.#settings;
    if (!this.#lookedUp || settings === null) return false;
    if (workload.name !== settings.podName || workload.namespace !== settings.podNamespace) return false;
    const standing = standingOf(workload);
    if (standing.clusterId !== settings.clusterId) return false;
    const changed = JSON.stringify(standing) !== JSON.stringify(this.#standing);
    this.#standing = standing;
    return changed;
  }
}

/**
 * How near an endpoint is by a service's preferences: 0 = it matches all of them, the next one less. null = it isn't near enough to be
 * used at all. As in agentgateway, a preference counts only as long as all before it match.
 */
export function tierOf(policy: LoadBalancer | undefined, self: Standing | null, other: Standing): number | null {
  if (policy === undefined || self === null || (policy.mode !== 'Failover' && policy.mode !== 'Strict')) return 0;
  const { routingPreferences } = policy;
  const differing = routingPreferences.findIndex((scope) => part(self, scope) !== part(other, scope));
  if (differing === -1) return 0;
  return policy.mode === 'Strict' ? null : routingPreferences.length - differing;
}

function part(of: Standing, scope: LoadBalancerScope): string {
  switch (scope) {
    case 'Region':
      return of.locality.region;
    case 'Zone':
      return of.locality.zone;
    case 'Subzone':
      return of.locality.subzone;
    case 'Node':
      return of.node;
    case 'Cluster':
      return of.clusterId;
    case 'Network':
      return of.network;
  }
}
