import type { Citation, JsonObject, Part, TextPart } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { extraOf, given, ownExtra } from './own.ts';

/** Citations as `annotations` of a message. Offsets there count in all of the message's text, in the hub in their own part's. */

const KNOWN = new Set(['url', 'title', 'content', 'start_index', 'end_index']);

/** A `url_citation`; null for another annotation. */
export function readCitation(annotation: Fields): Citation | null {
  const citation = annotation.value.type === 'url_citation' ? annotation.object('url_citation') : undefined;
  if (citation === undefined) return null;
  return {
    kind: 'url',
    url: citation.string('url') ?? '',
    ...given('title', citation.string('title')),
    ...given('quote', citation.string('content')),
    ...given('start', citation.number('start_index')),
    ...given('end', citation.number('end_index')),
    ...extraOf(citation.rest(KNOWN)),
  };
}

/**
 * Gives `parts` the URL citations of their message, each to the text it is about. Returns the annotations that are something else, or
 * have no text to belong to.
 */
export function readAnnotations(message: Fields, parts: Part[]): JsonObject[] {
  const others: JsonObject[] = [];
  const of = new Map<number, Citation[]>();
  for (const annotation of message.objects('annotations')) {
    const citation = readCitation(annotation);
    const text = citation === null ? null : textAt(parts, citation.start ?? 0);
    if (citation === null || text === null) {
      others.push(annotation.value);
      continue;
    }
    const list = of.get(text.at) ?? [];
    list.push(moved(citation, -text.base));
    of.set(text.at, list);
  }
  for (const [at, citations] of of) parts[at] = { ...(parts[at] as TextPart), citations };
  return others;
}

/** The text in which `offset` falls, or the last; `base`: where it begins. */
function textAt(parts: readonly Part[], offset: number): { at: number; base: number } | null {
  let found: { at: number; base: number } | null = null;
  let base = 0;
  for (const [at, part] of parts.entries()) {
    if (part.kind !== 'text') continue;
    found = { at, base };
    base += part.text.length;
    if (offset < base) break;
  }
  return found;
}

/** Annotations for the URL citations of all texts, and `others`. A citation without a range is about its whole text. */
export function writeAnnotations(parts: readonly Part[], others: unknown): JsonObject {
  const found: unknown[] = [];
  let base = 0;
  for (const part of parts) {
    if (part.kind !== 'text') continue;
    for (const citation of part.citations ?? []) {
      const { start, end } = rangeOf(citation, part.text.length);
      if (citation.url !== undefined) found.push(writeCitation({ ...citation, start: base + start, end: base + end }));
    }
    base += part.text.length;
  }
  if (Array.isArray(others)) found.push(...others);
  return found.length === 0 ? {} : { annotations: found };
}

/** The range of the text that the citation supports; all `length` characters where it doesn't say. */
export function rangeOf({ start = -1, end = -1 }: Citation, length: number): { start: number; end: number } {
  return { start: start < 0 ? 0 : start, end: end < 0 ? length : end };
}

export function writeCitation(citation: Citation): JsonObject {
  return {
    type: 'url_citation',
    url_citation: {
      url: citation.url,
      title: citation.title ?? '',
      ...given('content', citation.quote),
      start_index: citation.start,
      end_index: citation.end,
      ...ownExtra(citation),
    },
  };
}

/** With its offsets counted from elsewhere. */
export function moved(citation: Citation, by: number): Citation {
  return {
    ...citation,
    ...given('start', citation.start === undefined ? undefined : citation.start + by),
    ...given('end', citation.end === undefined ? undefined : citation.end + by),
  };
}
