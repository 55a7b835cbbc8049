import { z } from 'zod';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { HeaderList } from '../../../headers.ts';
import { isClaude } from '../formats/bedrock-converse/models.ts';
import { Fields, isObject, parseObject } from '../formats/fields.ts';
import type { FormatName } from '../formats/route-types.ts';
import { withModelInPath } from '../paths.ts';
import type { FormatPath, ProviderDefinition } from './provider.ts';
import { modelSetting, pinnedModel } from './settings.ts';

const schema = z.strictObject({
  model: modelSetting,
  // It becomes a part of the host's name.
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/)
    .describe('AWS region.'),
  guardrailIdentifier: z.string().nullish().describe('Id of a Bedrock guardrail to apply.'),
  guardrailVersion: z.string().nullish().describe('Version of the guardrail.'),
});

/** The version of a guardrail that is being worked on. */
const DRAFT = 'DRAFT';

const CONVERSE: FormatPath = {
  path: '',
  pathOf: (model, streaming) => `/model/${encodeURIComponent(model)}/converse${streaming ? '-stream' : ''}`,
  verbatim: false,
};
const INVOKE: FormatPath = {
  path: '',
  pathOf: (model, streaming) => `/model/${encodeURIComponent(model)}/invoke${streaming ? '-with-response-stream' : ''}`,
  verbatim: false,
};
const COUNT_TOKENS: FormatPath = {
  path: '',
  pathOf: (model) => `/model/${encodeURIComponent(withoutRegion(model))}/count-tokens`,
  verbatim: false,
};
const FORMATS: ReadonlyMap<FormatName, FormatPath> = new Map([
  ['converse', CONVERSE],
  ['invoke', INVOKE],
  ['bedrockCountTokens', COUNT_TOKENS],
]);

/** Models whose embeddings are asked for by `invoke`, each family in a form of its own. Names may have a region's prefix. */
const EMBEDDING_MODELS: readonly (readonly [RegExp, FormatName])[] = [
  [/(?:^|[./])titan-embed-(?:text|g1-text)/, 'titanEmbed'],
  [/(?:^|[./])nova-\d+-multimodal-embeddings/, 'novaEmbed'],
  [/(?:^|\.|\/)cohere\.embed-/, 'bedrockCohereEmbed'],
];
const RERANKERS = /(?:^|[./])(?:cohere|amazon)\.rerank-/;

/** What a model takes that doesn't converse; null for those that do. */
function otherFormats(model: string, region: string): ReadonlyMap<FormatName, FormatPath> | null {
  const embedding = EMBEDDING_MODELS.find(([name]) => name.test(model));
  if (embedding !== undefined)
    return new Map([
      [embedding[1], INVOKE],
      ['invoke', INVOKE],
    ]);
  if (!RERANKERS.test(model)) return null;
  const origin = { host: hostOf(region, 'bedrock-agent-runtime'), port: 443, tls: true };
  return new Map<FormatName, FormatPath>([
    ['bedrockRerank', { path: '/rerank', origin, verbatim: false }],
    ['invoke', INVOKE],
  ]);
}

/** Tokens are counted by models, not by the inference profiles that send requests to several regions: they are named by a prefix. */
function withoutRegion(model: string): string {
  return model.replace(/^(?:us-gov|us|eu|apac|jp|au|ca|global)\./, '');
}

/**
 * Amazon Bedrock (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html), signed with the
 * credentials that the process finds where no others are configured. Other formats are converted to Converse, for all models. A guardrail that is configured applies to whatever is asked of a model.
 */
export const bedrock: ProviderDefinition = {
  name: 'bedrock',
  schema,
  summary: 'Amazon Bedrock: models that converse, embeddings and rerankers.',
  active: true,
  defaultAuth: 'aws',
  open(provider) {
    const { region, guardrailIdentifier, guardrailVersion } = schema.parse(provider.settings);
    const model = pinnedModel(provider);
    const guardrail = guardrailIdentifier ? { guardrailIdentifier, guardrailVersion: guardrailVersion || DRAFT } : null;
    return {
      telemetryName: 'aws.bedrock',
      origin: { host: hostOf(region), port: 443, tls: true },
      basePath: '',
      formats: FORMATS,
      formatsFor: (asked) => otherFormats(asked, region) ?? FORMATS,
      otherPath: (path) => (model === '' ? path : withModelInPath(path, model)),
      signingScope: { service: 'bedrock', region },
      model,
      keepsPathOnHostOverride: false,
      issuerOf: (asked) => (isClaude(asked) ? 'anthropic' : 'bedrock'),
      shapeBody: (body, format) => {
        if (format === 'bedrockRerank') return withModelArn(body, region);
        return guardrail !== null && format === 'converse' ? guarded(body, guardrail) : body;
      },
      ...(guardrail !== null && {
        fixHeaders: (headers: HeaderList, _located: boolean, path: string) => guardInvoke(headers, path, guardrail),
        shapeNative: (bytes: Buffer, format: FormatName) =>
          format === 'converse' ? guardedBytes(bytes, guardrail) : bytes,
      }),
    };
  },
};

function hostOf(region: string, service = 'bedrock-runtime'): string {
  return `${service}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

/** Rerankers are named by their ARN. */
function withModelArn(body: JsonObject, region: string): JsonObject {
  const configuration = Fields.ofAnswer(body).requiredObject('rerankingConfiguration');
  const settings = configuration.requiredObject('bedrockRerankingConfiguration');
  const model = settings.requiredObject('modelConfiguration');
  const name = model.string('modelArn') ?? '';
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
  const modelArn = name.startsWith('arn:') ? name : `arn:${partition}:bedrock:${region}::foundation-model/${name}`;
  return {
    ...body,
    rerankingConfiguration: {
      ...configuration.value,
      bedrockRerankingConfiguration: { ...settings.value, modelConfiguration: { ...model.value, modelArn } },
    },
  };
}

interface Guardrail extends JsonObject {
  readonly guardrailIdentifier: string;
  readonly guardrailVersion: string;
}

/** What the client says of tracing stays; the guardrail is the operator's. */
function guarded(body: JsonObject, guardrail: Guardrail): JsonObject {
  const said = isObject(body.guardrailConfig) ? body.guardrailConfig : {};
  return { ...body, guardrailConfig: { ...said, ...guardrail } };
}

function guardedBytes(bytes: Buffer, guardrail: Guardrail): Buffer {
  return Buffer.from(JSON.stringify(guarded(parseObject(bytes.toString('utf8')) ?? {}, guardrail)));
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html#API_runtime_InvokeModel_RequestSyntax */
function guardInvoke(headers: HeaderList, path: string, { guardrailIdentifier, guardrailVersion }: Guardrail): void {
  if (!path.includes('/invoke')) return;
  headers.set('x-amzn-bedrock-guardrailidentifier', guardrailIdentifier);
  headers.set('x-amzn-bedrock-guardrailversion', guardrailVersion);
}
