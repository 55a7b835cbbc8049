import type { WireFormat } from '../../../facts/conversation.ts';
import type { RouteType } from '../../../facts/llm.ts';
import { CODECS } from '../formats/codecs.ts';
import { EMBEDDINGS } from '../formats/embeddings.ts';
import { RERANKING } from '../formats/reranking.ts';
import type { FormatName } from '../formats/route-types.ts';
import { isClientFormat } from './client-codecs.ts';

/**
 * The format a provider is spoken to in where it doesn't take the client's own: the first of these it takes. Those that say more come
 * first; chat completions before responses, as agentgateway has it.
 */
const PREFERENCE: readonly WireFormat[] = ['messages', 'generateContent', 'converse', 'completions', 'responses'];

/**
 * The format in which a request of type `route` goes to a provider that takes `formats`: its own where that is one of them, else one it
 * can be converted to; null where there is none.
 */
export function spokenFormat(route: RouteType, formats: { has(format: FormatName): boolean }): FormatName | null {
  if (!isClientFormat(route)) return spokenUnary(route, formats);
  return PREFERENCE.find((format) => CODECS.has(format) && formats.has(format)) ?? null;
}

export function isWireFormat(route: RouteType | FormatName): route is WireFormat {
  return (PREFERENCE as readonly string[]).includes(route);
}

/** Formats that are converted without a conversation. */
const UNARY = [EMBEDDINGS.codecs, RERANKING.codecs] as const;

const UNARY_FORMATS: ReadonlySet<RouteType | FormatName> = new Set(
  UNARY.flatMap((codecs) => codecs.map(({ format }) => format)),
);

export function isUnary(route: RouteType | FormatName): boolean {
  return UNARY_FORMATS.has(route);
}

function spokenUnary(route: RouteType, formats: { has(format: FormatName): boolean }): FormatName | null {
  for (const codecs of UNARY) {
    if (!codecs.some(({ format, client }) => format === route && client !== null)) continue;
    return codecs.find(({ format }) => formats.has(format))?.format ?? null;
  }
  return null;
}
