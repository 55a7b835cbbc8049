import type { Citation, JsonObject } from '../../../../facts/conversation.ts';
import { type Fields, optional } from '../fields.ts';
import { extraOf, FORMAT, ownFields } from './own.ts';

/** Citations (https://docs.anthropic.com/en/docs/build-with-claude/citations): each is of the whole text block it stands on. */

type Unit = 'char' | 'page' | 'block';

interface Location {
  readonly type: string;
  readonly unit: Unit;
  /** The members for its beginning and its end. */
  readonly start: string;
  readonly end: string;
}

/** How a place in a document is said. */
const CHARS: Location = { type: 'char_location', unit: 'char', start: 'start_char_index', end: 'end_char_index' };
const PAGES: Location = { type: 'page_location', unit: 'page', start: 'start_page_number', end: 'end_page_number' };
const BLOCKS: Location = {
  type: 'content_block_location',
  unit: 'block',
  start: 'start_block_index',
  end: 'end_block_index',
};
const LOCATIONS = [CHARS, PAGES, BLOCKS];

const COMMON = ['type', 'cited_text', 'document_index', 'document_title', 'file_id'];
const KNOWN_LOCATION = new Set([...COMMON, ...LOCATIONS.flatMap(({ start, end }) => [start, end])]);
const KNOWN_SEARCH = new Set([
  'type',
  'cited_text',
  'source',
  'title',
  'search_result_index',
  'start_block_index',
  'end_block_index',
]);
const KNOWN_WEB = new Set(['type', 'cited_text', 'url', 'title']);

export function decodeCitation(fields: Fields): Citation {
  const type = fields.string('type') ?? '';
  const quote = optional('quote', fields.string('cited_text'));
  const location = LOCATIONS.find((known) => known.type === type);
  if (location !== undefined) {
    return {
      kind: 'document',
      ...quote,
      ...optional('title', fields.string('document_title')),
      document: placeOf(fields, 'document_index', location),
      ...optional('fileId', fields.string('file_id')),
      ...extraOf(fields.rest(KNOWN_LOCATION)),
    };
  }
  if (type === 'search_result_location') {
    return {
      kind: 'search',
      ...quote,
      ...optional('url', fields.string('source')),
      ...optional('title', fields.string('title')),
      document: placeOf(fields, 'search_result_index', BLOCKS),
      ...extraOf(fields.rest(KNOWN_SEARCH)),
    };
  }
  if (type === 'web_search_result_location') {
    return {
      kind: 'url',
      ...quote,
      ...optional('url', fields.string('url')),
      ...optional('title', fields.string('title')),
      ...extraOf(fields.rest(KNOWN_WEB)),
    };
  }
  return { kind: 'document', ...quote, extra: { format: FORMAT, fields: fields.value } };
}

function placeOf(fields: Fields, index: string, { unit, start, end }: Location): NonNullable<Citation['document']> {
  return {
    index: fields.number(index) ?? 0,
    unit,
    start: fields.number(start) ?? -1,
    end: fields.number(end) ?? -1,
  };
}

/**
 * A citation on the wire. Null where there is no word for it: of a web page a provider only takes back what it gave out itself
 * (`encrypted_index`); `toClient`: clients are told nevertheless.
 */
export function encodeCitation(citation: Citation, toClient: boolean): JsonObject | null {
  const own = ownFields(citation.extra);
  if (typeof own?.type === 'string') return { ...own };
  const { kind, url, title, quote, document, fileId } = citation;
  const cited_text = quote ?? '';
  if (kind === 'url') {
    if (!toClient && own?.encrypted_index === undefined) return null;
    return {
      type: 'web_search_result_location',
      cited_text,
      url: url ?? '',
      title: title ?? null,
      encrypted_index: '',
      ...own,
    };
  }
  if (kind === 'search' && document !== undefined) {
    return {
      type: 'search_result_location',
      cited_text,
      source: url ?? '',
      title: title ?? null,
      search_result_index: document.index,
      start_block_index: document.start,
      end_block_index: document.end,
      ...own,
    };
  }
  if (document === undefined && !toClient) return null;
  const { unit, index, start, end } = document ?? { unit: 'char', index: 0, start: 0, end: 0 };
  const location = LOCATIONS.find((known) => known.unit === unit) ?? CHARS;
  return {
    type: location.type,
    cited_text,
    document_index: index,
    document_title: title ?? null,
    [location.start]: start,
    [location.end]: end,
    ...optional('file_id', fileId),
    ...own,
  };
}
