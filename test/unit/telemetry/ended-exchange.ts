import { Readable } from 'node:stream';
import { type Downstream, type EndCause, Exchange } from '../../../src/exchange.ts';
import { type Cost, emptyUsage, type LlmFacts, type Usage } from '../../../src/facts/llm.ts';
import { HeaderList } from '../../../src/headers.ts';

const downstream: Downstream = {
  httpVersion: '1.1',
  remoteAddress: '192.0.2.7',
  knownAddress: '192.0.2.7',
  remotePort: 40000,
  localPort: 8080,
  tls: null,
  hasBody: false,
  contentLength: -1,
  upgrade: null,
  readBody: () => {},
  bodyStream: () => Readable.from([]),
  inform: () => {},
  writeHead: () => {},
  write: () => true,
  end: () => {},
  abort: () => {},
  bufferedBytes: 0,
  onDrain: null,
  onAbort: null,
};

/** An exchange as it stands after its end, for what accounts for it. */
export function endedExchange(given: {
  method?: string;
  path?: string;
  query?: string;
  host?: string;
  route?: string;
  status?: number;
  cause?: EndCause;
  llm?: Partial<LlmFacts>;
  remoteAddress?: string;
  remotePort?: number;
}): Exchange {
  const host = given.host ?? 'api.example.com';
  const exchange = new Exchange(
    {
      ...downstream,
      knownAddress: given.remoteAddress ?? downstream.knownAddress,
      remotePort: given.remotePort ?? downstream.remotePort,
    },
    {
      method: given.method ?? 'GET',
      path: given.path ?? '/v1/chat/completions',
      query: given.query ?? '',
      scheme: 'http',
      authority: host,
      host,
      headers: new HeaderList(),
    },
  );
  exchange.routed.gateway = 'default/gateway';
  exchange.routed.listener = 'listener0';
  exchange.routed.route = given.route ?? 'default/route0';
  exchange.routed.backend = 'default/backend0';
  exchange.routed.endpoint = '127.0.0.1:9000';
  exchange.status = given.status ?? 200;
  exchange.bytesSent = 100;
  exchange.attempts = 1;
  exchange.upstreamStartMs = 0.2;
  exchange.upstreamHeadMs = 20.2;
  if (given.llm !== undefined) exchange.llm = { ...llmFacts(), ...given.llm };
  exchange.endCause = given.cause ?? 'complete';
  return exchange;
}

export function usageOf(given: Partial<Usage>): Usage {
  return { ...emptyUsage(), ...given };
}

function llmFacts(): LlmFacts {
  return {
    operation: 'chat',
    provider: 'openai',
    clientModel: 'fast',
    requestModel: 'gpt-5-mini',
    responseModel: 'gpt-5-mini-2025',
    streaming: false,
    requestBytes: 100,
    usage: null,
    usageEstimated: false,
    cost: null,
    firstTokenMs: -1,
    lastTokenMs: -1,
  };
}

/** What a request cost, as far as a test cares. */
export function costOf(given: Partial<Cost>): Cost {
  const parts = { input: 0, cacheRead: 0, cacheWrite: 0, output: 0, reasoning: 0, inputAudio: 0, outputAudio: 0 };
  return { total: 0, ...parts, rates: {}, ...given };
}
