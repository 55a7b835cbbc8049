import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { UpstreamCall } from '../../../upstream/call.ts';
import { EMBEDDINGS } from '../formats/embeddings.ts';
import { parseObject } from '../formats/fields.ts';
import { RERANKING } from '../formats/reranking.ts';
import { isFormatName } from '../formats/route-types.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';
import { modelInPath } from '../paths.ts';
import type { Incoming } from '../serve.ts';
import type { Destination, ProviderTarget } from '../target.ts';
import type { FurtherCalls } from './fan-out.ts';
import { convertUnary, type UnaryConversion, type UnaryConversionSettings } from './unary-conversion.ts';

/** A request that is said in another format, and where the calls that it becomes go. */
export interface UnaryPlan {
  readonly conversion: UnaryConversion;
  /** The calls behind the first; null where there are none. */
  readonly further: FurtherCalls | null;
}

/**
 * Gives `call`, which is directed already, what becomes of the client's `bytes` in the format of its target. `finish`: what policies
 * change of the bodies of further calls, as the caller does of the first.
 *
 * Throws as `convertUnary` does.
 */
export function putUnary(
  call: UpstreamCall,
  incoming: Incoming,
  bytes: Buffer,
  target: ProviderTarget,
  to: Destination,
  strict: boolean,
  finish: (body: Buffer) => Buffer,
): UnaryPlan {
  const { exchange, context, facts, route } = incoming;
  const body = parseObject(bytes.toString('utf8'));
  if (body === null) throw new GatewayError('invalid_request_body');
  if (!isFormatName(route) || !isFormatName(to.route)) throw new GatewayError('unsupported_conversion');
  const settings: UnaryConversionSettings = {
    clientFormat: route,
    providerFormat: to.route,
    clientModel: facts.clientModel === '' ? to.model : facts.clientModel,
    model: to.model,
    path: { model: modelInPath(exchange.path), stream: false },
    strict,
    maxHeldBytes: context.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES,
    requestBytes: facts.requestBytes,
  };
  const conversion = EMBEDDINGS.codecs.some(({ format }) => format === route)
    ? convertUnary(EMBEDDINGS, body, settings)
    : convertUnary(RERANKING, body, settings);
  const bodies = conversion.requests.map((request) => encoded(request, target, to));
  call.body = bodies[0] ?? null;
  if (bodies.length <= 1) return { conversion, further: null };
  const further: FurtherCalls = {
    count: bodies.length - 1,
    maxHeldBytes: conversion.maxHeldBytes,
    call: (index) => {
      const next = target.call(exchange, context, to, true);
      const body = bodies[index];
      next.body = body === undefined ? null : finish(body);
      // The first call answers for the attempt; a credential that was chosen for it holds for all.
      next.auxiliary = true;
      if (call.credential !== undefined) next.credential = call.credential;
      return next;
    },
    read: (index, headers, answer) => conversion.read(index, headers, answer),
  };
  return { conversion, further };
}

function encoded(request: JsonObject, { provider }: ProviderTarget, { route, model }: Destination): Buffer {
  const shaped = isFormatName(route) ? (provider.shapeBody?.(request, route, model) ?? request) : request;
  return Buffer.from(JSON.stringify(shaped));
}
