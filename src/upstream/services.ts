import type { Expressions } from '../cel/index.ts';
import type { SelfSettings, Settings } from '../resources/settings.ts';
import type { Resource } from '../resources/types.ts';
import type { EndpointTable } from '../state/shared/endpoint-table.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { NameLookup } from './resolve.ts';

/** Says whether a connection to an address may be opened; a reason refuses it. Asked with the address itself, after DNS. */
export type ConnectGuard = (host: string, port: number) => string | null;

/** What a worker lends to the upstream room. */
export interface UpstreamServices {
  readonly settings: Pick<Settings, 'connectTimeoutMs' | 'poolIdleTimeoutMs' | 'poolMaxSize' | 'dnsLookupFamily'>;
  /** Where this process runs; absent = nothing is known of it. */
  readonly self?: SelfSettings;
  /** Where services and workloads that were applied can be had again; absent = nowhere. */
  read?(key: string): Resource | null;
  readonly endpoints: EndpointTable;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** For expressions of `health` policies. */
  readonly cel?: Expressions;
  /** How names are looked up; absent = the system's resolver. */
  readonly lookup?: NameLookup;
  /** Absent = every address may be connected to. */
  readonly guard?: ConnectGuard;
}
