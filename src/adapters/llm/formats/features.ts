import { GatewayError } from '../../../errors/table.ts';

/** What answers can say. It is the client's format that says it, or doesn't: an answer is never refused for it. */
export const ANSWER_FEATURES = {
  stopSequence: 'Which stop sequence was met',
  thinkingAnswer: 'Thinking in the answer',
  citationsAnswer: 'Citations in the answer',
  audioAnswer: 'Audio in the answer',
  imageAnswer: 'Images in the answer',
  providerToolsAnswer: "Calls and results of the provider's own tools",
} as const;

/** What conversations can say and not every format can: the rows of the conversion table, in its order. */
export const FEATURES = {
  developerRole: 'Developer messages apart from system messages',
  laterSystem: 'System messages behind the first turn',
  participantName: 'Names of participants',
  imageBase64: 'Images as base64',
  imageUrl: 'Images by URL',
  imageFile: 'Images by uploaded file',
  imageDetail: 'Resolution of images',
  audio: 'Audio input',
  video: 'Video input',
  fileBase64: 'Documents as base64',
  fileUrl: 'Documents by URL',
  fileId: 'Documents by uploaded file',
  fileText: 'Documents as plain text',
  fileContext: 'What a document is about',
  fileCitations: 'Citations asked for of a document',
  tools: 'Tools of the client',
  toolStrict: 'Tools with strict schemas',
  customTools: 'Tools with free-text input',
  providerTools: 'Tools that the provider runs',
  toolChoice: 'Tool choice: none, any, or one by name',
  allowedTools: 'Tool choice among some',
  parallelToolCalls: 'Parallel tool calls switched off',
  toolResultMedia: 'Tool results with images or documents',
  toolResultError: 'Tool results marked as errors',
  jsonOutput: 'JSON answers without a schema',
  schemaOutput: 'Answers that match a JSON schema',
  thinkingHistory: 'Thinking in earlier turns',
  reasoningEffort: 'Effort of reasoning',
  reasoningBudget: 'Token budget of reasoning',
  reasoningSummary: 'Summary of reasoning',
  citationHistory: 'Citations in earlier turns',
  refusalHistory: 'Refusals in earlier turns',
  maxTokens: 'Longest answer',
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  frequencyPenalty: 'Frequency penalty',
  presencePenalty: 'Presence penalty',
  seed: 'Seed',
  stop: 'Stop sequences',
  choices: 'Several answers',
  logprobs: 'Log-probabilities',
  modalities: 'Answers as audio or image',
  verbosity: 'Verbosity',
  cacheMarks: 'Prompt-cache breakpoints',
  cacheKey: 'Prompt-cache key',
  serviceTier: 'Service tier',
  user: 'End user',
  metadata: 'Metadata',
  ...ANSWER_FEATURES,
} as const;

export type Feature = keyof typeof FEATURES;

/**
 * How a format says a feature: as it is; in its own, less exact words; not at all, and nothing is harmed by leaving it out (the client is
 * told); or not at all, and the answer would be another than the one asked for.
 */
export type Fidelity = 'exact' | 'approximated' | 'dropped' | 'refused';

/** One column of the conversion table; each format's folder holds its own. */
export interface FormatColumn<F extends string = Feature> {
  readonly fidelity: Readonly<Record<F, Fidelity>>;
  /** Under which name the format's clients know a feature, where they do. */
  readonly fields: Readonly<Partial<Record<F, string>>>;
  /** Members only the format knows without which the answer would be another than the one asked for: refused, not dropped. */
  readonly essential?: ReadonlySet<string>;
}

/** What a conversion could not say, as far as it has come. */
export class Losses<F extends string = Feature> {
  readonly #source: Pick<FormatColumn<F>, 'fields' | 'essential'>;
  readonly #target: FormatColumn<F>;
  readonly #format: string;
  readonly #strict: boolean;
  #dropped: Set<string> | null = null;

  /** `strict`: whatever would be dropped is refused. */
  constructor(
    source: Pick<FormatColumn<F>, 'fields' | 'essential'>,
    target: FormatColumn<F>,
    format: string,
    strict: boolean,
  ) {
    this.#source = source;
    this.#target = target;
    this.#format = format;
    this.#strict = strict;
  }

  /**
   * The request has `feature`, which the target can't say. Throws `unsupported_parameter` where the table says that it is refused, or the
   * route is strict. `field`: the client's name of it, where the table's is not exact enough.
   */
  drop(feature: F, field?: string): void {
    const name = field ?? this.#source.fields[feature] ?? feature;
    if (this.#target.fidelity[feature] === 'refused' || this.#strict) throw this.#refusal(name);
    this.#note(name);
  }

  /** Throws `unsupported_parameter`: the format could say `feature`, but this model can't do it. */
  refuse(feature: F, field?: string): never {
    throw this.#refusal(field ?? this.#source.fields[feature] ?? feature);
  }

  /** The request has members that only its own format knows. */
  dropFields(names: readonly string[]): void {
    for (const name of names) {
      if (this.#strict || this.#source.essential?.has(name)) throw this.#refusal(name);
      this.#note(name);
    }
  }

  /** Names of what was dropped, for `x-sluice-lossy`; '' = nothing. */
  get header(): string {
    return this.#dropped === null ? '' : [...this.#dropped].join(', ');
  }

  #note(name: string): void {
    this.#dropped ??= new Set();
    this.#dropped.add(name);
  }

  #refusal(name: string): GatewayError {
    return new GatewayError(
      'unsupported_parameter',
      `"${name}" can not be said in the format of the provider (${this.#format}).`,
      { param: name },
    );
  }
}
