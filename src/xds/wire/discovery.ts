import { messageType } from './protos.ts';

/** The messages of Delta ADS (envoy.service.discovery.v3), as they are decoded: what is at its default is absent. */

export const ADDRESS_TYPE = 'type.googleapis.com/istio.workload.Address';
export const RESOURCE_TYPE = 'type.googleapis.com/agentgateway.dev.resource.Resource';

export const DELTA_METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
export const STREAM_METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';

/** Ends the `system_version_info` of a response that others towards the same state follow. Sluice's own: other data planes pass it over. */
export const MORE_FOLLOWS = '+';

/** google.rpc.Status. */
export interface Status {
  code?: number;
  message?: string;
}

export interface Node {
  id?: string;
  /** google.protobuf.Struct, as its message. */
  metadata?: { fields?: Record<string, unknown> };
}

export interface Any {
  type_url?: string;
  value?: Uint8Array;
}

export interface DeltaDiscoveryRequest {
  node?: Node;
  type_url?: string;
  resource_names_subscribe?: string[];
  resource_names_unsubscribe?: string[];
  initial_resource_versions?: Record<string, string>;
  response_nonce?: string;
  error_detail?: Status;
}

export interface DiscoveryResource {
  name?: string;
  version?: string;
  resource?: Any;
}

export interface DeltaDiscoveryResponse {
  system_version_info?: string;
  resources?: DiscoveryResource[];
  type_url?: string;
  removed_resources?: string[];
  nonce?: string;
}

const name = (message: string) => `envoy.service.discovery.v3.${message}`;

export const deltaRequestType = () => messageType<DeltaDiscoveryRequest>(name('DeltaDiscoveryRequest'));
export const deltaResponseType = () => messageType<DeltaDiscoveryResponse>(name('DeltaDiscoveryResponse'));
