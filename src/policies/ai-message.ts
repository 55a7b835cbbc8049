import {
  flag,
  list,
  map,
  mapped,
  message,
  oneWord,
  otherwise,
  present,
  text,
  uint32,
  type Wire,
  WireError,
} from '../resources/wire.ts';
import { promptGuardMessage } from './prompt-guard-message.ts';

/** BackendPolicySpec.Ai: the `ai` policy as control planes say it. */

/** Members of a request's body: each is the text of its JSON. */
const jsonTexts: Wire<Record<string, unknown>> = map(
  mapped(present(text), {
    read(json): unknown {
      try {
        return JSON.parse(json);
      } catch {
        throw new WireError('not JSON');
      }
    },
    write: (value: unknown) => JSON.stringify(value),
  }),
);

/** Those that agentgateway has; of a path without one it says the same as of `completions`. */
const ROUTE_TYPE_WORDS = {
  completions: 'COMPLETIONS',
  messages: 'MESSAGES',
  models: 'MODELS',
  passthrough: 'PASSTHROUGH',
  detect: 'DETECT',
  responses: 'RESPONSES',
  anthropicTokenCount: 'ANTHROPIC_TOKEN_COUNT',
  embeddings: 'EMBEDDINGS',
  realtime: 'REALTIME',
  rerank: 'RERANK',
  generateContent: 'GENERATE_CONTENT',
  geminiCountTokens: 'GEMINI_COUNT_TOKENS',
} as const;

const routeType = oneWord(ROUTE_TYPE_WORDS, undefined, { UNSPECIFIED: 'completions' });

const prompt = message({ role: otherwise(text, ''), content: otherwise(text, '') });

/** Where configuration says nothing of a minimum there is one, where the message says nothing there is none. */
const DEFAULT_MIN_TOKENS = 1024;

interface Caching {
  minTokens?: number | null;
}

const promptCaching: Wire<Caching> = mapped(
  message<Caching>({
    cacheSystem: otherwise(flag, false),
    cacheMessages: otherwise(flag, false),
    cacheTools: flag,
    minTokens: otherwise(present(uint32), 0),
    cacheMessageOffset: uint32,
  }),
  {
    read: (caching) => caching,
    write: (caching) => ({ ...caching, minTokens: caching.minTokens ?? DEFAULT_MIN_TOKENS }),
  },
);

export const aiMessage = message({
  promptGuard: promptGuardMessage,
  defaults: jsonTexts,
  overrides: jsonTexts,
  transformations: map(text),
  finalTransformations: map(text),
  prompts: message({ append: list(prompt), prepend: list(prompt) }),
  modelAliases: map(text),
  promptCaching,
  routes: map(routeType),
});
