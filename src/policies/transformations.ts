import { z } from 'zod';
import { activationOf, type Expressions } from '../cel/index.ts';
import type { BodySink, Exchange, ResponseHead } from '../exchange.ts';
import { HeaderList } from '../headers.ts';
import type { PolicyFault } from '../resources/catalogue.ts';
import { isConditional } from '../resources/conditional.ts';
import { celExpression, celMap } from '../resources/schema/common.ts';
import { entries, list, map, message, only, text } from '../resources/wire.ts';
import type { UpstreamCall } from '../upstream/call.ts';
import { compileConditional, explicitOrConditional } from './conditional.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';
import { activationOfCall, readsRequestBody, readsResponseBody } from './expressions.ts';
import { CONNECTION_FIELDS, FIELD_NAME } from './header-fields.ts';
import { Transform, type TransformTarget } from './transformation.ts';
import { isAuthority, isPath } from './url-parts.ts';

const transform = z.strictObject({
  add: celMap().default({}).describe('Headers to append, each a CEL expression.'),
  set: celMap().default({}).describe('Headers to set, each a CEL expression.'),
  remove: z.array(z.string()).default([]).describe('Names of headers to remove.'),
  replace: celExpression().nullish().describe('CEL expression that gives all headers anew, as a map.'),
  body: celExpression().nullish().describe('CEL expression that gives the body.'),
  metadata: celMap().default({}).describe('Facts that later expressions can read, each a CEL expression.'),
});

/** Transformations without the conditional form. */
export const transformationSchema = z.strictObject({
  request: transform.nullish().describe('Changes to the request.'),
  response: transform.nullish().describe('Changes to the response.'),
});

type Transformation = z.output<typeof transformationSchema>;

const transformMessage = message({
  add: entries('name', 'expression'),
  set: entries('name', 'expression'),
  remove: list(text),
  body: only('expression', text),
  metadata: map(text),
});

const transformationMessage = message({ request: transformMessage, response: transformMessage });

/**
 * Headers and bodies computed by CEL. On a gateway and a route they change the request before it is routed, or before its backend is
 * called; on a backend, each attempt that leaves for it.
 */
export const transformations = definePolicy({
  name: 'transformations',
  schema: explicitOrConditional(transformationSchema),
  schemas: { backend: transformationSchema },
  summary: 'Changes headers and bodies by CEL expressions.',
  levels: ['gateway', 'route', 'backend'],
  phase: 'request',
  protects: false,
  wire: [
    { spec: 'traffic', field: 'transformation', message: transformationMessage },
    { spec: 'backend', field: 'transformation', message: transformationMessage },
  ],
  faults(value) {
    if (!isConditional<Transformation>(value)) return faultsOf(value, []);
    return value.conditional.flatMap((entry, index) => faultsOf(entry, ['conditional', index]));
  },
  compile(value, { level }, { cel }) {
    if (!isConditional<Transformation>(value)) return compileTransformation(value, level === 'backend', cel);
    return compileConditional(value, 'transformations', cel, (entry) => compileTransformation(entry, false, cel));
  },
});

const REQUEST_PSEUDO: ReadonlySet<string> = new Set([':method', ':authority', ':path']);

function faultsOf(value: Transformation, at: (string | number)[]): PolicyFault[] {
  const faults: PolicyFault[] = [];
  for (const side of ['request', 'response'] as const) {
    const { add = {}, set = {}, remove = [] } = value[side] ?? {};
    const check = (name: string, path: (string | number)[], pseudo: boolean): void => {
      const lower = name.toLowerCase();
      const known = pseudo && (side === 'request' ? REQUEST_PSEUDO.has(lower) : lower === ':status');
      if (known) return;
      if (lower.startsWith(':')) {
        const which = pseudo ? `a ${side} has ${side === 'request' ? [...REQUEST_PSEUDO].join(', ') : ':status'}` : '';
        faults.push({ path, message: pseudo ? `"${name}" can't be set: ${which}` : `"${name}" can't be removed` });
      } else if (!FIELD_NAME.test(name)) faults.push({ path, message: `"${name}" is not a header name` });
      else if (CONNECTION_FIELDS.has(lower))
        faults.push({ path, message: `"${name}" frames the message; the gateway writes it itself` });
    };
    for (const name of Object.keys(add)) check(name, [...at, side, 'add', name], true);
    for (const name of Object.keys(set)) check(name, [...at, side, 'set', name], true);
    for (const [index, name] of remove.entries()) check(name, [...at, side, 'remove', index], false);
  }
  return faults;
}

function compileTransformation(
  { request, response }: Transformation,
  calls: boolean,
  cel: Expressions,
): CompiledPolicy {
  const before = request ? new Transform(withHost(request), cel, 'transformations.request') : null;
  const after = response ? new Transform(response, cel, 'transformations.response') : null;
  const sides = [before, after].filter((side) => side !== null);
  const compiled: CompiledPolicy = { readsBody: readsRequestBody(...sides) };
  if (before !== null && calls) {
    compiled.onUpstream = (call, exchange) =>
      before.apply(exchange, activationOfCall(call, exchange), new CallTarget(call));
  } else if (before !== null) {
    compiled.onRequest = (exchange) => {
      before.apply(exchange, activationOf(exchange), new RequestTarget(exchange));
      return undefined;
    };
  }
  if (after !== null) {
    compiled.onResponse = (head, exchange) => {
      after.apply(exchange, activationOf(exchange, { response: head }), new ResponseTarget(head, exchange));
    };
    if (readsResponseBody(after)) compiled.responseBody = 'read';
    else if (after.replacesBody) compiled.responseBody = 'replaced';
  }
  return compiled;
}

/** The host is no field here but the authority. */
function withHost<Spec extends { add: Record<string, string>; set: Record<string, string> }>(spec: Spec): Spec {
  const renamed = (fields: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(fields).map(([name, text]) => [/^host$/i.test(name) ? ':authority' : name, text]),
    );
  return { ...spec, add: renamed(spec.add), set: renamed(spec.set) };
}

/** RFC 9110 §9.1: a token. Methods are told apart by case. */
function isMethod(text: string): boolean {
  return FIELD_NAME.test(text);
}

class RequestTarget implements TransformTarget {
  readonly headers: HeaderList;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.headers = exchange.headers;
  }

  setPseudo(name: string, value: string): void {
    const exchange = this.#exchange;
    if (name === ':method' && isMethod(value)) exchange.method = value;
    else if (name === ':authority' && isAuthority(value)) exchange.authority = value.toLowerCase();
    else if (name === ':path' && isPath(value)) {
      const mark = value.indexOf('?');
      exchange.path = mark === -1 ? value : value.slice(0, mark);
      exchange.query = mark === -1 ? '' : value.slice(mark + 1);
    }
  }

  setBody(body: Buffer): void {
    const exchange = this.#exchange;
    // The client's own still has to be read, or its connection could not go on.
    if (exchange.heldBody === null && exchange.downstream.hasBody) exchange.downstream.readBody(DISCARD);
    exchange.heldBody = body;
  }
}

const DISCARD: BodySink = { onChunk() {}, onEnd() {}, onError() {} };

class CallTarget implements TransformTarget {
  readonly headers: HeaderList;
  readonly #call: UpstreamCall;

  constructor(call: UpstreamCall) {
    this.#call = call;
    this.headers = new HeaderList(call.headers);
  }

  setPseudo(name: string, value: string): void {
    const call = this.#call;
    if (name === ':method' && isMethod(value)) call.method = value;
    else if (name === ':authority' && isAuthority(value)) call.authority = value.toLowerCase();
    else if (name === ':path' && isPath(value)) call.path = value;
  }

  setBody(body: Buffer): void {
    const before = this.#call.body;
    if (before !== null && !Buffer.isBuffer(before)) before.resume();
    this.#call.body = body;
  }
}

class ResponseTarget implements TransformTarget {
  readonly headers: HeaderList;
  readonly #head: ResponseHead;
  readonly #exchange: Exchange;

  constructor(head: ResponseHead, exchange: Exchange) {
    this.#head = head;
    this.#exchange = exchange;
    this.headers = head.headers;
  }

  setPseudo(_: string, value: string): void {
    // What the client takes for the end of an exchange: no interim status.
    if (/^[2-5][0-9]{2}$/.test(value)) this.#head.status = Number(value);
  }

  setBody(body: Buffer): void {
    const held = this.#exchange.heldResponse;
    if (held !== null) held.body = body;
  }
}
