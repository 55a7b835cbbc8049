import { collectDefaultMetrics, Registry } from 'prom-client';
import { Counter, Gauge, Histogram } from '../telemetry/families.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../xds/wire/discovery.ts';

const LAG_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Metrics of `sluice control`. */
export class ControlMetrics {
  readonly registry = new Registry();
  readonly nodes = this.#gauge('connected_nodes', 'Nodes whose stream is open.', ['gateway']);
  readonly pushes = this.#counter('pushes_total', 'Responses sent to nodes.', ['type']);
  readonly pushedBytes = this.#counter('pushed_bytes_total', 'Their bytes.', ['type']);
  readonly acks = this.#counter('acks_total', 'Responses that nodes have accepted.', ['type']);
  readonly nacks = this.#counter('nacks_total', 'Responses of which nodes have refused something.', ['type']);
  readonly warnings = this.#counter('warnings_total', 'Responses accepted with warnings.', ['type']);
  readonly refused = this.#counter(
    'refused_streams_total',
    'Streams that were not let in, or were ended, by gRPC status.',
    ['code'],
  );
  readonly lag = this.#histogram(
    'lag_seconds',
    'From when a node was to have something else until it has answered all of it.',
    LAG_SECONDS,
  );
  readonly directoryFaults = this.#gauge(
    'directory_faults',
    'What is wrong with files of the directory, as they are now.',
    [],
  );
  readonly rollouts = this.#gauge('rollouts', 'Gateways by where their roll-out is: idle, canary, paused.', ['state']);
  readonly rolledBack = this.#counter('rollbacks_total', 'Revisions that were rolled back, by this replica.', []);
  readonly leader = this.#gauge('leader', '1 where this replica takes the steps of roll-outs.', []);
  readonly stateReachable = this.#gauge('state_reachable', '0 while the state (Redis) can not be reached.', []);
  readonly buildInfo = this.#gauge('build_info', 'Always 1; the labels say what runs.', ['tag', 'node']);

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  #counter<Label extends string>(name: string, help: string, labels: readonly Label[]): Counter<Label> {
    return new Counter(`sluice_control_${name}`, help, labels, this.registry);
  }

  #gauge<Label extends string>(name: string, help: string, labels: readonly Label[]): Gauge<Label> {
    return new Gauge(`sluice_control_${name}`, help, labels, this.registry);
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram<never> {
    return new Histogram<never>(`sluice_control_${name}`, help, [], buckets, this.registry);
  }
}

/** A type as a label: of those that nobody serves there may be any number. */
export function typeLabel(typeUrl: string): string {
  return typeUrl === RESOURCE_TYPE || typeUrl === ADDRESS_TYPE ? typeUrl.slice(typeUrl.lastIndexOf('/') + 1) : 'other';
}
