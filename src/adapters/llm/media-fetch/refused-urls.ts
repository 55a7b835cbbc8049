import type { WireFormat } from '../../../facts/conversation.ts';
import type { RouteType } from '../../../facts/llm.ts';
import { isGoogleFile } from '../formats/gemini/media.ts';
import { geminiModel, URLS } from '../formats/gemini/models.ts';
import type { OpenProvider } from '../providers/provider.ts';
import type { MediaKind } from './media-type.ts';

/** Whether a target can't take a medium at an http or https URL, so that it needs its bytes. */
export type RefusesUrl = (kind: MediaKind, url: string) => boolean;

/**
 * What a target can't take by URL; null where it takes all that its format can say. Bedrock reads from S3 alone; Anthropic from https, and
 * not at all in Google's cloud; Gemini before 2.5 only Google's own files; chat completions know URLs of images, and vLLM's of videos.
 */
export function refusedUrls(format: WireFormat, provider: string, model: string): RefusesUrl | null {
  switch (format) {
    case 'converse':
      return () => true;
    case 'messages':
      return provider === 'gcp.vertex_ai' ? () => true : (_, url) => !/^https:/i.test(url);
    case 'generateContent':
      if (provider !== 'gcp.gemini' || geminiModel(model).generation >= URLS) return null;
      return (_, url) => !isGoogleFile(url);
    case 'completions':
      return (kind) => kind === 'file' || kind === 'audio';
    default:
      return null;
  }
}

const ANY_URL = Buffer.from('"url"');
const PLAIN_URL = Buffer.from('"http:');

/** Whether a body in the target's own format may name media by URLs that the target can't take: then it must be read. */
export function namesRefusedUrls(
  bytes: Buffer,
  format: RouteType,
  { telemetryName }: OpenProvider,
  model: string,
): boolean {
  if (format !== 'messages') return false;
  const refuses = refusedUrls(format, telemetryName, model);
  return refuses !== null && bytes.includes(refuses('image', 'https:') ? ANY_URL : PLAIN_URL);
}
