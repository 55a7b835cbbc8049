import {
  bytes,
  flag,
  int32,
  list,
  map,
  mapped,
  message,
  oneWord,
  otherwise,
  present,
  required,
  text,
  uint32,
  unless,
  type Wire,
  WireError,
} from '../resources/wire.ts';
import { backendReference, headerMatch } from '../resources/wire-messages.ts';
import { inlinePolicies } from './simple-backend.ts';

/** PromptGuard: the guards of the `ai` policy as control planes say them. */

const policies = ['inline_policies', inlinePolicies()] as const;

const BUILTINS = {
  ssn: 'SSN',
  creditCard: 'CREDIT_CARD',
  phoneNumber: 'PHONE_NUMBER',
  email: 'EMAIL',
  caSin: 'CA_SIN',
} as const;

const patterns = message({
  action: unless('ACTION_UNSPECIFIED', oneWord({ mask: 'MASK', reject: 'REJECT' })),
  rules: otherwise(list(message({ builtin: oneWord(BUILTINS), pattern: ['regex', present(text)] })), []),
});

const webhook = message({
  target: ['backend', required(backendReference)],
  headers: map(text),
  forwardHeaderMatches: list(headerMatch),
  failureMode: oneWord({ failClosed: 'FAIL_CLOSED', failOpen: 'FAIL_OPEN' }, 'failClosed'),
});

const moderation = message({ model: present(text), policies });

const bedrockGuardrails = message({
  guardrailIdentifier: ['identifier', otherwise(text, '')],
  guardrailVersion: ['version', otherwise(text, '')],
  region: otherwise(text, ''),
  policies,
});

const googleModelArmor = message({
  templateId: otherwise(text, ''),
  projectId: otherwise(text, ''),
  location: present(text),
  policies,
});

interface Analysis {
  severityThreshold?: number;
  apiVersion?: string;
  blocklistNames?: string[];
  haltOnBlocklistHit?: boolean;
}

interface ContentSafety {
  endpoint?: string;
  policies?: object;
}

/** Texts are always analysed; for the other check the message has no words. */
const azureContentSafety: Wire<ContentSafety & { analyzeText?: Analysis | null; detectJailbreak?: unknown }> = mapped(
  message<ContentSafety & Analysis & { detectJailbreak?: unknown }>({
    endpoint: otherwise(text, ''),
    policies,
    severityThreshold: present(int32),
    apiVersion: present(text),
    blocklistNames: list(text),
    haltOnBlocklistHit: present(flag),
  }),
  {
    read: ({ endpoint, policies: connection, ...analyzeText }) => ({
      ...(endpoint !== undefined && { endpoint }),
      ...(connection !== undefined && { policies: connection }),
      analyzeText,
    }),
    write({ analyzeText, ...rest }) {
      if (!analyzeText) throw new WireError('a message always says it', ['analyzeText']);
      return { ...rest, ...analyzeText };
    },
  },
);

/** One that is there says its whole answer, though that may be empty. */
const rejection = message({ body: otherwise(bytes, ''), status: uint32 });

const responseKinds = { regex: patterns, webhook, bedrockGuardrails, googleModelArmor, azureContentSafety };

const requestGuard = message({
  ...responseKinds,
  openAIModeration: ['openai_moderation', moderation],
  rejection,
  scope: list(
    oneWord({
      systemPrompt: 'CONTENT_SCOPE_SYSTEM_PROMPT',
      messages: 'CONTENT_SCOPE_MESSAGES',
      toolOutput: 'CONTENT_SCOPE_TOOL_OUTPUT',
      toolInput: 'CONTENT_SCOPE_TOOL_INPUT',
    }),
  ),
});

const responseGuard = message({ ...responseKinds, rejection });

export const promptGuardMessage = message({
  streaming: oneWord({ Disabled: 'DISABLED', Enabled: 'ENABLED' }, 'Disabled'),
  request: list(requestGuard),
  response: list(responseGuard),
});
