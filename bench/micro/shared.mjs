import { built } from '../lib/build.mjs';

const { TokenBuckets } = await import(built('state/shared/token-buckets.js'));
const { EndpointTable } = await import(built('state/shared/endpoint-table.js'));

const ROUNDS = 400_000;

/** What the shared-memory operations of a request's path cost one thread, nanoseconds each. */
export async function run() {
  const buckets = TokenBuckets.open(TokenBuckets.create({ rows: 64, workers: 2 }), 0);
  const bucket = buckets.bucket('bench', { maxTokens: 2 ** 36, tokensPerFill: 1000, fillIntervalMs: 1000 });
  const endpoint = EndpointTable.open(EndpointTable.create({ rows: 64, workers: 2 }), 0).endpoint('bench');
  return [
    ['token bucket: take', each(() => bucket.take(1, Date.now())), '', null],
    ['token bucket: reserve and settle', each(() => bucket.reserve(100, Date.now()).settle(70)), '', null],
    [
      'endpoint: begin and end of a request',
      each(() => {
        endpoint.begin();
        endpoint.end();
      }),
      '',
      null,
    ],
  ];
}

function each(operation) {
  for (let i = 0; i < ROUNDS / 4; i++) operation();
  const start = performance.now();
  for (let i = 0; i < ROUNDS; i++) operation();
  return `${(((performance.now() - start) * 1e6) / ROUNDS).toFixed(0)} ns`;
}
