/**
 * What Claude models take. The format is one, but requests that an older or a newer model refuses are told apart by the model's name:
 * https://docs.anthropic.com/en/docs/about-claude/models/overview and the pages on thinking, effort and structured outputs.
 */
export interface ModelTraits {
  /** Answers can be bound to a JSON schema (`output_config.format`) and tools to theirs (`strict`). */
  readonly schemas: boolean;
  /** Takes `thinking.budget_tokens`. */
  readonly budget: boolean;
  /** Takes `thinking.type: "adaptive"`. */
  readonly adaptive: boolean;
  /** Thinking can be switched off. */
  readonly disables: boolean;
  /** Thinks although the tool choice forces a tool. */
  readonly thinksWhenForced: boolean;
  /** With a thinking budget, refuses a tool result whose call has no thinking before it. */
  readonly wantsThinkingBack: boolean;
  /** Words of `output_config.effort`, the least first. */
  readonly efforts: readonly string[];
  /** Takes `temperature`, `top_p` and `top_k`. */
  readonly sampling: boolean;
  /** Takes `temperature` and `top_p` in one request. */
  readonly bothOfSampling: boolean;
  /** Longest answer in tokens, thinking included. */
  readonly mostTokens: number;
}

const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'];

/** Of a model that isn't known (a deployment's name, somebody else's model): all that the format has is sent as it was asked for. */
const UNKNOWN: ModelTraits = {
  schemas: true,
  budget: true,
  adaptive: true,
  disables: true,
  thinksWhenForced: true,
  wantsThinkingBack: false,
  efforts: EFFORTS,
  sampling: true,
  bothOfSampling: true,
  mostTokens: Number.POSITIVE_INFINITY,
};

/**
 * `issuer`: who runs the model. Others than Anthropic who speak the format know thinking by its budget, so of theirs an effort becomes
 * one.
 */
export function traitsOf(model: string, issuer: string): ModelTraits {
  const found = claudeOf(model.toLowerCase());
  if (found === null) return issuer === 'anthropic' ? UNKNOWN : { ...UNKNOWN, adaptive: false };
  const { family, version } = found;
  return {
    schemas: version >= 405,
    budget: version >= 307 && version <= 406,
    adaptive: version >= 406,
    disables: version >= 307 && family !== 'fable' && family !== 'mythos',
    thinksWhenForced: version >= 408,
    wantsThinkingBack: true,
    efforts: effortsOf(family, version),
    sampling: version <= 406,
    bothOfSampling: version <= 400,
    mostTokens: mostTokensOf(family, version),
  };
}

/**
 * Tokens to ask for where the client set no bound to its answer: all that the model can. Models before 4.5 refuse a request whose prompt
 * and longest answer together are more than their context, so of theirs the prompt is left room. Undefined for a model that isn't known.
 */
export function defaultMaxTokensOf(model: string): number | undefined {
  const found = claudeOf(model.toLowerCase());
  if (found === null) return undefined;
  const most = mostTokensOf(found.family, found.version);
  return found.version < 405 ? Math.min(most, 32_000) : most;
}

function effortsOf(family: string, version: number): readonly string[] {
  if (version >= 407) return EFFORTS;
  if (version === 406) return ['low', 'medium', 'high', 'max'];
  return version === 405 && family === 'opus' ? ['low', 'medium', 'high'] : [];
}

function mostTokensOf(family: string, version: number): number {
  if (version < 305) return 4096;
  if (version < 307) return 8192;
  if (version > 406) return 128_000;
  return family === 'opus' && version < 405 ? 32_000 : 64_000;
}

/**
 * Family and version (4.5 = 405) in a Claude model's name, wherever the provider puts them: `claude-3-7-sonnet-20250219`,
 * `us.anthropic.claude-opus-4-6-v1`, `claude-sonnet-4@20250514`. Null for a name that has none.
 */
function claudeOf(model: string): { family: string; version: number } | null {
  const words = model.split(/[-./:@_]/);
  const at = words.indexOf('claude');
  if (at < 0) return null;
  let family = '';
  const numbers: number[] = [];
  for (const word of words.slice(at + 1)) {
    // A date, or the provider's own revision, is no part of the version.
    if (isNumber(word)) numbers.push(Number(word));
    else if (numbers.length > 0 && family !== '') break;
    else if (family === '' && word !== 'instant') family = word;
    if (numbers.length === 2 && family !== '') break;
  }
  if (family === 'mythos' && numbers.length === 0) return { family, version: 500 };
  const [major, minor = 0] = numbers;
  return major === undefined ? null : { family, version: major * 100 + minor };
}

function isNumber(word: string): boolean {
  return word.length > 0 && word.length <= 2 && [...word].every((digit) => digit >= '0' && digit <= '9');
}
