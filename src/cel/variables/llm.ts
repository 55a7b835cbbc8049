import { inputTokens, outputTokens, totalTokens, type Usage } from '../../facts/llm.ts';
import type { Definition } from '../definitions.ts';
import { fromJs } from '../values/json.ts';
import { CelDuration } from '../values/time.ts';
import type { CelValue } from '../values/value.ts';
import type { GatewayActivation, LlmDetails } from './activation.ts';
import { fieldOf, integer, open, record, text } from './fields.ts';

type GatewayDefinition = Definition<GatewayActivation>;

const factsOf = ({ exchange }: GatewayActivation) => exchange?.llm;
const ofLlm = fieldOf(factsOf);

/** A count of tokens: null until it is known. */
function tokens(description: string, count: (usage: Usage) => number): GatewayDefinition {
  return ofLlm(description, ({ usage }) => (usage === null ? null : BigInt(count(usage))));
}

type CountName = Exclude<
  keyof { [K in keyof LlmDetails as LlmDetails[K] extends number | undefined ? K : never]: 0 },
  never
>;

function detail(description: string, name: CountName): GatewayDefinition {
  return ofLlm(description, (_, { llm }) => integer(llm?.[name]));
}

/** Whatever only makes sense to compute when it is read. */
function computed(description: string, name: 'prompt' | 'completion' | 'toolCalls'): GatewayDefinition {
  return ofLlm(description, (_, activation) =>
    activation.once(`llm.${name}`, () => fromJs(activation.llm?.[name]?.())),
  );
}

const COSTS = ['total', 'input', 'output', 'cacheRead', 'cacheWrite', 'reasoning', 'inputAudio', 'outputAudio'];
const RATES = COSTS.slice(1);
const PARAMETERS =
  'temperature top_p frequency_penalty presence_penalty seed max_tokens encoding_format dimensions'.split(' ');

function fieldsOf(
  names: readonly string[],
  unit: string,
  read: (activation: GatewayActivation, name: string) => CelValue | undefined,
): Record<string, GatewayDefinition> {
  return Object.fromEntries(
    names.map((name) => [name, { description: `\`${name}\`${unit}`, read: (activation) => read(activation, name) }]),
  );
}

function paramsOf({ llm: details }: GatewayActivation): Readonly<Record<string, unknown>> | null {
  return (details?.params?.() ?? null) as Readonly<Record<string, unknown>> | null;
}

/** Money is a double, 0 too. */
function cost(activation: GatewayActivation, name: string): CelValue | undefined {
  const known = factsOf(activation)?.cost;
  return known === null || known === undefined ? undefined : (known as unknown as Record<string, number>)[name];
}

function timePerToken({
  firstTokenMs,
  lastTokenMs,
  usage,
}: {
  firstTokenMs: number;
  lastTokenMs: number;
  usage: Usage | null;
}) {
  const count = usage === null ? 0 : outputTokens(usage);
  return firstTokenMs < 0 || count === 0 ? null : CelDuration.fromMs((lastTokenMs - firstTokenMs) / count);
}

export const llm: GatewayDefinition = record(
  'An LLM request and its answer.',
  (activation) => (factsOf(activation) ?? null) !== null,
  {
    streaming: ofLlm('Whether the answer is streamed.', ({ streaming }) => streaming),
    requestModel: ofLlm('The model asked for.', ({ requestModel, clientModel }) => requestModel || clientModel),
    responseModel: ofLlm('The model that answered.', ({ responseModel }) => text(responseModel)),
    provider: ofLlm('The provider.', ({ provider }) => provider),
    inputTokens: tokens('Tokens of the prompt, those read from or written to a cache included.', inputTokens),
    providerInputTokens: detail('Tokens of the prompt as the provider counts them.', 'providerInputTokens'),
    inputImageTokens: detail('Tokens of images in the prompt.', 'inputImageTokens'),
    inputTextTokens: detail('Tokens of text in a prompt of several kinds.', 'inputTextTokens'),
    inputAudioTokens: detail('Tokens of audio in the prompt.', 'inputAudioTokens'),
    cachedInputTokens: tokens('Tokens read from a prompt cache.', ({ cachedInput }) => cachedInput),
    cacheCreationInputTokens: tokens('Tokens written to a prompt cache.', ({ cacheWrite }) => cacheWrite),
    outputTokens: tokens('Tokens of the answer, reasoning included.', outputTokens),
    outputImageTokens: detail('Tokens of images in the answer.', 'outputImageTokens'),
    outputTextTokens: detail('Tokens of text in an answer of several kinds.', 'outputTextTokens'),
    outputAudioTokens: detail('Tokens of audio in the answer.', 'outputAudioTokens'),
    reasoningTokens: tokens('Tokens spent on reasoning.', ({ reasoning }) => reasoning),
    totalTokens: tokens('Tokens of prompt and answer.', totalTokens),
    providerTotalTokens: detail('Tokens of both as the provider counts them.', 'providerTotalTokens'),
    serviceTier: ofLlm('The tier the provider served it under.', (_, { llm }) => text(llm?.serviceTier)),
    timeToFirstToken: ofLlm('From the request to the first token, a duration.', ({ firstTokenMs }) =>
      firstTokenMs < 0 ? null : CelDuration.fromMs(firstTokenMs),
    ),
    timePerOutputToken: ofLlm('What a token took on average from the first on, a duration.', timePerToken),
    countTokens: detail('Tokens of the prompt, as the token counting endpoint answers.', 'countTokens'),
    prompt: computed('The messages of the prompt: `role` and `content`.', 'prompt'),
    completion: computed('The texts of the answer.', 'completion'),
    toolCalls: computed('The tools the model calls: `id`, `name` and `arguments`.', 'toolCalls'),
    params: record('Parameters of the request.', (activation) => paramsOf(activation) !== null, {
      ...fieldsOf(PARAMETERS, ' of the request.', (activation, name) => {
        const params = paramsOf(activation);
        return params === null ? undefined : fromJs(params[name]);
      }),
    }),
    cost: record(
      'What it cost, USD; not set where the price is not known.',
      (activation) => (factsOf(activation)?.cost ?? null) !== null,
      {
        ...fieldsOf(COSTS, ', USD.', cost),
      },
    ),
    costRates: record(
      'The prices that counted, USD for a million tokens.',
      (activation) => (factsOf(activation)?.cost ?? null) !== null,
      {
        ...fieldsOf(RATES, ', USD for a million tokens.', (activation, name) => {
          const rates = factsOf(activation)?.cost?.rates as Readonly<Record<string, number>> | undefined;
          return rates === undefined ? undefined : (rates[name] ?? null);
        }),
      },
    ),
  },
);

export const llmRequest: GatewayDefinition = open(
  'llmRequest',
  'The body of an LLM request before it is processed; while LLM policies run.',
  ({ facts }) => facts.llmRequest,
);
