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
  {
    name: 'bedrock',
    schema: z.strictObject({
      model: modelSetting,
      region: z.string().describe('AWS region.'),
      guardrailIdentifier: z.string().nullish().describe('Id of a Bedrock guardrail to apply.'),
      guardrailVersion: z.string().nullish().describe('Version of the guardrail.'),
    }),
    summary: 'Amazon Bedrock.',
    active: false,
  },
  {
    name: 'azure',
    schema: z.strictObject({
      model: modelSetting,
      resourceName: z.string().describe('Name of the Azure resource; part of its host name.'),
      resourceType: z
        .enum(['openAI', 'foundry', 'aiServices'])
        .describe('Kind of the resource; decides the host name.'),
      apiVersion: z.string().nullish().describe('API version: `v1` (default), `preview`, or a date.'),
      projectName: z.string().nullish().describe('Project within a Foundry resource.'),
    }),
    summary: 'Azure OpenAI and Azure AI Foundry.',
    active: false,
  },
  {
    name: 'copilot',
    schema: z.strictObject({ model: modelSetting }),
    summary: 'GitHub Copilot.',
    active: false,
  },
];
