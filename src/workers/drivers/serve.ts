import type { Exchange } from '../../exchange.ts';
import type { ListenOptions } from './driver.ts';
import { REFUSALS } from './refusals.ts';

const BODY = `${REFUSALS.internal.message}\n`;
const HEADERS = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(Buffer.byteLength(BODY))];

/** Hands an exchange over. What its handler throws ends that exchange and no other. */
export function serve(options: ListenOptions, exchange: Exchange): void {
  try {
    options.onExchange(exchange);
  } catch {
    options.onRejected(REFUSALS.internal.status, REFUSALS.internal.reason);
    if (exchange.status !== 0) {
      exchange.downstream.abort();
      return;
    }
    exchange.downstream.writeHead(REFUSALS.internal.status, HEADERS);
    exchange.downstream.end(BODY);
  }
}
