import type { Citation, JsonObject } from '../../../../facts/conversation.ts';
import { compact, type Fields } from '../fields.ts';

/**
 * Where an answer's statements come from: `groundingMetadata` (searches) and `citationMetadata` (what was recited), see
 * https://ai.google.dev/api/generate-content#GroundingMetadata. Google counts bytes of UTF-8, the hub characters.
 */

/** Characters of one text that are remembered to count in; places behind them are not given. */
const MAX_REMEMBERED = 256 * 1024;

/** A text as it grows, in which bytes are told from characters. */
export class TextPlaces {
  #text = '';
  #bytes: Buffer | null = null;
  #whole = true;

  append(text: string): void {
    if (!this.#whole) return;
    this.#bytes = null;
    this.#whole = this.#text.length + text.length <= MAX_REMEMBERED;
    this.#text = this.#whole ? this.#text + text : '';
  }

  /** undefined where it isn't known. */
  charOfByte(byte: number): number | undefined {
    if (!this.#whole || byte < 0) return undefined;
    this.#bytes ??= Buffer.from(this.#text);
    return this.#bytes.subarray(0, byte).toString().length;
  }

  byteOfChar(char: number): number | undefined {
    if (!this.#whole || char < 0) return undefined;
    return Buffer.byteLength(this.#text.slice(0, char));
  }
}

/** A citation and the part of the content it belongs to; -1 = not said. */
export interface PlacedCitation {
  readonly part: number;
  readonly citation: Citation;
}

/** The citations of a candidate; `places`: the text of a part. */
export function decodeCitations(candidate: Fields, places: (part: number) => TextPlaces | undefined): PlacedCitation[] {
  const found: PlacedCitation[] = [];
  const grounding = candidate.object('groundingMetadata');
  const chunks = grounding?.array('groundingChunks') ?? [];
  for (const support of grounding?.objects('groundingSupports') ?? []) {
    const segment = support.object('segment');
    const part = segment?.number('partIndex') ?? 0;
    const range = rangeOf(segment?.number('startIndex') ?? 0, segment?.number('endIndex'), places(part));
    for (const index of support.array('groundingChunkIndices')) {
      const source = typeof index === 'number' ? sourceOf(chunks[index]) : null;
      if (source !== null) found.push({ part, citation: { ...source, ...range } });
    }
  }
  for (const cited of citationList(candidate)) {
    const { uri, title, startIndex, endIndex, ...rest } = cited.value;
    const range = rangeOf(cited.number('startIndex') ?? 0, cited.number('endIndex'), places(-1));
    const url = cited.string('uri');
    const name = cited.string('title');
    const source = { ...(url !== undefined && { url }), ...(name !== undefined && { title: name }) };
    const extra = { format: 'generateContent' as const, fields: { citationMetadata: rest } };
    found.push({ part: -1, citation: { kind: 'url', ...source, ...range, extra } });
  }
  return found;
}

/** The Gemini API and Vertex have different names for the list. */
function citationList(candidate: Fields): Fields[] {
  const metadata = candidate.object('citationMetadata');
  const cited = metadata?.objects('citations') ?? [];
  return cited.length > 0 ? cited : (metadata?.objects('citationSources') ?? []);
}

function rangeOf(
  start: number,
  end: number | undefined,
  places: TextPlaces | undefined,
): Pick<Citation, 'start' | 'end'> {
  if (end === undefined || places === undefined) return {};
  const from = places.charOfByte(start);
  const to = places.charOfByte(end);
  return from === undefined || to === undefined ? {} : { start: from, end: to };
}

/** A source that grounded something: a page, a document that was retrieved, or a place on the map. */
function sourceOf(chunk: unknown): Citation | null {
  if (typeof chunk !== 'object' || chunk === null) return null;
  const { web, retrievedContext, maps } = chunk as Record<string, Record<string, unknown> | undefined>;
  const source = web ?? retrievedContext ?? maps;
  if (typeof source !== 'object' || source === null) return null;
  const { uri, title, text } = source;
  return {
    kind: 'url',
    ...(typeof uri === 'string' && { url: uri }),
    ...(typeof title === 'string' && { title }),
    ...(typeof text === 'string' && { quote: text }),
  };
}

interface Support {
  readonly segment: JsonObject;
  readonly groundingChunkIndices: number[];
}

/** What citations become, as members of a candidate: each page once, each range once. */
export class CitationWriter {
  readonly #chunks: JsonObject[] = [];
  readonly #chunkOf = new Map<string, number>();
  readonly #supports = new Map<string, Support>();
  readonly #recited: JsonObject[] = [];

  /** `part`: where the text stands in the content. Returns how many bytes are held for it, roughly. */
  add(citation: Citation, part: number, places: TextPlaces): number {
    const startIndex = places.byteOfChar(citation.start ?? -1);
    const endIndex = places.byteOfChar(citation.end ?? -1);
    const range =
      endIndex === undefined ? {} : compact({ startIndex: startIndex === 0 ? undefined : startIndex, endIndex });
    const own = citation.extra?.format === 'generateContent' ? citation.extra.fields.citationMetadata : undefined;
    if (own !== undefined) {
      const cited = compact({ uri: citation.url, title: citation.title, ...range, ...(own as JsonObject) });
      this.#recited.push(cited);
    } else {
      const segment = part === 0 ? range : { partIndex: part, ...range };
      const key = JSON.stringify(segment);
      const support: Support = this.#supports.get(key) ?? { segment, groundingChunkIndices: [] };
      support.groundingChunkIndices.push(this.#chunk(citation));
      this.#supports.set(key, support);
    }
    return 128 + (citation.url?.length ?? 0) + (citation.title?.length ?? 0) + (citation.quote?.length ?? 0);
  }

  #chunk({ url, title, quote }: Citation): number {
    const chunk =
      quote === undefined
        ? { web: compact({ uri: url, title }) }
        : { retrievedContext: compact({ uri: url, title, text: quote }) };
    const key = JSON.stringify(chunk);
    const known = this.#chunkOf.get(key);
    if (known !== undefined) return known;
    this.#chunkOf.set(key, this.#chunks.length);
    return this.#chunks.push(chunk) - 1;
  }

  /** Members for the candidate; none where nothing was cited. */
  members(): JsonObject {
    return {
      ...(this.#supports.size > 0 && {
        groundingMetadata: { groundingChunks: this.#chunks, groundingSupports: [...this.#supports.values()] },
      }),
      ...(this.#recited.length > 0 && { citationMetadata: { citations: this.#recited } }),
    };
  }
}
