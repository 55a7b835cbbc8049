interface CounterOf<Labels> {
  inc(labels: Labels, by?: number): void;
}

/** What the client counts. The first three have agentgateway's names: `xds_connection_terminations`, `xds_message`, `xds_message_bytes`. */
export interface XdsMetrics {
  /** Streams that ended, by agentgateway's reasons. */
  readonly xdsTerminations: CounterOf<{ reason: 'ConnectionError' | 'Error' | 'Reconnect' | 'Complete' }>;
  /** Responses by type and what was said to them: ack, nack, warn, unknown. */
  readonly xdsMessages: CounterOf<{ url: string; result: string }>;
  readonly xdsMessageBytes: CounterOf<{ url: string }>;
  /** 1 while there is a stream. */
  readonly xdsConnected: { set(value: number): void };
  /** Resources in force, and refused ones, by type. */
  readonly xdsResources: { set(labels: { url: string; state: 'in_force' | 'refused' }, value: number): void };
  /** Unix seconds. */
  readonly xdsLastMessage: { set(value: number): void };
}
