import { get } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { joinHostPort } from '../../resources/host-port.ts';
import type { Network } from '../settings.ts';

/** Requests that a node has answered since it began. */
export interface Measured {
  readonly requests: number;
  /** Of those, with 5xx. */
  readonly errors: number;
}

const TIMEOUT_MS = 3000;
const MAX_BYTES = 16 * 1024 * 1024;
/** A line of a metric longer than this is none of what is read here, characters. */
const MAX_LINE = 16_384;

/** Where a node's metrics may be read; throws Error saying why nowhere. */
export function scrapeTarget(
  statsAddress: string,
  peerAddress: string,
  networks: readonly Network[],
): { readonly host: string; readonly port: number } {
  if (statsAddress === '') throw new Error('the node does not say where its metrics are (STATS_ADDRESS)');
  const [, bracketed, plain = '', digits = ''] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(statsAddress) ?? [];
  const named = bracketed ?? plain;
  const port = Number(digits);
  if (digits === '' || port < 1 || port > 65535)
    throw new Error(`STATS_ADDRESS ${JSON.stringify(statsAddress)} is not host:port`);
  const host = named === '' || named === '0.0.0.0' || named === '::' ? peerAddress : named;
  if (isIP(host) === 0) throw new Error(`STATS_ADDRESS ${JSON.stringify(statsAddress)} has no IP address`);
  if (host !== peerAddress && !inside(host, networks)) {
    throw new Error(`STATS_ADDRESS ${statsAddress} is neither the node's own address nor in rollout.scrapeNetworks`);
  }
  return { host, port };
}

function inside(host: string, networks: readonly Network[]): boolean {
  const list = new BlockList();
  const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
  for (const { address, bits } of networks) list.addSubnet(address, bits, family(address));
  return list.check(host, family(host));
}

/** Reads a node's metrics. Rejects with an Error that says in a clause what went wrong. */
export function scrape({ host, port }: { host: string; port: number }): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const fail = (what: string) => reject(new Error(`http://${joinHostPort(host, port)}/metrics ${what}`));
    const request = get(
      { host, port, path: '/metrics', agent: false, signal, headers: { accept: 'text/plain' } },
      (response) => {
        if (response.statusCode !== 200) {
          response.destroy();
          fail(`answers ${response.statusCode}`);
          return;
        }
        const counter = new RequestCounter();
        let bytes = 0;
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          bytes += text.length;
          if (bytes > MAX_BYTES) request.destroy(new Error(`has more than ${MAX_BYTES} bytes`));
          else counter.push(text);
        });
        response.on('end', () => {
          const measured = counter.end();
          if (measured === null) fail('has no agentgateway_requests_total');
          else resolve(measured);
        });
        response.on('error', (error) => fail(error.message));
      },
    );
    request.on('error', (error) => fail(signal.aborted ? `does not answer within ${TIMEOUT_MS} ms` : error.message));
  });
}

/** Adds up `agentgateway_requests_total` by its label `status`, from the Prometheus text format in pieces. */
export class RequestCounter {
  #rest = '';
  #known = false;
  #requests = 0;
  #errors = 0;

  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) this.#line(line);
  }

  /** Null where there is no such metric. */
  end(): Measured | null {
    this.#line(this.#rest);
    return this.#known ? { requests: this.#requests, errors: this.#errors } : null;
  }

  #line(line: string): void {
    // One that nobody has asked anything of yet declares it and has no series.
    if (line.startsWith('# TYPE agentgateway_requests')) this.#known = true;
    if (!line.startsWith('agentgateway_requests_total')) return;
    const [, value = ''] = /[} ] *([0-9.eE+]+)(?: [0-9.eE+-]+)?\s*$/.exec(line) ?? [];
    const count = Number(value);
    if (value === '' || !Number.isFinite(count)) return;
    this.#known = true;
    this.#requests += count;
    if (/[{,]status="5\d\d"/.test(line)) this.#errors += count;
  }
}
