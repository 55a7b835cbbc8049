import { z } from 'zod';
import type { Catalogue } from '../catalogue.ts';
import type { PolicyMap } from '../types.ts';
import { isPreset } from './ai.ts';
import { aliases, celExpression, celMap, fileOrInline, jsonMap, own, port, secret, uint } from './common.ts';
import { driver, gatewayRefs, serverTls } from './gateway.ts';
import { policyField, policyShape, schemaAt } from './policies.ts';
import { headerMatch } from './route.ts';

/** The `llm:` section: models, the providers behind them, and virtual models. */

/** Spread where the catalogue has the policy; a field whose policy is unknown does not exist. */
function field(name: string, schema: z.ZodType | undefined, description: string): Record<never, z.ZodType> {
  return schema === undefined ? {} : { [name]: schema.nullish().describe(description) };
}

/** The same of a field that agentgateway doesn't have. */
function ownField(name: string, schema: z.ZodType | undefined, description: string): Record<never, z.ZodType> {
  return schema === undefined ? {} : { [name]: own(schema.nullish().describe(description)) };
}

function backendPolicy(catalogue: Catalogue, policy: string): z.ZodType | undefined {
  const entry = catalogue.policies.get(policy);
  return entry === undefined ? undefined : schemaAt(entry, 'backend');
}

const params = z
  .strictObject({
    model: z.string().nullish().describe('Model the provider is asked for. Default: what the client asked for.'),
    apiKey: secret(fileOrInline()).nullish().describe("The provider's key."),
    apiKeys: own(
      z
        .array(secret(fileOrInline()))
        .min(1)
        .max(64)
        .nullish()
        .describe(
          'Several keys of the provider in place of one: a conversation keeps to one of them, and one that is limited (429) or refused rests while others serve. The same as `auth.keys`.',
        ),
    ),
    awsRegion: z.string().nullish().describe('AWS region (bedrock).'),
    vertexRegion: z.string().nullish().describe('Google Cloud region (vertex).'),
    vertexProject: z.string().nullish().describe('Google Cloud project (vertex).'),
    azureResourceName: z.string().nullish().describe('Azure resource (azure).'),
    azureResourceType: z.enum(['openAI', 'foundry', 'aiServices']).nullish().describe('Kind of the Azure resource.'),
    azureApiVersion: z.string().nullish().describe('API version (azure).'),
    azureProjectName: z.string().nullish().describe('Project within the Azure resource.'),
    baseUrl: z.string().nullish().describe("URL in place of the provider's own: scheme, host, port and base path."),
    hostOverride: z.string().nullish().describe("`host:port` in place of the provider's own; `baseUrl` is preferred."),
    pathOverride: z.string().nullish().describe('Path that every request is sent to.'),
    pathPrefix: z.string().nullish().describe("Prefix in place of the provider's base path; `baseUrl` is preferred."),
    tokenize: z.boolean().default(false).describe('Count prompt tokens before sending, for token limits.'),
  })
  .meta({ id: 'LlmParams', title: 'Model parameters' });

/** A provider's name, a reference to an entry of `llm.providers`, or a custom provider. */
function modelProvider(catalogue: Catalogue) {
  const names = [...catalogue.providers.values()].filter((provider) => provider.name !== 'custom');
  const builtin = names.filter((provider) => !isPreset(provider)).map((provider) => provider.name);
  const presets = names.filter(isPreset).map((provider) => provider.name);
  const custom = catalogue.providers.get('custom');
  return z
    .union([
      z.enum(['openai', ...builtin, ...presets]),
      z.strictObject({ reference: z.string().describe('Name of an entry of `llm.providers`.') }),
      ...(custom === undefined ? [] : [z.strictObject({ custom: custom.schema.describe(custom.summary) })]),
    ])
    .meta({ id: 'LlmProvider', title: 'Model provider' });
}

/** Fields that a model and a provider's defaults share. */
function modelShape(catalogue: Catalogue) {
  const tls = backendPolicy(catalogue, 'backendTLS');
  return {
    defaults: jsonMap().nullish().describe('Request fields set where the client gave none.'),
    overrides: jsonMap().nullish().describe('Request fields set whatever the client gave.'),
    transformation: celMap().nullish().describe('Request fields computed by CEL expressions.'),
    ...field('requestHeaders', backendPolicy(catalogue, 'requestHeaderModifier'), 'Changes to request headers.'),
    ...field('responseHeaders', backendPolicy(catalogue, 'responseHeaderModifier'), 'Changes to response headers.'),
    ...field('backendTLS', tls, 'TLS towards the provider.'),
    ...field('tls', tls, 'The same as `backendTLS`.'),
    ...field('auth', backendPolicy(catalogue, 'backendAuth'), 'Credential presented to the provider.'),
    ...field('health', backendPolicy(catalogue, 'health'), 'When the provider counts as unhealthy.'),
    ...field('backendTunnel', backendPolicy(catalogue, 'backendTunnel'), 'Proxy on the way to the provider.'),
    ...field('promptCaching', policyField(catalogue, 'ai', 'promptCaching'), 'Cache marks put into prompts.'),
    ...ownField('mediaFetch', policyField(catalogue, 'ai', 'mediaFetch'), 'Images and files fetched for the provider.'),
  };
}

function model(catalogue: Catalogue, providerChoice: ReturnType<typeof modelProvider>) {
  const schema = z.strictObject({
    id: z.string().nullish().describe('Stable id, for keys of metrics and policies.'),
    name: z.string().describe('Name clients ask for; one `*` at either end, or alone, matches the rest.'),
    visibility: z.enum(['public', 'internal']).optional().describe('`internal`: only virtual models may use it.'),
    params: params.optional().describe('Model, key and address.'),
    provider: providerChoice.describe('The provider.'),
    passthrough: z
      .enum(['detect', 'opaque'])
      .nullish()
      .describe('What is done with paths of no known API: read usage where possible, or forward unread.'),
    ...field('authorization', catalogue.policies.get('authorization')?.schema, 'Who may use the model.'),
    ...modelShape(catalogue),
    finalTransformation: celMap().nullish().describe('As `transformation`, on the request as the provider gets it.'),
    ...field('guardrails', policyField(catalogue, 'ai', 'promptGuard'), 'Checks of prompts and answers.'),
    matches: z
      .array(
        z.strictObject({
          headers: z.array(headerMatch()).optional().describe('Headers that must match, all of them.'),
        }),
      )
      .optional()
      .describe('Further conditions on requests; any of them suffices.'),
  });
  return aliases(schema, [['backendTLS', 'tls']]).meta({ id: 'LlmModel', title: 'Model' });
}

function provider(catalogue: Catalogue, providerChoice: ReturnType<typeof modelProvider>) {
  const defaults = z.strictObject(modelShape(catalogue));
  return z
    .strictObject({
      name: z.string().describe('Name that models refer to.'),
      params: params.optional().describe('Model, key and address.'),
      provider: providerChoice.describe('The provider.'),
      defaults: aliases(defaults, [['backendTLS', 'tls']])
        .nullish()
        .describe('Taken by models that refer to this provider where they say nothing themselves.'),
    })
    .meta({ id: 'LlmProviderEntry', title: 'Shared provider' });
}

function virtualModel() {
  const routing = z.strictObject({
    weighted: z
      .strictObject({
        targets: z
          .array(
            z.strictObject({
              model: z.string().describe('Target model.'),
              weight: uint().default(1).describe('Share of requests.'),
            }),
          )
          .describe('Targets.'),
      })
      .nullish()
      .describe('Split by weight.'),
    failover: z
      .strictObject({
        targets: z
          .array(
            z.strictObject({
              model: z.string().describe('Target model.'),
              priority: uint().describe('Lower is tried first.'),
            }),
          )
          .describe('Targets.'),
      })
      .nullish()
      .describe('The best healthy target.'),
    conditional: z
      .strictObject({
        targets: z
          .array(
            z.strictObject({
              when: celExpression().nullish().describe('Taken when this is true; without it, always (last only).'),
              model: z.string().describe('Target model.'),
            }),
          )
          .describe('Targets.'),
      })
      .nullish()
      .describe('The first target whose condition holds.'),
  });
  return z
    .strictObject({
      name: z.string().describe('Name clients ask for.'),
      routing: routing.describe('How a target is chosen: exactly one of the three.'),
    })
    .meta({ id: 'LlmVirtualModel', title: 'Virtual model' });
}

function llmPolicies(catalogue: Catalogue): z.ZodType<PolicyMap> {
  const limit = catalogue.policies.get('localRateLimit');
  const abort = catalogue.policies.get('onClientAbort');
  return z
    .strictObject({
      ...policyShape(catalogue, 'gateway'),
      ...field('guardrails', policyField(catalogue, 'ai', 'promptGuard'), "Checks that run before each model's own."),
      ...(limit === undefined ? {} : { localRateLimit: limit.schema.optional().describe(limit.summary) }),
      ...field(
        'remoteRateLimit',
        catalogue.policies.get('remoteRateLimit')?.schema,
        'Limits kept by a rate-limit service.',
      ),
      ...(abort === undefined ? {} : { onClientAbort: own(abort.schema.nullish().describe(abort.summary)) }),
    })
    .meta({ id: 'LlmPolicies', title: 'LLM policies' }) as unknown as z.ZodType<PolicyMap>;
}

/** The `llm:` section. */
export function llmSection(catalogue: Catalogue) {
  const providerChoice = modelProvider(catalogue);
  return z
    .strictObject({
      gateways: gatewayRefs(),
      port: port().nullish().describe('Port of its own, in place of `gateways`.'),
      driver: own(driver()),
      tls: serverTls.nullish().describe('TLS of the port of its own.'),
      providers: z
        .array(provider(catalogue, providerChoice))
        .optional()
        .describe('Providers that several models share.'),
      models: z.array(model(catalogue, providerChoice)).describe('The models.'),
      virtualModels: z.array(virtualModel()).optional().describe('Names that stand for a choice of models.'),
      policies: llmPolicies(catalogue).nullish().describe('Policies of all models.'),
    })
    .meta({ id: 'LlmSection', title: 'LLM' });
}
