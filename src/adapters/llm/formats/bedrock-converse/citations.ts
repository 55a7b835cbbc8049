import type { Citation, JsonObject } from '../../../../facts/conversation.ts';
import { compact, type Fields } from '../fields.ts';
import { ownExtra, restOf } from './extra.ts';

/** Citations (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Citation.html). */

type Place = NonNullable<Citation['document']>;

const UNITS = { documentChar: 'char', documentPage: 'page', documentChunk: 'block' } as const;
const KNOWN = new Set(['title', 'source', 'sourceContent', 'location']);

export function decodeCitation(block: Fields): Citation {
  const location = block.object('location');
  const source = block.string('source');
  const own: JsonObject = {};
  let place: Pick<Citation, 'kind' | 'url' | 'document'> = { kind: 'document' };
  const web = location?.object('web');
  const found = location?.object('searchResultLocation');
  if (web !== undefined) {
    place = { kind: 'url', url: web.string('url') ?? '' };
    if (web.has('domain')) own.domain = web.value.domain;
  } else if (found !== undefined)
    place = { kind: 'search', document: decodePlace(found, 'searchResultIndex', 'block') };
  else {
    for (const [name, unit] of Object.entries(UNITS)) {
      const at = location?.object(name);
      if (at !== undefined) place = { kind: 'document', document: decodePlace(at, 'documentIndex', unit) };
    }
  }
  // What a search result's source is called is its address.
  const isAddress = source !== undefined && place.kind === 'search';
  if (source !== undefined && !isAddress) own.source = source;
  const pieces = block.objects('sourceContent').map((piece) => piece.string('text') ?? '');
  return compact({
    ...place,
    ...(isAddress ? { url: source } : {}),
    title: block.string('title'),
    quote: pieces.length === 0 ? undefined : pieces.join(''),
    ...restOf(block, KNOWN, own),
  }) as Citation;
}

function decodePlace(at: Fields, index: string, unit: Place['unit']): Place {
  return {
    index: at.number(index) ?? -1,
    unit,
    start: at.number('start') ?? -1,
    end: at.number('end') ?? -1,
  };
}

export function encodeCitation(citation: Citation): JsonObject {
  const { source, domain, ...rest } = ownExtra(citation.extra);
  return compact({
    title: citation.title,
    source: citation.kind === 'search' ? citation.url : source,
    sourceContent: citation.quote === undefined ? undefined : [{ text: citation.quote }],
    location: encodeLocation(citation, domain),
    ...rest,
  });
}

function encodeLocation({ kind, url, document }: Citation, domain: unknown): JsonObject | undefined {
  if (kind === 'url') return { web: compact({ url: url === '' ? undefined : url, domain }) };
  if (document === undefined) return undefined;
  if (kind === 'search') return { searchResultLocation: encodePlace(document, 'searchResultIndex') };
  const name = document.unit === 'char' ? 'documentChar' : document.unit === 'page' ? 'documentPage' : 'documentChunk';
  return { [name]: encodePlace(document, 'documentIndex') };
}

function encodePlace({ index, start, end }: Place, name: string): JsonObject {
  return compact({ [name]: known(index), start: known(start), end: known(end) });
}

/** -1 stands for what wasn't given. */
function known(offset: number): number | undefined {
  return offset < 0 ? undefined : offset;
}
