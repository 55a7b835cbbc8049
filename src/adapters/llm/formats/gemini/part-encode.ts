import type {
  AudioPart,
  FilePart,
  ImagePart,
  JsonObject,
  Part,
  Signature,
  ThinkingPart,
  ToolCallPart,
  ToolResultPart,
  VideoPart,
} from '../../../../facts/conversation.ts';
import type { Feature, Losses } from '../features.ts';
import { compact, parseObject } from '../fields.ts';
import { callArguments, freeTextName } from './free-text.ts';
import { typeOfUrl, USUAL_TYPES } from './media.ts';
import { type GeminiModel, LEVELS } from './models.ts';
import { DETAIL_LEVELS, resultKind } from './part-decode.ts';

/** Who a part is written for: a model of Google's, or a client. */
export interface PartWriter {
  readonly model: GeminiModel;
  /** null towards a client: what can't be said is left out. */
  readonly losses: Losses | null;
  /** What stands on the wire for a signature; undefined where the reader has no use for it. */
  signature(signature: Signature | undefined): string | undefined;
  thinking(part: ThinkingPart): string | undefined;
  /** A tool's name on the wire. */
  toolName(name: string): string;
  /** The name of the tool that was called. */
  nameOf(result: ToolResultPart): string;
}

/** Writes what a part becomes: usually one `Part`, or none. */
export function encodePart(part: Part, writer: PartWriter, into: JsonObject[]): void {
  if ('cache' in part && part.cache !== undefined) writer.losses?.drop('cacheMarks');
  switch (part.kind) {
    case 'text':
      if (part.citations !== undefined && part.citations.length > 0) writer.losses?.drop('citationHistory');
      into.push(compact({ text: part.text, thoughtSignature: writer.signature(part.signature), ...extraOf(part) }));
      return;
    case 'refusal':
      into.push({ text: part.text });
      return;
    case 'thinking':
      encodeThinking(part, writer, into);
      return;
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
      encodeMedia(part, writer, into);
      return;
    case 'tool_call':
      into.push(encodeCall(part, writer));
      return;
    case 'tool_result':
      encodeResult(part, writer, into);
      return;
    case 'other':
      if (part.format === 'generateContent') into.push({ ...part.value });
      else writer.losses?.drop('providerTools', part.name);
  }
}

/** The members of a part that only this format knows. */
function extraOf(part: Exclude<Part, { kind: 'other' }>): JsonObject {
  return part.extra?.format === 'generateContent' ? part.extra.fields : {};
}

/** Thoughts of another provider are told without its signature; those that nobody can read are left out. */
function encodeThinking(part: ThinkingPart, writer: PartWriter, into: JsonObject[]): void {
  const signature = writer.thinking(part);
  if (part.text === '' && signature === undefined) return;
  into.push(compact({ text: part.text, thought: true, thoughtSignature: signature, ...extraOf(part) }));
}

const FILE_FEATURES = { image: 'imageFile', audio: 'audio', video: 'video', file: 'fileId' } as const satisfies Record<
  string,
  Feature
>;

function encodeMedia(part: ImagePart | AudioPart | VideoPart | FilePart, writer: PartWriter, into: JsonObject[]): void {
  const { kind, source } = part;
  const { displayName, ...extra } = extraOf(part);
  if (kind === 'file') {
    if (part.context !== undefined) writer.losses?.drop('fileContext');
    if (part.citations === true) writer.losses?.drop('fileCitations');
  }
  if (kind === 'audio' && source.type === 'base64' && source.data === '') {
    // Only the provider that made it has its bytes.
    if (part.transcript !== undefined) into.push({ text: part.transcript });
    else writer.losses?.drop('audio');
    return;
  }
  const name = kind === 'file' ? part.name : displayName;
  const data = sourceData(part, writer, name);
  if (data === null) {
    writer.losses?.drop(FILE_FEATURES[kind]);
    return;
  }
  const signature = kind === 'image' ? writer.signature(part.signature) : undefined;
  into.push(compact({ ...data, thoughtSignature: signature, ...resolution(part, writer), ...extra }));
}

function sourceData({ kind, source }: ImagePart | AudioPart | VideoPart | FilePart, writer: PartWriter, name: unknown) {
  if (source.type === 'text') {
    const data = Buffer.from(source.text).toString('base64');
    return { inlineData: compact({ mimeType: 'text/plain', data, displayName: name }) };
  }
  if (source.type === 'base64') {
    const mimeType = source.mediaType === '' ? USUAL_TYPES[kind] : source.mediaType;
    return { inlineData: compact({ mimeType, data: source.data, displayName: name }) };
  }
  if (source.type === 'file' && source.issuer !== 'google' && writer.losses !== null) return null;
  const fileUri = source.type === 'file' ? source.id : source.url;
  const mimeType = source.mediaType || typeOfUrl(fileUri) || (source.type === 'url' ? USUAL_TYPES[kind] : undefined);
  return { fileData: compact({ fileUri, mimeType, displayName: name }) };
}

function resolution(part: ImagePart | AudioPart | VideoPart | FilePart, writer: PartWriter): JsonObject {
  if (part.kind !== 'image' || part.detail === undefined || part.detail === 'auto') return {};
  const level = DETAIL_LEVELS.get(part.detail);
  if (level !== undefined && writer.model.generation >= LEVELS) return { mediaResolution: { level } };
  writer.losses?.drop('imageDetail');
  return {};
}

function encodeCall(part: ToolCallPart, writer: PartWriter): JsonObject {
  const { functionCall, ...extra } = extraOf(part);
  const name = part.custom === true ? freeTextName(part.name) : writer.toolName(part.name);
  return compact({
    functionCall: {
      ...(part.id !== '' && { id: part.id }),
      name,
      args: callArguments(part),
      ...(functionCall as JsonObject | undefined),
    },
    thoughtSignature: writer.signature(part.signature),
    ...extra,
  });
}

/**
 * A result with its media inside where the model takes them there (https://ai.google.dev/gemini-api/docs/function-calling#multimodal),
 * else right behind it.
 */
function encodeResult(part: ToolResultPart, writer: PartWriter, into: JsonObject[]): void {
  const { functionResponse, ...extra } = extraOf(part);
  const texts: string[] = [];
  const media: JsonObject[] = [];
  for (const piece of part.content) {
    if (piece.kind === 'text' || piece.kind === 'refusal') texts.push(piece.text);
    else encodePart(piece, writer, media);
  }
  const inside = media.length > 0 && writer.model.generation >= LEVELS;
  const result = {
    ...(part.callId !== '' && { id: part.callId }),
    name: writer.toolName(writer.nameOf(part)),
    response: resultResponse(texts.join('\n'), part.isError),
    ...(inside && { parts: media }),
    ...(functionResponse as JsonObject | undefined),
  };
  into.push({ functionResponse: result, ...extra });
  if (!inside) into.push(...media);
}

/** The result as the object it is, where its text says one exactly, else as a text by Google's convention. */
function resultResponse(text: string, isError: boolean): JsonObject {
  const object = text.startsWith('{') ? parseObject(text) : null;
  const exact = object !== null && JSON.stringify(object) === text;
  if (isError) {
    const isObjectError = exact && resultKind(object) === 'error' && typeof object.error === 'object';
    return isObjectError ? object : { error: text };
  }
  return exact && resultKind(object) === 'object' ? object : { output: text };
}
