import { z } from 'zod';
import { simpleBackend } from '../resources/schema/backend-ref.ts';
import { bytes, celMap, exactlyOne, httpStatus, regex } from '../resources/schema/common.ts';
import { headerMatch } from '../resources/schema/route.ts';
import { headerModifierSchema } from './header-fields.ts';
import { simpleBackendPolicies } from './simple-backend.ts';

/** Guards of the `ai` policy: checks of prompts and answers, in order; the first that rejects ends it, masks add up. */

const servicePolicies = () => simpleBackendPolicies().nullish().describe('Policies of the connection to the service.');

const patterns = z.strictObject({
  action: z.enum(['mask', 'reject']).default('mask').describe('What is done with a match.'),
  rules: z
    .array(
      z.union([
        z.strictObject({
          builtin: z
            .enum(['ssn', 'creditCard', 'phoneNumber', 'email', 'caSin'])
            .describe('A known kind of personal data.'),
        }),
        z.strictObject({ pattern: regex().describe('RE2 expression.') }),
      ]),
    )
    .describe('What is looked for.'),
});

const webhook = z.strictObject({
  target: simpleBackend().describe('The service.'),
  headers: celMap().optional().describe('Headers sent to the service, each a CEL expression.'),
  forwardHeaderMatches: z
    .array(headerMatch())
    .optional()
    .describe('Request headers that are passed on to the service.'),
  failureMode: z
    .enum(['failClosed', 'failOpen'])
    .optional()
    .describe('While the service fails: refuse (default), or go on without it.'),
});

const moderation = z.strictObject({
  model: z.string().nullish().describe('Moderation model.'),
  policies: servicePolicies(),
});

const bedrockGuardrails = z.strictObject({
  guardrailIdentifier: z.string().describe('Id of the guardrail.'),
  guardrailVersion: z.string().describe('Version of the guardrail.'),
  region: z.string().describe('AWS region.'),
  policies: servicePolicies(),
});

const googleModelArmor = z.strictObject({
  templateId: z.string().describe('Id of the template.'),
  projectId: z.string().describe('Google Cloud project.'),
  location: z.string().nullish().describe('Google Cloud location.'),
  policies: servicePolicies(),
});

const azureContentSafety = z.strictObject({
  endpoint: z.string().describe('Endpoint of the Content Safety resource.'),
  policies: servicePolicies(),
  analyzeText: z
    .strictObject({
      severityThreshold: z.int().nullish().describe('Text of this severity or above is rejected.'),
      apiVersion: z.string().nullish().describe('API version.'),
      blocklistNames: z.array(z.string()).nullish().describe('Block lists that are applied.'),
      haltOnBlocklistHit: z.boolean().nullish().describe('Stop at the first hit of a block list.'),
    })
    .nullish()
    .describe('Check for harmful text.'),
  detectJailbreak: z
    .strictObject({ apiVersion: z.string().nullish().describe('API version.') })
    .nullish()
    .describe('Check for attempts to evade instructions.'),
});

const rejection = z
  .strictObject({
    body: bytes().default('The request was rejected due to inappropriate content').describe('Body of the answer.'),
    status: httpStatus().default(403).describe('Status of the answer.'),
    headers: headerModifierSchema.nullish().describe('Changes to the headers of the answer.'),
  })
  .prefault({})
  .describe('What a client is answered whose request is rejected.');

const responseKinds = {
  regex: patterns.optional().describe('Patterns, masked or rejected.'),
  webhook: webhook.optional().describe('A service of your own.'),
  bedrockGuardrails: bedrockGuardrails.optional().describe('Amazon Bedrock Guardrails.'),
  googleModelArmor: googleModelArmor.optional().describe('Google Model Armor.'),
  azureContentSafety: azureContentSafety.optional().describe('Azure AI Content Safety.'),
};
const requestKinds = {
  ...responseKinds,
  openAIModeration: moderation.optional().describe('The OpenAI moderation API.'),
};

const requestGuard = exactlyOne(
  z.strictObject({
    ...requestKinds,
    rejection,
    scope: z
      .array(z.enum(['systemPrompt', 'messages', 'toolOutput', 'toolInput']))
      .min(1)
      .default(['systemPrompt', 'messages'])
      .describe('Parts of the conversation that are checked.'),
  }),
  Object.keys(requestKinds),
);

const responseGuard = exactlyOne(z.strictObject({ ...responseKinds, rejection }), Object.keys(responseKinds));

export const promptGuardSchema = z
  .strictObject({
    streaming: z.enum(['Disabled', 'Enabled']).optional().describe('Whether streamed answers are checked.'),
    request: z.array(requestGuard).optional().describe('Guards on prompts, in this order.'),
    response: z.array(responseGuard).optional().describe('Guards on answers, in this order.'),
  })
  .meta({ id: 'PromptGuard', title: 'Prompt guard' });

export type PromptGuard = z.output<typeof promptGuardSchema>;
