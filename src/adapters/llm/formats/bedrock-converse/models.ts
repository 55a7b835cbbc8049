import { type ModelTraits as ClaudeTraits, traitsOf as claudeTraitsOf } from '../claude/models.ts';

/**
 * What the models behind Bedrock's one API take, by their ids: base models (`anthropic.claude-…`), inference profiles
 * (`us.anthropic.claude-…`) and ARNs that hold either. An ARN of an application's own profile or of provisioned throughput names no
 * model: it is asked for what most models take
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html).
 */
export interface ModelTraits {
  /** Claude's own, null for other models. */
  readonly claude: ClaudeTraits | null;
  /** In whose words other models are asked to think: Nova 2's or gpt-oss's. */
  readonly efforts: 'nova' | 'openai' | null;
  /** `topK`, where the family has a word for it. */
  readonly topK: 'claude' | 'nova' | null;
  /** Prompt-cache breakpoints; other models refuse a request that has one. */
  readonly caches: boolean;
  /** Answers bound to a schema (`outputConfig.textFormat`), and tools to theirs (`strict`). */
  readonly schemas: boolean;
  /** What `toolChoice` may be besides `auto`: everything, `any` alone, or nothing. */
  readonly forcedTools: 'all' | 'any' | 'none';
  /** Thinking in earlier turns: only with its signature, also without, or not at all. */
  readonly thinkingHistory: 'signed' | 'any' | 'none';
  /** `status` of tool results, and citations of earlier turns. */
  readonly details: boolean;
  /** Ids of tool calls are 9 letters and digits. */
  readonly shortIds: boolean;
}

export function isClaude(model: string): boolean {
  return model.includes('anthropic.') || model.includes('claude');
}

export function traitsOf(model: string): ModelTraits {
  if (isClaude(model)) {
    const claude = claudeTraitsOf(model, 'anthropic');
    const old = CLAUDE_BEFORE_CACHES.test(model);
    return {
      claude,
      efforts: null,
      topK: 'claude',
      caches: !old,
      schemas: claude.schemas,
      forcedTools: 'all',
      thinkingHistory: 'signed',
      details: true,
      shortIds: false,
    };
  }
  const nova = model.includes('amazon.nova');
  const opaque = OPAQUE.test(model);
  return {
    claude: null,
    efforts: nova && model.includes('nova-2') ? 'nova' : model.includes('openai.gpt-oss') ? 'openai' : null,
    topK: nova ? 'nova' : null,
    caches: nova || opaque,
    schemas: SCHEMAS.test(model),
    forcedTools: nova || opaque ? 'all' : AUTO_ONLY.test(model) ? 'none' : 'any',
    thinkingHistory: model.includes('deepseek.r1') ? 'none' : 'any',
    details: nova || opaque,
    shortIds: model.includes('mistral.'),
  };
}

const CLAUDE_BEFORE_CACHES = /claude-(?:v\d|instant|3-haiku|3-sonnet|3-opus)/;
const OPAQUE = /^arn:[^/]*:(?:application-inference-profile|provisioned-model|prompt)\//;
/** https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html, but for Claude */
const SCHEMAS =
  /qwen\.qwen3|deepseek\.v3|google\.gemma-3|minimax\.|moonshot(?:ai)?\.|nvidia\.nemotron|openai\.gpt-oss|mistral\.(?:ministral|magistral|voxtral|mistral-large-3)/;
/** Models that choose their tools themselves. */
const AUTO_ONLY = /meta\.llama|cohere\.|ai21\.|amazon\.titan|deepseek\.r1/;
