/**
 * Finds and loads uWebSockets.js' native binding: the binary itself, since the npm republish would else fall back to an
 * emulation in JavaScript without a word. Typed here to the little of it that is used, because the packages' own types
 * describe other versions than their binaries.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type UwsText = string | ArrayBufferView;

export interface UwsResponse {
  writeStatus(status: UwsText): UwsResponse;
  writeHeader(name: UwsText, value: UwsText): UwsResponse;
  /** Takes the whole chunk; false = some of it waits in native memory. Begins chunked coding. */
  write(chunk: UwsText): boolean;
  end(body?: UwsText, closeConnection?: boolean): UwsResponse;
  endWithoutBody(): UwsResponse;
  /** Sends part of a body of `total` bytes under content-length: [everything taken, reply complete]. */
  tryEnd(chunk: UwsText, total: number): [boolean, boolean];
  getWriteOffset(): number;
  onWritable(handler: (offset: number) => boolean): UwsResponse;
  onAborted(handler: () => void): UwsResponse;
  onData(handler: (chunk: ArrayBuffer, last: boolean) => void): UwsResponse;
  getRemoteAddress(): ArrayBuffer;
  cork(callback: () => void): UwsResponse;
  close(): UwsResponse;
  pause(): void;
  resume(): void;
  /** Sends the 101 with the fields written before, and opens a WebSocket that carries the properties of `data`. */
  upgrade<Data extends object>(
    data: Data,
    key: string,
    protocol: string,
    extensions: string,
    context: UwsContext,
  ): void;
}

/** What `upgrade` needs of the pattern that its request came by. */
export type UwsContext = object;

/** Calls on one that is closed throw. */
export interface UwsSocket {
  /** Takes the whole message unless more than `maxBackpressure` waits. */
  send(message: UwsText, isBinary: boolean): number;
  ping(): number;
  getBufferedAmount(): number;
  /** Sends a close frame and ends the connection; calls the close handler before it returns. */
  end(code: number, reason: UwsText): void;
  /** Closes the connection; calls the close handler before it returns. */
  close(): void;
}

/** Messages are only valid during the call. */
export interface UwsSocketBehavior<Data extends object> {
  compression: 0;
  /** Bytes; a longer message ends the connection without a close frame. */
  maxPayloadLength: number;
  /** Bytes; pongs and messages beyond are dropped. */
  maxBackpressure: number;
  /** Seconds without a byte. */
  idleTimeout: number;
  sendPingsAutomatically: boolean;
  upgrade(response: UwsResponse, request: UwsRequest, context: UwsContext): void;
  open(socket: UwsSocket & Data): void;
  message(socket: UwsSocket & Data, message: ArrayBuffer, isBinary: boolean): void;
  drain(socket: UwsSocket & Data): void;
  ping(socket: UwsSocket & Data): void;
  pong(socket: UwsSocket & Data): void;
  close(socket: UwsSocket & Data, code: number, reason: ArrayBuffer): void;
}

export interface UwsRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
  forEach(callback: (name: string, value: string) => void): void;
}

export interface UwsApp {
  /** Closes every connection now; calls their handlers before it returns. */
  close(): UwsApp;
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  connect(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  /** Takes GETs with a WebSocket key of 24 characters, before other handlers. */
  ws<Data extends object>(pattern: string, behavior: UwsSocketBehavior<Data>): UwsApp;
  listen(port: number, options: number, callback: (token: object | false) => void): UwsApp;
  listen(host: string, port: number, options: number, callback: (token: object | false) => void): UwsApp;
}

export interface UwsBinding {
  App(): UwsApp;
  us_listen_socket_close(token: object): void;
  us_socket_local_port(token: object): number;
  LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  _cfg?(key: string): void;
}

export interface UwsAvailable {
  /** Of the native binary. */
  readonly path: string;
  /** Hex. */
  readonly sha256: string;
  /** The package's version. */
  readonly version: string;
  /** Its digest is in `drivers/uws-verified.json`: the whole probe suite passed with it. */
  readonly verified: boolean;
}

export interface UwsUnavailable {
  readonly error: string;
}

const PACKAGE = 'uWebSockets.js';
/** From src/workers/drivers and dist/workers/drivers alike. */
export const VERIFIED_FILE = fileURLToPath(new URL('../../../drivers/uws-verified.json', import.meta.url));

/** One entry of `drivers/uws-verified.json`. */
export interface VerifiedBinary {
  sha256: string;
  version: string;
  platform: string;
  cases: number;
}

let availability: UwsAvailable | UwsUnavailable | null = null;
let binding: UwsBinding | null = null;

/** Looks for the binding, without loading it. The answer is kept. */
export function uwsAvailability(): UwsAvailable | UwsUnavailable {
  availability ??= find();
  return availability;
}

function find(): UwsAvailable | UwsUnavailable {
  const require = createRequire(import.meta.url);
  let root: string;
  let version: string;
  try {
    const manifest = require.resolve(`${PACKAGE}/package.json`);
    root = dirname(manifest);
    version = String((JSON.parse(readFileSync(manifest, 'utf8')) as { version?: unknown }).version);
  } catch {
    return { error: `the package ${PACKAGE} is not installed` };
  }
  const file = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  // The republish keeps its binaries in a folder, the official package beside its package.json.
  const path = [join(root, 'binaries', file), join(root, file)].find((candidate) => existsSync(candidate));
  if (path === undefined) {
    return {
      error: `${PACKAGE} ${version} has no binary for Node ${process.versions.node} on ${process.platform} ${process.arch} (${file})`,
    };
  }
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
  return { path, sha256, version, verified: readVerified().some((entry) => entry.sha256 === sha256) };
}

/** The binaries that passed the probe suite. */
export function readVerified(): VerifiedBinary[] {
  try {
    return JSON.parse(readFileSync(VERIFIED_FILE, 'utf8')) as VerifiedBinary[];
  } catch {
    return [];
  }
}

/** Loads the binding. Throws an Error that says what is missing. */
export function loadUws(): UwsBinding {
  if (binding !== null) return binding;
  const found = uwsAvailability();
  if ('error' in found) throw new Error(`driver uws is not available: ${found.error}`);
  try {
    binding = createRequire(import.meta.url)(found.path) as UwsBinding;
  } catch (error) {
    throw new Error(`driver uws is not available: ${found.path} does not load: ${(error as Error).message}`);
  }
  // The key that turns off the `uWebSockets` response header.
  binding._cfg?.('999999990007');
  return binding;
}
