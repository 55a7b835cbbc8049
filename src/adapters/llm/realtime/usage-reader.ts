import { emptyUsage, type LlmFacts, type Usage, type UsageDetails } from '../../../facts/llm.ts';
import type { MessageHook, RealtimeMessage } from '../../../facts/realtime.ts';
import { isObject } from '../formats/fields.ts';
import { count, detail, fromInclusive, type ReportedUsage } from '../usage.ts';

/** Responses under way that are remembered; a conversation has one, besides those out of band. */
const MAX_RESPONSES = 64;

/**
 * Adds up what a session's responses report (`response.done`): the counts of OpenAI's Realtime API, where the input includes what was
 * cached and audio is part of both sides. What transcribing the client's audio costs is another model's and not in here.
 */
export class UsageReader implements MessageHook {
  readonly from = 'provider';
  readonly types: ReadonlySet<string> = new Set(['session.created', 'response.created', 'response.done']);
  readonly #facts: LlmFacts;
  readonly #open = new Set<string>();
  readonly usage: Usage = emptyUsage();
  readonly #details = {
    inputTextTokens: 0,
    inputAudioTokens: 0,
    cachedAudioTokens: 0,
    outputTextTokens: 0,
    outputAudioTokens: 0,
  };
  /** Called when the last response under way is done. */
  onIdle: (() => void) | null = null;

  constructor(facts: LlmFacts) {
    this.#facts = facts;
  }

  /** Ids of responses that have begun and are not done. */
  get open(): readonly string[] {
    return [...this.#open];
  }

  get details(): UsageDetails {
    return this.#details;
  }

  onMessage(message: RealtimeMessage): undefined {
    const event = message.json();
    if (event === null) return;
    const { session, response } = event;
    if (isObject(session) && typeof session.model === 'string') this.#facts.responseModel = session.model;
    if (!isObject(response)) return;
    const id = typeof response.id === 'string' ? response.id : '';
    if (message.type === 'response.created') {
      if (this.#open.size < MAX_RESPONSES) this.#open.add(id);
      return;
    }
    if (isObject(response.usage)) this.#add(response.usage);
    this.#open.delete(id);
    if (this.#open.size === 0) this.onIdle?.();
  }

  #add(report: ReportedUsage): void {
    const usage = fromInclusive({
      input: count(report.input_tokens),
      output: count(report.output_tokens),
      total: count(report.total_tokens),
      cached: detail(report, 'input_token_details', 'cached_tokens'),
      cacheWrite: undefined,
      reasoning: detail(report, 'output_token_details', 'reasoning_tokens'),
    });
    for (const bucket of Object.keys(usage) as (keyof Usage)[]) this.usage[bucket] += usage[bucket];
    const details = this.#details;
    details.inputTextTokens += detail(report, 'input_token_details', 'text_tokens') ?? 0;
    details.inputAudioTokens += detail(report, 'input_token_details', 'audio_tokens') ?? 0;
    const cached = isObject(report.input_token_details) ? report.input_token_details : {};
    details.cachedAudioTokens += detail(cached, 'cached_tokens_details', 'audio_tokens') ?? 0;
    details.outputTextTokens += detail(report, 'output_token_details', 'text_tokens') ?? 0;
    details.outputAudioTokens += detail(report, 'output_token_details', 'audio_tokens') ?? 0;
  }
}
