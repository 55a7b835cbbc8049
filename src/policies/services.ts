import type { Expressions } from '../cel/index.ts';
import type { SimpleBackend } from '../resources/schema/backend-ref.ts';
import type { TokenBuckets } from '../state/shared/token-buckets.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Dispatch } from '../upstream/call.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Credentials } from '../upstream/credentials/credentials.ts';

/** What a worker lends to the policies it compiles. */
export interface PolicyServices {
  readonly buckets: TokenBuckets;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly credentials: Credentials;
  readonly cel: Expressions;
  /** The plain dispatch, without a route's wrappers: for mirrors and auxiliary calls. */
  readonly dispatch: Dispatch;
  /** A cluster for a simple backend reference (`{host}`, `{service}`, `{backend}`), shared per snapshot. */
  cluster(reference: SimpleBackend): Cluster;
}
