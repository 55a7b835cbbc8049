import { Readable } from 'node:stream';
import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import { HeaderList } from '../../../headers.ts';
import type { AdapterServices, RouteContext } from '../../adapter.ts';
import { Attempts } from '../attempts.ts';
import type { Choice } from '../choice.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';
import { isAllowed } from '../model-pattern.ts';
import { type Incoming, send } from '../serve.ts';
import { conversionFor } from './conversions.ts';
import type { Endpoint } from './endpoint.ts';
import { modelInBeginning, type NamedModel, PartWatch } from './form-beginning.ts';
import { refuseUnlessTaken } from './support.ts';
import { mediaFormat } from './usage.ts';

/** So much of a form is read to find its model: where it stands behind a long prompt, the form is held. */
const MAX_BEGINNING_BYTES = 64 * 1024;

/**
 * Sends an upload on as it comes, where it begins with its model and goes to a provider as it is. False where it doesn't: it is held then,
 * as far as it is an upload.
 *
 * @param choose who serves a model
 */
export async function passUpload(
  incoming: Incoming,
  endpoint: Endpoint,
  choose: (model: string) => Choice,
  services: AdapterServices,
): Promise<boolean> {
  const upload = await beginUpload(incoming, services);
  if (upload === null || incoming.exchange.endCause !== null) return false;
  if (streamUpload(incoming, endpoint, upload, choose(upload.model), services)) return true;
  await upload.hold(services);
  return false;
}

/** Smaller uploads are held: they can be checked as a whole, and sent once more. */
const MIN_STREAMED_BYTES = 1024 * 1024;

/** An upload of which the beginning is there, and with it the model it names. */
interface Upload {
  readonly model: string;
  /** Holds it after all: it is the exchange's held body then. Throws as `holdBody` does. */
  hold(services: AdapterServices): Promise<void>;
  /** All of it, with another model where that isn't the client's. Throws in its middle where the model is named once more. */
  stream(model: string): { readonly body: Readable; readonly length: number };
}

/**
 * Reads the beginning of a form. Null where there is none to read: it is no form, small, comes in a coding, or is held already. Where its model
 * doesn't stand in front of its files, or a policy wants the body whole, it is held, and that is null too.
 */
async function beginUpload({ exchange, context }: Incoming, services: AdapterServices): Promise<Upload | null> {
  const { headers, downstream, heldBody } = exchange;
  const type = headers.get('content-type') ?? '';
  const coding = headers.get('content-encoding') ?? 'identity';
  const small = downstream.contentLength >= 0 && downstream.contentLength < MIN_STREAMED_BYTES;
  if (heldBody !== null || !downstream.hasBody || small || context.holdBody || coding !== 'identity') return null;
  if (!/^multipart\/form-data\b/i.test(type)) return null;
  const source: AsyncIterator<Buffer> = downstream.bodyStream().iterator({ destroyOnReturn: false });
  let beginning: Buffer = Buffer.alloc(0);
  let found: NamedModel | 'more' | 'none' = 'more';
  let ended = false;
  while (found === 'more' && beginning.length <= MAX_BEGINNING_BYTES) {
    const next = await nextOf(source);
    if (next === null) {
      ended = true;
      break;
    }
    beginning = beginning.length === 0 ? next : Buffer.concat([beginning, next]);
    found = modelInBeginning(beginning, type);
  }
  const upload = new Beginning(exchange, context, source, beginning, ended);
  if (typeof found !== 'string') return upload.named(found);
  await upload.hold(services);
  return null;
}

class Beginning {
  readonly #exchange: Exchange;
  readonly #context: RouteContext;
  readonly #source: AsyncIterator<Buffer>;
  readonly #bytes: Buffer;
  /** There is no more. */
  readonly #ended: boolean;

  constructor(exchange: Exchange, context: RouteContext, source: AsyncIterator<Buffer>, bytes: Buffer, ended: boolean) {
    this.#exchange = exchange;
    this.#context = context;
    this.#source = source;
    this.#bytes = bytes;
    this.#ended = ended;
  }

  named(found: NamedModel): Upload {
    return {
      model: found.model,
      hold: (services) => this.hold(services),
      stream: (model) => this.#stream(found, model),
    };
  }

  async hold({ bodies }: AdapterServices): Promise<void> {
    const exchange = this.#exchange;
    const limit = this.#context.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES;
    const message = `The request body is larger than the ${limit} bytes this route accepts.`;
    if (exchange.downstream.contentLength > limit) throw new GatewayError('request_body_too_large', message);
    const chunks: Buffer[] = [];
    let bytes = 0;
    exchange.onEnd(() => bodies.give(bytes));
    for (let next: Buffer | null = this.#bytes; next !== null; next = this.#ended ? null : await nextOf(this.#source)) {
      if (bytes + next.length > limit) throw new GatewayError('request_body_too_large', message);
      if (exchange.endCause !== null || !bodies.take(next.length)) throw new GatewayError('overloaded');
      bytes += next.length;
      chunks.push(next);
    }
    exchange.bytesReceived = bytes;
    exchange.heldBody = Buffer.concat(chunks, bytes);
  }

  #stream({ model: named, start, end }: NamedModel, model: string): { body: Readable; length: number } {
    const exchange = this.#exchange;
    const watch = new PartWatch(exchange.headers.get('content-type') ?? '');
    const name = model === '' || model === named ? this.#bytes.subarray(start, end) : Buffer.from(model);
    const head = Buffer.concat([this.#bytes.subarray(0, start), name]);
    const rest = this.#bytes.subarray(end);
    const declared = exchange.downstream.contentLength;
    const length = declared < 0 ? -1 : declared - (end - start) + name.length;
    const source = this.#source;
    const ended = this.#ended;
    async function* pieces(): AsyncGenerator<Buffer> {
      yield head;
      for (let next: Buffer | null = rest; next !== null; next = ended ? null : await nextOf(source)) {
        exchange.bytesReceived += next.length;
        const piece = watch.write(next);
        if (piece.length > 0) yield piece;
      }
      watch.end();
    }
    exchange.bytesReceived = end;
    return { body: Readable.from(pieces(), { objectMode: false }), length };
  }
}

/** Throws `bad_request` where the client breaks off. */
async function nextOf(source: AsyncIterator<Buffer>): Promise<Buffer | null> {
  try {
    const { value, done } = await source.next();
    return done === true ? null : value;
  } catch (error) {
    throw new GatewayError('bad_request', 'The request body broke off.', { cause: error });
  }
}

/**
 * Sends an upload on as it comes. False, and nothing was done, where it has to be held: to be converted or changed, to be seen by a policy or
 * signed, or to be sent once more to somebody else.
 *
 * Throws `model_not_allowed` and `unsupported_conversion`.
 */
function streamUpload(
  incoming: Incoming,
  endpoint: Endpoint,
  upload: Upload,
  choice: Choice,
  services: AdapterServices,
): boolean {
  const { exchange, context, facts } = incoming;
  const { target, model: own } = choice.candidate;
  const policy = choice.policyOf(target);
  const edits = [policy.overrides, policy.defaults, policy.transformations].some((list) => list.length > 0);
  if (choice.others !== null || edits || policy.finalTransformations !== null) return false;
  if (target.needsBody || target.dispatch !== undefined) return false;
  const asked = target.provider.model || own || upload.model;
  const model = policy.aliases === null ? asked : policy.aliases.resolve(asked);
  if (conversionFor(endpoint.name, target, model, facts, 0) !== null) return false;
  if (!isAllowed(exchange.apiKey?.allowedModels ?? null, upload.model)) throw new GatewayError('model_not_allowed');
  refuseUnlessTaken(target, endpoint);
  facts.clientModel = upload.model;
  facts.requestModel = model;
  facts.provider = target.provider.telemetryName;
  facts.requestBytes = Math.max(exchange.downstream.contentLength, 0);
  const to = { route: 'detect', converted: false, throughHub: false, model, streaming: false, endpoint } as const;
  const call = target.call(exchange, context, to, true);
  const { body, length } = upload.stream(model);
  call.body = body;
  if (length >= 0) new HeaderList(call.headers).set('content-length', String(length));
  const attempts = new Attempts(context, choice);
  attempts.plan(call);
  const onClientAbort = choice.onClientAbortOf(target);
  const format = mediaFormat(endpoint.operation);
  send(incoming, call, attempts, services, { format, hideUsage: false, onClientAbort, conversion: null });
  return true;
}
