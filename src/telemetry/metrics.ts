import { Registry } from 'prom-client';
import { type AnyFamily, Counter, Gauge, Histogram } from './families.ts';

/**
 * Every metric there is, in one list: the reference page is generated from it. Names and labels are agentgateway's and, for
 * LLM traffic, those of OpenTelemetry's gen_ai semantic conventions. One instance a thread; the primary adds the threads up.
 */
const PREFIX = 'agentgateway_';

/** Labels that say where a request was routed. */
export const ROUTE_LABELS = ['bind', 'gateway', 'listener', 'route', 'route_rule'] as const;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const FINE_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5];
const GEN_AI_SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];
const CONNECT_SECONDS = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8];

const GEN_AI_LABELS = [
  'gen_ai_operation_name',
  'gen_ai_system',
  'gen_ai_request_model',
  'gen_ai_response_model',
  ...ROUTE_LABELS,
] as const;

export class Metrics {
  readonly registry = new Registry();
  /** All of them by full name, for draining and merging between threads. */
  readonly families = new Map<string, AnyFamily>();

  readonly requests = this.#counter(
    'requests_total',
    'Requests by outcome. `reason` is the error code, else the cause of the end (complete, client_gone …).',
    ['backend', 'protocol', 'method', 'status', 'reason', ...ROUTE_LABELS],
  );
  readonly requestDuration = this.#histogram(
    'request_duration_seconds',
    'From the request head to the end of the reply.',
    SECONDS,
    ['backend', 'protocol', 'method', 'status', 'reason', ...ROUTE_LABELS],
  );
  readonly requestProcessing = this.#histogram(
    'request_processing_seconds',
    'From the request head until it was handed to the upstream.',
    FINE_SECONDS,
    ['backend', ...ROUTE_LABELS],
  );
  readonly responseBytes = this.#counter('response_bytes_total', 'Body bytes sent to clients.', [
    'backend',
    ...ROUTE_LABELS,
  ]);
  readonly retries = this.#counter('retries_total', 'Attempts beyond the first.', ['backend', ...ROUTE_LABELS]);
  readonly mirrored = this.#counter(
    'mirrored_requests_total',
    'Copies of requests, by what became of them: sent, failed, dropped (too many under way).',
    ['outcome'],
  );
  readonly rateLimited = this.#counter('rate_limited_total', 'Requests refused by a rate limit, by its type.', [
    'type',
    ...ROUTE_LABELS,
  ]);

  readonly tokenUsage = this.#histogram(
    'gen_ai_client_token_usage',
    'Tokens a request, by usage bucket: input, input_cache_read, input_cache_write, output, reasoning. The buckets are disjoint.',
    TOKENS,
    ['gen_ai_token_type', ...GEN_AI_LABELS],
  );
  readonly cost = this.#counter(
    'gen_ai_client_cost_usd_total',
    'What requests cost, USD, where the price of the model is known.',
    GEN_AI_LABELS,
  );
  readonly costSaved = this.#counter(
    'gen_ai_client_cost_saved_usd_total',
    "What providers' prompt caches saved, USD: tokens read from them at the price of plain input, less what they cost.",
    GEN_AI_LABELS,
  );
  readonly costLookups = this.#counter(
    'cost_catalog_lookups_total',
    'Requests by whether the price of their model was known: found, unknown.',
    ['status'],
  );
  readonly llmDuration = this.#histogram(
    'gen_ai_server_request_duration',
    "Seconds from the request to the end of the model's answer.",
    GEN_AI_SECONDS,
    GEN_AI_LABELS,
  );
  readonly timeToFirstToken = this.#histogram(
    'gen_ai_server_time_to_first_token',
    'Seconds from the request to the first content of a streamed answer.',
    GEN_AI_SECONDS,
    GEN_AI_LABELS,
  );
  readonly timePerOutputToken = this.#histogram(
    'gen_ai_server_time_per_output_token',
    'Seconds an output token after the first, of streamed answers.',
    GEN_AI_SECONDS,
    GEN_AI_LABELS,
  );
  readonly abortedStreams = this.#counter(
    'gen_ai_client_aborts_total',
    "LLM answers whose client left early, by what became of their usage: drained (the provider's count was read), estimated.",
    ['accounting', ...ROUTE_LABELS],
  );

  readonly realtimeSessions = this.#gauge('realtime_sessions_open', 'Realtime (WebSocket) sessions open now.', [
    'gen_ai_system',
    ...ROUTE_LABELS,
  ]);
  readonly realtimeMessages = this.#counter(
    'realtime_messages_total',
    'Messages of realtime sessions, by who sent them: client, provider.',
    ['from', 'gen_ai_system', ...ROUTE_LABELS],
  );

  readonly downstreamConnections = this.#counter('downstream_connections_total', 'Client connections accepted.', [
    'bind',
  ]);
  readonly downstreamOpen = this.#gauge('downstream_connections_open', 'Client connections open now.', ['bind']);
  readonly downstreamRejected = this.#counter(
    'downstream_rejected_total',
    'Requests a driver refused before routing (syntax, framing, size, time-out).',
    ['bind', 'status', 'reason'],
  );
  readonly downstreamPending = this.#gauge(
    'downstream_pending_bytes',
    'Reply bytes waiting for clients to take them.',
    ['bind'],
  );
  readonly heldBodies = this.#gauge('held_body_bytes', 'Request body bytes held in memory, process-wide.', []);

  readonly upstreamConnect = this.#histogram(
    'upstream_connect_duration_seconds',
    'Time to open an upstream connection.',
    CONNECT_SECONDS,
    ['transport'],
  );
  readonly upstreamFailures = this.#counter(
    'upstream_failures_total',
    'Upstream attempts that failed, by error code.',
    ['backend', 'code'],
  );
  readonly evictions = this.#counter('endpoint_evictions_total', 'Endpoints evicted as outliers.', ['backend']);
  readonly credentialLoads = this.#counter(
    'backend_credential_loads_total',
    'Credentials for backends fetched or renewed, by cloud (aws, gcp, azure, copilot) and outcome: ok, failed.',
    ['kind', 'outcome'],
  );
  readonly providerAttempts = this.#counter(
    'gen_ai_provider_attempts_total',
    'Answers of LLM providers that there is a choice of, by the key used (the first 8 hex digits of its SHA-256) and outcome: ok, limited (429), refused (401, 402, 403), failed.',
    ['provider', 'key', 'outcome'],
  );
  readonly dnsFailures = this.#counter('dns_failures_total', 'Failed name resolutions.', ['backend']);

  readonly storeCalls = this.#counter(
    'store_calls_total',
    'Calls of the store (memory, SQLite, Redis), by outcome: ok, else unavailable, timeout, too_large, conflict, invalid.',
    ['call', 'outcome'],
  );
  readonly storeEntries = this.#gauge('store_entries', 'Values and streams in the embedded store.', []);
  readonly storeBytes = this.#gauge('store_bytes', 'Bytes in the embedded store.', []);
  readonly storeEvicted = this.#counter(
    'store_evicted_total',
    'What left the embedded store before its time because room was needed.',
    [],
  );
  readonly storeRestarts = this.#counter('store_restarts_total', 'Store threads that died and were replaced.', []);

  readonly mediaFetches = this.#counter(
    'media_fetches_total',
    'Images and files fetched by URL for LLM providers that take bytes alone: fetched, wrong_type or failed.',
    ['outcome'],
  );
  readonly celErrors = this.#counter(
    'cel_errors_total',
    'Evaluations of CEL expressions that failed, by the policy whose expression it was.',
    ['policy'],
  );
  readonly logLinesDropped = this.#counter(
    'access_log_dropped_total',
    "Access-log lines dropped because the log's reader was too slow.",
    [],
  );
  readonly snapshotVersion = this.#gauge('snapshot_version', 'Snapshot version applied.', ['worker']);
  readonly snapshotBytes = this.#gauge('snapshot_bytes', 'Bytes of the snapshot log.', []);
  readonly configSynchronized = this.#gauge(
    'config_synchronized',
    '1 while the configuration as it stands in its source is in force, 0 while its last change is refused.',
    [],
  );
  readonly xdsConnected = this.#gauge('xds_connected', '1 while there is a connection to the control plane.', []);
  readonly xdsTerminations = this.#counter(
    'xds_connection_terminations_total',
    'Streams of the control plane that ended: ConnectionError (there was no connection), Error, Reconnect, Complete.',
    ['reason'],
  );
  readonly xdsMessages = this.#counter(
    'xds_message_total',
    'Responses of the control plane by what was said to them: ack, nack, warn (all in force, some of it in part), unknown (a type not asked for).',
    ['url', 'result'],
  );
  readonly xdsMessageBytes = this.#counter(
    'xds_message_bytes_total',
    'Bytes of the resources in responses of the control plane.',
    ['url'],
  );
  readonly xdsResources = this.#gauge(
    'xds_resources',
    'Resources of the control plane by state: in_force; refused, those whose last version is not in force.',
    ['url', 'state'],
  );
  readonly xdsLastMessage = this.#gauge(
    'xds_last_message_timestamp_seconds',
    'When the control plane was last heard, Unix time.',
    [],
  );
  readonly workersServing = this.#gauge('workers_serving', 'Worker threads that serve.', []);
  readonly workerRestarts = this.#counter('worker_restarts_total', 'Worker threads that died and were replaced.', [
    'worker',
  ]);
  readonly buildInfo = this.#gauge('build_info', 'Always 1; the labels say what runs.', ['tag', 'node']);

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return this.#keep(new Counter(PREFIX + name, help, labelNames, this.registry));
  }

  #gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Gauge<Label> {
    return this.#keep(new Gauge(PREFIX + name, help, labelNames, this.registry));
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly Label[],
  ): Histogram<Label> {
    return this.#keep(new Histogram(PREFIX + name, help, labelNames, buckets, this.registry));
  }

  #keep<Family extends { readonly name: string }>(family: Family): Family {
    // A family's label type only narrows what its own methods take; draining and merging go by position.
    this.families.set(family.name, family as unknown as AnyFamily);
    return family;
  }
}
