import type { EndpointRow } from '../state/shared/endpoint-table.ts';
import { hashText } from './affinity.ts';
import type { Pool } from './pools.ts';

/** One address of a cluster: its connections in this worker, its health and load in all of them. */
export class Endpoint {
  /** `ip:port`, or `unix:/path`. */
  readonly address: string;
  /** Host header where the call has none. */
  readonly authority: string;
  readonly pool: Pool;
  /** Health and load, shared by all workers. */
  readonly row: EndpointRow;
  /** For affinity: stays with the address. */
  readonly id: number;
  /** How near it is by the service's preferences, 0 = the nearest; and its share of requests among equals. */
  tier = 0;
  weight = 1;
  /** Requests of this worker under way. */
  active = 0;

  constructor(address: string, authority: string, pool: Pool, row: EndpointRow) {
    this.address = address;
    this.id = hashText(address);
    this.authority = authority;
    this.pool = pool;
    this.row = row;
  }

  begin(): void {
    this.active++;
    this.row.begin();
  }

  end(): void {
    this.active--;
    this.row.end();
  }

  /** Requests under way in all workers. */
  get inFlight(): number {
    return this.row.inFlight;
  }

  /** Lower is better: requests under way times how long they take. An endpoint never measured counts as fast and is tried. */
  get score(): number {
    return (this.row.inFlight + 1) * Math.max(this.row.ewmaMs, MIN_LATENCY_MS);
  }
}

/** Differences below this are noise, ms. */
const MIN_LATENCY_MS = 0.1;
