import { z } from 'zod';
import { renameMaxTokens, shapeForOpenAI } from './openai-models.ts';
import { openAIModerationSchema } from './openai-moderation.ts';
import type { ProviderDefinition } from './provider.ts';
import { modelSetting, pinnedModel, usualPaths } from './settings.ts';

const ORIGIN = { host: 'api.openai.com', port: 443, tls: true };
const FORMATS = usualPaths(['completions', 'textCompletions', 'responses', 'embeddings', 'rerank', 'realtime']);

/** OpenAI. A request in its own format goes out as it came, but for `max_tokens`, which models that reason refuse. */
export const openAI: ProviderDefinition = {
  name: 'openAI',
  schema: z.strictObject({
    model: modelSetting,
    moderation: openAIModerationSchema.nullish().describe('Moderation of prompts and answers by OpenAI.'),
  }),
  summary: 'OpenAI: chat completions, responses and embeddings.',
  active: true,
  open: (provider) => ({
    telemetryName: 'openai',
    origin: ORIGIN,
    basePath: '/v1',
    formats: FORMATS,
    model: pinnedModel(provider),
    keepsPathOnHostOverride: true,
    // Reasoning is decrypted for the organisation alone that it was encrypted for; others get `invalid_encrypted_content`.
    readableBy: 'account',
    shapeBody: shapeForOpenAI,
    shapeNative: renameMaxTokens,
  }),
};
