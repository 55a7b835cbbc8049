import { z } from 'zod';
import type { ProviderDefinition } from './provider.ts';
import { modelSetting } from './settings.ts';

/** Providers that configuration may name already: their settings are validated, requests for them answer 503 `not_active`. */
export const DESCRIBED_PROVIDERS: readonly ProviderDefinition[] = [
  {
    name: 'gemini',
    schema: z.strictObject({ model: modelSetting }),
    summary: 'Google Gemini API.',
    active: false,
  },
  {
    name: 'vertex',
    schema: z.strictObject({
      model: modelSetting,
      region: z.string().nullish().describe('Google Cloud region, `global`, or the multi-regions `us` and `eu`.'),
      projectId: z.string().describe('Google Cloud project.'),
    }),
    summary: 'Google Cloud Vertex AI.',
    active: false,
  },
];
