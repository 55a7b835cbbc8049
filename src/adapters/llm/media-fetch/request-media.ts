import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type {
  AudioPart,
  Conversation,
  FilePart,
  ImagePart,
  Message,
  Part,
  VideoPart,
} from '../../../facts/conversation.ts';
import type { MemoryBudget } from '../../../state/shared/memory-budget.ts';
import type { Metrics } from '../../../telemetry/metrics.ts';
import { FetchError, type Fetched, type GuardedFetcher, TooManyFetchesError } from '../../../upstream/guarded-fetch.ts';
import { type MediaKind, mediaTypeOf } from './media-type.ts';
import type { MediaFetchOptions } from './options.ts';
import type { RefusesUrl } from './refused-urls.ts';

/** Media fetched for one request; each is a connection of its own. */
const MAX_MEDIA = 8;

const WORDS: Readonly<Record<MediaKind, string>> = {
  image: 'an image',
  audio: 'audio',
  video: 'a video',
  file: 'a document',
};

type MediaPart = ImagePart | AudioPart | VideoPart | FilePart;

export interface MediaServices {
  readonly fetcher: GuardedFetcher;
  /** The process's budget of held bodies. */
  readonly bodies: MemoryBudget;
  readonly metrics: Metrics;
}

/** The media of one request that the gateway fetches, each once, however many attempts need it. */
export class RequestMedia {
  readonly #exchange: Exchange;
  readonly #services: MediaServices;
  readonly #fetched = new Map<string, Fetched>();
  /** Bytes taken from the budget, given back when the request ends. */
  #held = 0;
  #overloaded = false;

  constructor(exchange: Exchange, services: MediaServices) {
    this.#exchange = exchange;
    this.#services = services;
    exchange.onEnd(() => services.bodies.give(this.#held));
  }

  /**
   * Fetches what a conversation names by a URL that its target can't take; null where there is nothing to fetch.
   *
   * Rejects with `media_fetch_failed` or `overloaded`.
   */
  fetch(conversation: Conversation, refuses: RefusesUrl, options: MediaFetchOptions): Promise<void> | null {
    const missing = new Map<string, MediaKind>();
    visit(conversation, (part) => {
      const url = refusedUrl(part, refuses);
      if (url !== null && !this.#fetched.has(url)) missing.set(url, part.kind);
    });
    if (missing.size === 0) return null;
    if (this.#fetched.size + missing.size > MAX_MEDIA) {
      const message = `The request names more than ${MAX_MEDIA} media by URLs that its provider can't take.`;
      return Promise.reject(new GatewayError('media_fetch_failed', message));
    }
    return this.#fetchAll(missing, options);
  }

  /** The conversation with the bytes of what was fetched in place of its URL. */
  inline(conversation: Conversation, refuses: RefusesUrl): Conversation {
    if (this.#fetched.size === 0) return conversation;
    const messages = conversation.messages.map(
      (message): Message => ({ ...message, parts: this.#inlineParts(message.parts, refuses) }),
    );
    return { ...conversation, messages };
  }

  async #fetchAll(missing: ReadonlyMap<string, MediaKind>, options: MediaFetchOptions): Promise<void> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), options.timeoutMs);
    this.#exchange.onEnd(() => abort.abort());
    try {
      await Promise.all([...missing].map(([url, kind]) => this.#fetchOne(url, kind, options, abort.signal)));
    } finally {
      clearTimeout(timer);
      // The first that fails ends the others.
      abort.abort();
    }
  }

  async #fetchOne(url: string, kind: MediaKind, options: MediaFetchOptions, signal: AbortSignal): Promise<void> {
    const { allows, guard, maxBytes } = options;
    const take = (bytes: number) => this.#take(bytes, maxBytes);
    let fetched: Fetched;
    try {
      fetched = await this.#services.fetcher.get(url, { allows, guard, signal, take });
    } catch (error) {
      this.#services.metrics.mediaFetches.inc({ outcome: 'failed' });
      if (this.#overloaded) throw new GatewayError('overloaded');
      if (error instanceof TooManyFetchesError)
        throw new GatewayError('overloaded', 'The gateway fetches as many media as it may at one time.');
      if (!(error instanceof FetchError)) throw error;
      const place = error.host === '' ? 'A URL of the request' : `What the request names at ${error.host}`;
      throw new GatewayError('media_fetch_failed', `${place} ${error.message}.`, { cause: error });
    }
    const type = mediaTypeOf(fetched.bytes, fetched.contentType, url, kind);
    this.#services.metrics.mediaFetches.inc({ outcome: type === null ? 'wrong_type' : 'fetched' });
    if (type === null) {
      const message = `What the request names at ${new URL(url).hostname} is not ${WORDS[kind]} of a known type.`;
      throw new GatewayError('media_fetch_failed', message);
    }
    this.#fetched.set(url, fetched);
  }

  /** False past the limit, and where the process holds too much or nobody waits for it any more. */
  #take(bytes: number, maxBytes: number): boolean {
    if (this.#held + bytes > maxBytes || this.#exchange.endCause !== null) return false;
    if (!this.#services.bodies.take(bytes)) {
      this.#overloaded = true;
      return false;
    }
    this.#held += bytes;
    return true;
  }

  #inlineParts(parts: readonly Part[], refuses: RefusesUrl): Part[] {
    return parts.map((part): Part => {
      if (part.kind === 'tool_result') return { ...part, content: this.#inlineParts(part.content, refuses) };
      const url = isMedia(part) ? refusedUrl(part, refuses) : null;
      const fetched = url === null ? undefined : this.#fetched.get(url);
      if (!isMedia(part) || url === null || fetched === undefined) return part;
      const mediaType = mediaTypeOf(fetched.bytes, fetched.contentType, url, part.kind) ?? '';
      return { ...part, source: { type: 'base64', mediaType, data: fetched.bytes.toString('base64') } };
    });
  }
}

/** Throws `unsupported_parameter` where a conversation names a medium by a URL that its target can't take, and nobody fetches it. */
export function refuseUrls(conversation: Conversation, refuses: RefusesUrl): void {
  visit(conversation, (part) => {
    const url = refusedUrl(part, refuses);
    if (url === null) return;
    const host = URL.canParse(url) ? new URL(url).host : 'a URL';
    throw new GatewayError(
      'unsupported_parameter',
      `The model's provider does not take ${WORDS[part.kind]} by such a URL (${host}), and the gateway is not configured to fetch it.`,
    );
  });
}

function visit({ messages }: Conversation, media: (part: MediaPart) => void): void {
  const each = (part: Part) => {
    if (part.kind === 'tool_result') part.content.forEach(each);
    else if (isMedia(part)) media(part);
  };
  for (const { parts } of messages) parts.forEach(each);
}

function isMedia(part: Part): part is MediaPart {
  return part.kind === 'image' || part.kind === 'audio' || part.kind === 'video' || part.kind === 'file';
}

/** The web's URL of a medium, where the target can't take it; null for what needs no fetching. */
function refusedUrl({ kind, source }: MediaPart, refuses: RefusesUrl): string | null {
  if (source.type !== 'url' || !/^https?:/i.test(source.url)) return null;
  return refuses(kind, source.url) ? source.url : null;
}
