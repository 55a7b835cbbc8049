import type {
  Conversation,
  FilePart,
  ImagePart,
  JsonObject,
  MediaSource,
  Part,
  ThinkingPart,
} from '../../../../facts/conversation.ts';
import { inputOf, wireId, wireName } from '../claude/names.ts';
import { clientSignature, isBare, onlyRedacted, signatureBlock } from '../claude/thinking.ts';
import type { Feature, Losses } from '../features.ts';
import { clientName } from '../names.ts';
import { markSignature, signatureFor, thinkingAsText } from '../signatures.ts';
import { encodeCitation } from './citations.ts';
import { cacheControl, FORMAT, ownFields } from './own.ts';

/** `issuer`: whose signatures and files it takes. */
export interface ProviderSide {
  readonly to: 'provider';
  readonly issuer: string;
  readonly native?: boolean;
  readonly losses: Losses;
}

/** `request`: has the tools by the client's own names. */
export interface ClientSide {
  readonly to: 'client';
  readonly request: Conversation;
}

/** For whom blocks are written. */
export type Side = ClientSide | ProviderSide;

/** The blocks that a part becomes; none where it has nothing to say, or the format no word for it. */
export function encodePart(part: Part, side: Side): JsonObject[] {
  const block = encodeBlock(part, side);
  if (block === null) return [];
  const signature = side.to === 'client' ? signatureBlock(part) : null;
  return signature === null ? [block] : [block, signature];
}

function encodeBlock(part: Part, side: Side): JsonObject | null {
  switch (part.kind) {
    case 'text': {
      // The API refuses blocks that say nothing.
      if (isBlank(part.text, side)) return null;
      const citations = encodeCitations(part.citations ?? [], side);
      return finished({ type: 'text', text: part.text, ...(citations.length > 0 ? { citations } : {}) }, part);
    }
    case 'refusal':
      return isBlank(part.text, side) ? null : finished({ type: 'text', text: part.text }, part);
    case 'image':
    case 'file':
      return side.to === 'client' ? null : encodeMedia(part, side);
    case 'audio':
      if (part.transcript !== undefined && !isBlank(part.transcript, side)) {
        return finished({ type: 'text', text: part.transcript }, part);
      }
      return lost(side, 'audio');
    case 'video':
      return lost(side, 'video');
    case 'tool_call': {
      const { id, name, custom } = part;
      const named = side.to === 'client' ? clientName(name, side.request) : wireName(name, custom);
      return finished({ type: 'tool_use', id: wireId(id), name: named, input: inputOf(part) }, part);
    }
    case 'tool_result': {
      const content = encodeContent(part.content, side);
      return finished(
        {
          type: 'tool_result',
          tool_use_id: wireId(part.callId),
          ...(content.length > 0 ? { content } : {}),
          ...(part.isError ? { is_error: true } : {}),
        },
        part,
      );
    }
    case 'thinking':
      return encodeThinking(part, side);
    case 'other':
      if (part.format !== FORMAT) return lost(side, 'providerTools', part.name);
      return { ...part.value, ...cacheControl(part.cache) };
  }
}

/** Parts as `content` has them: plain text where that is all there is. */
export function encodeContent(parts: readonly Part[], side: Side): string | JsonObject[] {
  return asContent(parts.flatMap((part) => encodePart(part, side)));
}

/** Blocks as `content` has them. */
export function asContent(blocks: JsonObject[]): string | JsonObject[] {
  const [first] = blocks;
  const plain = blocks.length === 1 && first?.type === 'text' && Object.keys(first).length === 2;
  return plain && typeof first?.text === 'string' ? first.text : blocks;
}

function encodeCitations(citations: NonNullable<(Part & { kind: 'text' })['citations']>, side: Side): JsonObject[] {
  const encoded: JsonObject[] = [];
  for (const citation of citations) {
    const found = encodeCitation(citation, side.to === 'client');
    if (found === null) lost(side, 'citationHistory');
    else encoded.push(found);
  }
  return encoded;
}

function encodeThinking(part: ThinkingPart, side: Side): JsonObject | null {
  if (side.to === 'client') {
    const redacted = onlyRedacted(part);
    if (redacted !== undefined) return finished(redactedBlock(markSignature(redacted)), part);
    if (isBare(part)) return null;
    return finished({ type: 'thinking', thinking: part.text, signature: clientSignature(part) }, part);
  }
  const redacted = signatureFor(part.redacted, side.issuer);
  if (redacted !== undefined && part.text === '') return finished(redactedBlock(redacted), part);
  const signature = signatureFor(part.signature, side.issuer);
  if (signature !== undefined) return finished({ type: 'thinking', thinking: part.text, signature }, part);
  if (part.text.trim() === '') return lost(side, 'thinkingHistory');
  // Anthropic takes no thinking but its own; who else speaks the format doesn't look at the signature.
  if (side.issuer === 'anthropic') return { type: 'text', text: thinkingAsText(part.text) };
  return { type: 'thinking', thinking: part.text, signature: '' };
}

function encodeMedia(part: ImagePart | FilePart, side: ProviderSide): JsonObject | null {
  const own = ownFields(part.extra);
  if (part.kind === 'file' && own?.type === 'search_result') {
    const { name, context, citations } = part;
    return finished(
      { type: 'search_result', source: context ?? '', title: name ?? '', ...citationsOf(citations) },
      part,
    );
  }
  if (part.kind === 'image' && part.detail !== undefined) lost(side, 'imageDetail');
  const asImage = part.kind === 'image' || isImage(part.source);
  const source = encodeSource(part.source, asImage, side);
  if (source === null) return null;
  if (asImage) return finished({ type: 'image', source }, part);
  const { name, context, citations } = part as FilePart;
  return finished(
    {
      type: 'document',
      source,
      ...(name === undefined ? {} : { title: name }),
      ...(context === undefined ? {} : { context }),
      ...citationsOf(citations),
    },
    part,
  );
}

function citationsOf(enabled: boolean | undefined): JsonObject {
  return enabled === undefined ? {} : { citations: { enabled } };
}

function encodeSource(source: MediaSource, asImage: boolean, side: ProviderSide): JsonObject | null {
  switch (source.type) {
    case 'base64': {
      const { mediaType, data } = source;
      if (!asImage && isText(mediaType)) {
        return { type: 'text', media_type: 'text/plain', data: Buffer.from(data, 'base64').toString('utf8') };
      }
      return { type: 'base64', media_type: mediaType === '' && !asImage ? 'application/pdf' : mediaType, data };
    }
    case 'url':
      return { type: 'url', url: source.url };
    case 'text':
      return { type: 'text', media_type: 'text/plain', data: source.text };
    case 'file':
      if (side.native === true || source.issuer === side.issuer) return { type: 'file', file_id: source.id };
      return lost(side, asImage ? 'imageFile' : 'fileId');
  }
}

function isImage(source: MediaSource): boolean {
  return source.type !== 'text' && source.mediaType.startsWith('image/');
}

/** Documents that are text are said as text: as base64 the API takes PDF only. */
function isText(mediaType: string): boolean {
  return mediaType.startsWith('text/') || mediaType.startsWith('application/json');
}

function isBlank(text: string, side: Side): boolean {
  return side.to === 'client' ? text === '' : text.trim() === '';
}

function redactedBlock(data: string): JsonObject {
  return { type: 'redacted_thinking', data };
}

/** `block` with the cache mark and the own fields of its part. */
function finished(block: JsonObject, part: Exclude<Part, { kind: 'other' }>): JsonObject {
  const cache = part.kind === 'thinking' ? {} : cacheControl(part.cache);
  return { ...block, ...cache, ...ownFields(part.extra) };
}

function lost(side: Side, feature: Feature, field?: string): null {
  if (side.to === 'provider') side.losses.drop(feature, field);
  return null;
}
