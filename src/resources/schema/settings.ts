import { z } from 'zod';
import { celExpression, celMap, duration, own, secret, size, uint, uint32 } from './common.ts';
import { modelCatalogSource } from './model-catalog.ts';

/** The `config:` section: settings of the process, read once at start-up. */

function keepalives() {
  return z.strictObject({
    enabled: z.boolean().default(true).describe('Send TCP keep-alives.'),
    time: duration().default('3m0s').describe('Idle time before the first probe.'),
    interval: duration().default('3m0s').describe('Time between probes.'),
    retries: uint32().default(9).describe('Unanswered probes after which the connection is given up.'),
  });
}

/** TCP keep-alive settings, as `config.backend` and the tcp policies take them. */
export { keepalives };

function backendDefaults() {
  return z.strictObject({
    keepalives: keepalives().prefault({}).describe('TCP keep-alives towards backends.'),
    connectTimeout: duration().default('10s').describe('Longest time to open a connection.'),
    poolIdleTimeout: duration().default('1m30s').describe('An idle pooled connection is closed after this time.'),
    poolMaxSize: uint().nullish().describe('Most connections an endpoint; without it there is no limit.'),
  });
}

function dns() {
  return z.strictObject({
    lookupFamily: z
      .enum(['All', 'Auto', 'V4Preferred', 'V4Only', 'V6Only'])
      .nullish()
      .describe('Which address families are looked up, and which is preferred.'),
    edns0: z.boolean().nullish().describe('Offer EDNS0 in DNS queries.'),
  });
}

function database() {
  return z.strictObject({
    url: secret(z.string()).describe('`postgres://…`, or the path of a SQLite file.'),
    maxConnections: uint32().min(1).nullish().describe('Most connections to the database.'),
  });
}

function redis() {
  return z.strictObject({
    url: secret(z.string()).describe('`redis://[user:password@]host:port[/database]`; `rediss://` for TLS.'),
    prefix: z
      .string()
      .regex(/^[\w:.-]*$/, 'may have letters, digits and :._- only')
      .nullish()
      .describe('Stands before every key, so that others may use the same Redis. Default: `sluice:`.'),
    timeout: duration().nullish().describe('Until when a call must have been answered. Default: 2s.'),
  });
}

function storedResponses() {
  return z.strictObject({
    ttl: duration().nullish().describe('How long a response is kept. Default: 720h (30 days).'),
    maxSize: size().nullish().describe('The largest that is kept, with its input. Default: 8Mi.'),
  });
}

function logFields() {
  return z.strictObject({
    remove: z.array(z.string()).default([]).describe('Fields to leave out.'),
    add: celMap().default({}).describe('Fields to add, each a CEL expression.'),
  });
}

const sampling = () => z.union([celExpression(), z.number(), z.boolean()]).nullish();

function tracing() {
  return z.strictObject({
    otlpEndpoint: z.string().nullish().describe('OTLP endpoint that spans are sent to.'),
    headers: z.record(z.string(), secret(z.string())).default({}).describe('Headers sent to the endpoint.'),
    otlpProtocol: z.enum(['grpc', 'http']).default('grpc').describe('OTLP transport.'),
    fields: logFields().nullish().describe('Span attributes to add and leave out.'),
    randomSampling: sampling().describe('Share of requests traced when the client sends no trace context.'),
    clientSampling: sampling().describe('Share of requests traced when the client asks for it.'),
    path: z.string().nullish().describe('Path of the HTTP transport.'),
  });
}

function logging() {
  return z.strictObject({
    filter: celExpression().nullish().describe('Requests for which this CEL expression is false are not logged.'),
    fields: logFields().nullish().describe('Fields to add to access-log lines and to leave out.'),
    level: z
      .union([z.string(), z.array(z.string())])
      .nullish()
      .describe('Log level, or `target=level` entries.'),
    format: z.enum(['text', 'json']).nullish().describe('Format of log lines.'),
    database: database().nullish().describe('Database that request logs are stored in.'),
  });
}

function metrics() {
  return z.strictObject({
    remove: z.array(z.string()).default([]).describe('Labels to leave out.'),
    fields: z
      .strictObject({ add: celMap().default({}).describe('Labels to add, each a CEL expression.') })
      .nullish()
      .describe('Labels to add.'),
  });
}

function hbone() {
  return z.strictObject({
    windowSize: uint32().nullish().describe('HTTP/2 stream window in bytes.'),
    connectionWindowSize: uint32().nullish().describe('HTTP/2 connection window in bytes.'),
    frameSize: uint32().nullish().describe('Largest HTTP/2 frame in bytes.'),
    poolMaxStreamsPerConn: z.int().min(0).max(65535).nullish().describe('Most streams on one connection.'),
    poolUnusedReleaseTimeout: duration().nullish().describe('An unused connection is closed after this time.'),
  });
}

const address = (what: string) =>
  z.string().nullish().describe(`Where ${what} listens: \`ip:port\`, \`localhost:port\`, \`unix:/path\` or \`off\`.`);

/** The `config:` section as the file holds it. */
export function configSection() {
  return z.strictObject({
    enableIpv6: z.boolean().nullish().describe('Listen on IPv6 wildcard addresses too. Default: true.'),
    dns: dns().nullish().describe('Name resolution.'),
    localXdsPath: z
      .string()
      .nullish()
      .describe('Configuration file whose resources are used in place of those beside this setting.'),
    modelCatalog: z.array(modelCatalogSource()).nullish().describe('Sources of model prices, later ones win.'),
    database: database()
      .nullish()
      .describe('SQLite file that state is kept in, so that it outlives the process. Default: in memory.'),
    redis: own(redis().nullish()).describe('Redis or Valkey that state is kept in, shared by several instances.'),
    storedResponses: own(storedResponses().nullish()).describe(
      'Responses (`/v1/responses`) that are kept here for providers that keep none themselves.',
    ),
    storage: z
      .strictObject({
        mode: z
          .enum(['file', 'hybrid', 'readOnly'])
          .default('file')
          .describe('Where configuration made in the console is kept.'),
      })
      .nullish()
      .describe('Storage of configuration changed at run time.'),
    caAddress: z.string().nullish().describe('Address of the certificate authority of a mesh.'),
    caAuthToken: secret(z.string()).nullish().describe('Token presented to the certificate authority, or its file.'),
    xdsAddress: z
      .string()
      .nullish()
      .describe('Address of the xDS server: `http://host:port`, or `https://host:port` for TLS.'),
    xdsAuthToken: secret(z.string()).nullish().describe('File of the token presented to the xDS server.'),
    spiffe: z
      .strictObject({ endpoint: z.string().nullish().describe('Address of the SPIFFE Workload API.') })
      .nullish()
      .describe('SPIFFE identities.'),
    namespace: z.string().nullish().describe('Namespace of this gateway.'),
    gateway: z.string().nullish().describe('Name of this gateway.'),
    trustDomain: z.string().nullish().describe('SPIFFE trust domain of this gateway.'),
    additionalTrustDomains: z
      .string()
      .nullish()
      .describe('Further trust domains peers may belong to, comma-separated.'),
    skipValidateTrustDomain: z.boolean().nullish().describe("Don't check the trust domain of peers."),
    serviceAccount: z.string().nullish().describe('Service account this gateway runs as.'),
    clusterId: z.string().nullish().describe('Name of the cluster.'),
    network: z.string().nullish().describe('Name of the network.'),
    adminAddr: address('the admin server'),
    standardAttributes: z
      .strictObject({
        user: celExpression().nullish().describe('Who the user of a request is.'),
        group: celExpression().nullish().describe('Which group the user belongs to.'),
      })
      .nullish()
      .describe('CEL expressions for the user and group that logs and metrics name.'),
    statsAddr: address('the metrics server'),
    histograms: z.enum(['classic', 'native', 'both']).default('classic').describe('Prometheus histogram form.'),
    readinessAddr: address('the readiness server'),
    session: z
      .strictObject({ key: secret(z.string()).describe('AES-256 key, 64 hex digits, that seals session tokens.') })
      .nullish()
      .describe('Sealing of session tokens.'),
    mcp: z
      .strictObject({ sessionTtl: duration().nullish().describe('An unused MCP session ends after this time.') })
      .nullish()
      .describe('MCP defaults.'),
    sensitiveHeaders: z.array(z.string()).default([]).describe('Headers never to be shown in logs and traces.'),
    customFunctions: z.string().default('').describe('CEL function definitions.'),
    connectionTerminationDeadline: duration()
      .nullish()
      .describe('How long requests in flight may go on after a termination signal.'),
    connectionMinTerminationDeadline: duration()
      .nullish()
      .describe('How long listeners stay open at least after a termination signal.'),
    workerThreads: z.union([z.string(), z.int()]).nullish().describe('Worker threads. Default: one a core.'),
    tracing: tracing().nullish().describe('Tracing; `frontendPolicies.tracing` takes its place.'),
    logging: logging().nullish().describe('Logging.'),
    metrics: metrics().nullish().describe('Metric labels.'),
    backend: backendDefaults().prefault({}).describe('Connections to backends.'),
    hbone: hbone().nullish().describe('HBONE tunnels.'),
    snapshotMaxBytes: own(size().nullish()).describe('Most memory for the shared configuration snapshot.'),
    allowPortSharing: own(z.boolean().nullish()).describe(
      'Listen even when another process already listens on the same port.',
    ),
    bodyBufferBudget: own(size().nullish()).describe('Most memory for held request bodies in the whole process.'),
    drain: own(
      z
        .strictObject({
          maxStreams: uint().nullish().describe('Most streams drained at one time in the whole process.'),
          timeout: duration().nullish().describe('Longest time one stream is drained.'),
        })
        .nullish(),
    ).describe('Reading the rest of LLM streams whose client has left, so that their tokens are counted.'),
    serverTiming: own(z.boolean().nullish()).describe('Add a `Server-Timing` header to replies.'),
  });
}

export type LocalSettings = z.output<ReturnType<typeof configSection>>;
