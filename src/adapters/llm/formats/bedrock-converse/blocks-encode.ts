import type {
  FilePart,
  ImagePart,
  JsonObject,
  Part,
  TextPart,
  ThinkingPart,
  ToolResultPart,
} from '../../../../facts/conversation.ts';
import { inputOf, wireName } from '../claude/names.ts';
import type { EncodeContext } from '../codec.ts';
import { compact, isObject } from '../fields.ts';
import { safeId } from '../names.ts';
import { signatureFor, thinkingAsText } from '../signatures.ts';
import { encodeCitation } from './citations.ts';
import { FORMAT, ownExtra, refusal } from './extra.ts';
import { encodeMedia } from './media.ts';
import type { ModelTraits } from './models.ts';
import { DocumentNames, shortId } from './names.ts';

/** Parts on their way to Bedrock. One object a request: it knows the names that its documents have. */
export class BlockEncoder {
  readonly #context: EncodeContext;
  readonly #traits: ModelTraits;
  readonly #names = new DocumentNames();

  constructor(context: EncodeContext, traits: ModelTraits) {
    this.#context = context;
    this.#traits = traits;
  }

  /** The blocks of a message's content. Blank text is left out: Bedrock refuses a request that has any. */
  encode(parts: readonly Part[]): JsonObject[] {
    const blocks: JsonObject[] = [];
    for (const part of parts) {
      const block = this.#block(part);
      if (block === null) continue;
      blocks.push(block, ...this.cachePoint(part.cache?.ttl));
    }
    return blocks;
  }

  /** A breakpoint, where there is to be one and the model has a prompt cache. `ttl` '' = the provider's default. */
  cachePoint(ttl: string | undefined): JsonObject[] {
    if (ttl === undefined) return [];
    if (!this.#traits.caches) {
      this.#context.losses.drop('cacheMarks');
      return [];
    }
    // Nova keeps what it caches for five minutes, and takes no word for it.
    const said = ttl === '' || this.#traits.claude === null ? undefined : ttl;
    return [{ cachePoint: compact({ type: 'default', ttl: said }) }];
  }

  #toolId(id: string): string {
    return this.#traits.shortIds ? shortId(id) : safeId(id, 'tooluse_');
  }

  #block(part: Part): JsonObject | null {
    const { losses } = this.#context;
    switch (part.kind) {
      case 'text':
        return this.#text(part);
      case 'refusal':
        return isBlank(part.text) ? null : { text: part.text };
      case 'image':
      case 'file':
        return this.#media(part);
      case 'video':
        return encodeMedia(part, this.#names, losses);
      case 'audio':
        // What the model itself said before is known by its words.
        if (part.transcript === undefined) return encodeMedia(part, this.#names, losses);
        return isBlank(part.transcript) ? null : { text: part.transcript };
      case 'tool_call':
        return {
          toolUse: {
            toolUseId: this.#toolId(part.id),
            name: wireName(part.name, part.custom),
            input: inputOf(part),
            ...ownExtra(part.extra),
          },
        };
      case 'tool_result':
        return this.#toolResult(part);
      case 'thinking':
        return this.#thinking(part);
      case 'other':
        if (part.format === FORMAT) return part.value;
        losses.drop('providerTools', part.name);
        return null;
    }
  }

  #text(part: TextPart): JsonObject | null {
    const { text, citations } = part;
    if (isBlank(text)) return null;
    const { guardContent, json: _, ...own } = ownExtra(part.extra);
    if (isObject(guardContent)) return { guardContent: { text: { text, ...guardContent } } };
    if (citations === undefined) return { text };
    // Claude checks citations against what the request holds, and pages of the web are nowhere in it.
    const { claude, details } = this.#traits;
    const kept = details ? citations.filter(({ kind }) => kind !== 'url' || claude === null) : [];
    if (kept.length < citations.length) this.#context.losses.drop('citationHistory');
    if (kept.length === 0 && citations.length > 0) return { text };
    return { citationsContent: { content: [{ text }], citations: kept.map(encodeCitation), ...own } };
  }

  #media(part: ImagePart | FilePart): JsonObject | null {
    const { guardContent, searchResult } = ownExtra(part.extra);
    if (part.kind === 'file' && searchResult !== undefined) {
      const { name = '', context = '', citations } = part;
      const enabled = citations === undefined ? undefined : { enabled: citations };
      return {
        searchResult: compact({ source: context, title: name, content: searchResult, citations: enabled }),
      };
    }
    const block = encodeMedia(part, this.#names, this.#context.losses);
    return block !== null && guardContent !== undefined ? { guardContent: block } : block;
  }

  /** Claude takes no thinking but its own, and that only as it was; other models don't look at signatures. */
  #thinking({ text, signature, redacted }: ThinkingPart): JsonObject | null {
    const { issuer, losses } = this.#context;
    const hidden = signatureFor(redacted, issuer);
    if (hidden !== undefined && text === '') return { reasoningContent: { redactedContent: hidden } };
    const signed = signatureFor(signature, issuer);
    const history = this.#traits.thinkingHistory;
    if (history !== 'none' && (signed !== undefined || (history === 'any' && !isBlank(text)))) {
      return { reasoningContent: { reasoningText: compact({ text, signature: signed }) } };
    }
    if (!isBlank(text)) return { text: thinkingAsText(text) };
    losses.drop('thinkingHistory');
    return null;
  }

  #toolResult(part: ToolResultPart): JsonObject {
    const { details } = this.#traits;
    if (part.isError && !details) this.#context.losses.drop('toolResultError');
    return {
      toolResult: compact({
        toolUseId: this.#toolId(part.callId),
        content: part.content.flatMap((piece) => this.#resultBlock(piece) ?? []),
        status: part.isError && details ? 'error' : undefined,
        ...ownExtra(part.extra),
      }),
    };
  }

  #resultBlock(part: Part): JsonObject | null {
    if (part.cache !== undefined) this.#context.losses.drop('cacheMarks');
    if (part.kind === 'text' || part.kind === 'refusal') {
      // Here, other than in a message, text may be blank.
      const json = ownExtra(part.extra).json === true ? parsed(part.text) : undefined;
      return json === undefined ? { text: part.text } : { json };
    }
    if (!RESULT_PARTS.has(part.kind)) throw refusal(`A tool's result with a part of kind "${part.kind}"`);
    return this.#block(part);
  }
}

const RESULT_PARTS: ReadonlySet<Part['kind']> = new Set(['image', 'file', 'video', 'other']);

function isBlank(text: string): boolean {
  return text.trim() === '';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
