import {
  activationOf,
  CelError,
  type CelFacts,
  CelSyntaxError,
  type CelValue,
  compileCel,
  gatewayEnvironment,
} from '../../../src/cel/index.ts';
import { type Downstream, Exchange } from '../../../src/exchange.ts';
import { HeaderList } from '../../../src/headers.ts';

const CONNECTION = {
  httpVersion: '1.1',
  remoteAddress: '192.0.2.7',
  knownAddress: '192.0.2.7',
  remotePort: 4711,
  localPort: 8080,
  tls: null,
} as unknown as Downstream;

/** A request with what `head` and `downstream` say differently. */
export function exchangeOf(
  head: { method?: string; path?: string; query?: string; headers?: string[] } = {},
  downstream: Partial<Downstream> = {},
): Exchange {
  return new Exchange(
    { ...CONNECTION, ...downstream },
    {
      method: head.method ?? 'GET',
      path: head.path ?? '/api/test',
      query: head.query ?? '',
      scheme: 'http',
      authority: 'example.com',
      host: 'example.com',
      headers: new HeaderList(head.headers ?? []),
    },
  );
}

const ENVIRONMENT = gatewayEnvironment({ env: { POD_NAME: 'sluice-0' } });

export function evaluate(source: string, facts: CelFacts = {}, exchange: Exchange = exchangeOf()): CelValue {
  return compileCel(source, ENVIRONMENT).evaluate(activationOf(exchange, facts));
}

/** The error that compiling or evaluating ends in. */
export function failure(source: string, facts: CelFacts = {}, exchange?: Exchange): CelError | CelSyntaxError {
  let value: CelValue;
  try {
    value = evaluate(source, facts, exchange);
  } catch (error) {
    if (error instanceof CelError || error instanceof CelSyntaxError) return error;
    throw error;
  }
  throw new Error(`${source} gives ${String(value)}`);
}

export function references(source: string) {
  return compileCel(source, ENVIRONMENT).references;
}
