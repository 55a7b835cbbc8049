import Anthropic from '@anthropic-ai/sdk';
import {
  BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

/** One turn as a test puts it, whatever client says it. */
export interface Turn {
  readonly model: string;
  readonly prompt: string;
  readonly system?: string;
  /** PNG, base64. */
  readonly image?: string;
  readonly tool?: { readonly name: string; readonly description: string; readonly parameters: Record<string, unknown> };
  /** JSON schema of the answer. */
  readonly schema?: Record<string, unknown>;
}

/** What a client made of the answer. */
export interface Outcome {
  text: string;
  /** Pieces the text came in. */
  pieces: number;
  calls: { name: string; arguments: unknown }[];
  inputTokens: number;
  outputTokens: number;
}

/** An official client, unmodified, speaking its own format to the gateway. */
export interface Client {
  readonly name: string;
  whole(turn: Turn): Promise<Outcome>;
  stream(turn: Turn): Promise<Outcome>;
}

const MAX_TOKENS = 1000;
const none = (): Outcome => ({ text: '', pieces: 0, calls: [], inputTokens: 0, outputTokens: 0 });

function openaiChat(port: number): Client {
  const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'client', maxRetries: 0 });
  const body = ({ model, prompt, system, image, tool, schema }: Turn) => ({
    model,
    messages: [
      ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
      {
        role: 'user' as const,
        content:
          image === undefined
            ? prompt
            : [
                { type: 'text' as const, text: prompt },
                { type: 'image_url' as const, image_url: { url: `data:image/png;base64,${image}` } },
              ],
      },
    ],
    ...(tool === undefined ? {} : { tools: [{ type: 'function' as const, function: tool }] }),
    ...(schema === undefined
      ? {}
      : { response_format: { type: 'json_schema' as const, json_schema: { name: 'answer', schema, strict: true } } }),
  });
  return {
    name: 'openai chat',
    async whole(turn) {
      const answer = await client.chat.completions.create(body(turn));
      const message = answer.choices[0]!.message;
      return {
        text: message.content ?? '',
        pieces: 1,
        calls: (message.tool_calls ?? []).map((call) => {
          if (call.type !== 'function') throw new Error(call.type);
          return { name: call.function.name, arguments: JSON.parse(call.function.arguments) };
        }),
        inputTokens: answer.usage!.prompt_tokens,
        outputTokens: answer.usage!.completion_tokens,
      };
    },
    async stream(turn) {
      const outcome = none();
      const calls: { name: string; json: string }[] = [];
      const stream = await client.chat.completions.create({
        ...body(turn),
        stream: true,
        stream_options: { include_usage: true },
      });
      for await (const { choices, usage } of stream) {
        const delta = choices[0]?.delta;
        if (delta?.content) {
          outcome.text += delta.content;
          outcome.pieces++;
        }
        for (const call of delta?.tool_calls ?? []) {
          calls[call.index] ??= { name: '', json: '' };
          calls[call.index]!.name += call.function?.name ?? '';
          calls[call.index]!.json += call.function?.arguments ?? '';
        }
        if (usage) Object.assign(outcome, { inputTokens: usage.prompt_tokens, outputTokens: usage.completion_tokens });
      }
      outcome.calls = calls.map(({ name, json }) => ({ name, arguments: JSON.parse(json) }));
      return outcome;
    },
  };
}

function openaiResponses(port: number): Client {
  const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'client', maxRetries: 0 });
  const body = ({ model, prompt, system, image, tool, schema }: Turn) => ({
    model,
    ...(system === undefined ? {} : { instructions: system }),
    input: [
      {
        role: 'user' as const,
        content: [
          { type: 'input_text' as const, text: prompt },
          ...(image === undefined
            ? []
            : [
                {
                  type: 'input_image' as const,
                  image_url: `data:image/png;base64,${image}`,
                  detail: 'auto' as const,
                },
              ]),
        ],
      },
    ],
    ...(tool === undefined ? {} : { tools: [{ type: 'function' as const, ...tool, strict: false }] }),
    ...(schema === undefined
      ? {}
      : { text: { format: { type: 'json_schema' as const, name: 'answer', schema, strict: true } } }),
  });
  const outcomeOf = (answer: OpenAI.Responses.Response, pieces: number): Outcome => ({
    text: answer.output_text,
    pieces,
    calls: answer.output.flatMap((item) =>
      item.type === 'function_call' ? [{ name: item.name, arguments: JSON.parse(item.arguments) }] : [],
    ),
    inputTokens: answer.usage!.input_tokens,
    outputTokens: answer.usage!.output_tokens,
  });
  return {
    name: 'openai responses',
    whole: async (turn) => outcomeOf(await client.responses.create(body(turn)), 1),
    async stream(turn) {
      const stream = client.responses.stream(body(turn));
      let [text, pieces] = ['', 0];
      stream.on('response.output_text.delta', ({ delta }) => {
        text += delta;
        pieces++;
      });
      const outcome = outcomeOf(await stream.finalResponse(), pieces);
      return { ...outcome, text };
    },
  };
}

function anthropicMessages(port: number): Client {
  const client = new Anthropic({ baseURL: `http://127.0.0.1:${port}`, apiKey: 'client', maxRetries: 0 });
  const body = ({ model, prompt, system, image, tool, schema }: Turn) => ({
    model,
    max_tokens: MAX_TOKENS,
    ...(system === undefined ? {} : { system }),
    messages: [
      {
        role: 'user' as const,
        content: [
          { type: 'text' as const, text: prompt },
          ...(image === undefined
            ? []
            : [
                {
                  type: 'image' as const,
                  source: { type: 'base64' as const, media_type: 'image/png' as const, data: image },
                },
              ]),
        ],
      },
    ],
    ...(tool === undefined
      ? {}
      : {
          tools: [
            {
              name: tool.name,
              description: tool.description,
              input_schema: tool.parameters as Anthropic.Tool.InputSchema,
            },
          ],
        }),
    ...(schema === undefined ? {} : { output_config: { format: { type: 'json_schema' as const, schema } } }),
  });
  const outcomeOf = (message: Anthropic.Message, pieces: number): Outcome => ({
    text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    pieces,
    calls: message.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ name: block.name, arguments: block.input }] : [],
    ),
    inputTokens: message.usage.input_tokens,
    outputTokens: message.usage.output_tokens,
  });
  return {
    name: 'anthropic messages',
    whole: async (turn) => outcomeOf(await client.messages.create(body(turn)), 1),
    async stream(turn) {
      const stream = client.messages.stream(body(turn));
      let pieces = 0;
      stream.on('text', () => {
        pieces++;
      });
      return outcomeOf(await stream.finalMessage(), pieces);
    },
  };
}

function gemini(port: number): Client {
  const client = new GoogleGenAI({
    apiKey: 'client',
    httpOptions: { baseUrl: `http://127.0.0.1:${port}`, retryOptions: { attempts: 1 } },
  });
  const body = ({ model, prompt, system, image, tool, schema }: Turn) => ({
    model,
    contents: [
      {
        role: 'user',
        parts: [
          { text: prompt },
          ...(image === undefined ? [] : [{ inlineData: { mimeType: 'image/png', data: image } }]),
        ],
      },
    ],
    config: {
      ...(system === undefined ? {} : { systemInstruction: system }),
      ...(tool === undefined
        ? {}
        : {
            tools: [
              {
                functionDeclarations: [
                  { name: tool.name, description: tool.description, parametersJsonSchema: tool.parameters },
                ],
              },
            ],
          }),
      ...(schema === undefined ? {} : { responseMimeType: 'application/json', responseJsonSchema: schema }),
    },
  });
  return {
    name: 'google genai',
    async whole(turn) {
      const answer = await client.models.generateContent(body(turn));
      return {
        text: answer.candidates?.[0]?.content?.parts?.map(({ text }) => text ?? '').join('') ?? '',
        pieces: 1,
        calls: (answer.functionCalls ?? []).map(({ name = '', args }) => ({ name, arguments: args })),
        inputTokens: answer.usageMetadata?.promptTokenCount ?? 0,
        outputTokens: answer.usageMetadata?.candidatesTokenCount ?? 0,
      };
    },
    async stream(turn) {
      const outcome = none();
      for await (const chunk of await client.models.generateContentStream(body(turn))) {
        const text = chunk.candidates?.[0]?.content?.parts?.map((part) => part.text ?? '').join('') ?? '';
        outcome.text += text;
        if (text !== '') outcome.pieces++;
        for (const { name = '', args } of chunk.functionCalls ?? []) outcome.calls.push({ name, arguments: args });
        outcome.inputTokens = chunk.usageMetadata?.promptTokenCount ?? outcome.inputTokens;
        outcome.outputTokens = chunk.usageMetadata?.candidatesTokenCount ?? outcome.outputTokens;
      }
      return outcome;
    },
  };
}

function bedrock(port: number): Client {
  const client = new BedrockRuntimeClient({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'client', secretAccessKey: 'client' },
    maxAttempts: 1,
  });
  const body = ({ model, prompt, system, image, tool, schema }: Turn): ConverseCommandInput => ({
    modelId: model,
    ...(system === undefined ? {} : { system: [{ text: system }] }),
    messages: [
      {
        role: 'user',
        content: [
          { text: prompt },
          ...(image === undefined
            ? []
            : [{ image: { format: 'png' as const, source: { bytes: Buffer.from(image, 'base64') } } }]),
        ],
      },
    ],
    ...(tool === undefined
      ? {}
      : {
          toolConfig: {
            tools: [
              {
                toolSpec: {
                  name: tool.name,
                  description: tool.description,
                  inputSchema: { json: tool.parameters as never },
                },
              },
            ],
          },
        }),
    ...(schema === undefined
      ? {}
      : {
          outputConfig: {
            textFormat: {
              type: 'json_schema' as const,
              structure: { jsonSchema: { name: 'answer', schema: JSON.stringify(schema) } },
            },
          },
        }),
  });
  return {
    name: 'bedrock converse',
    async whole(turn) {
      const { output, usage } = await client.send(new ConverseCommand(body(turn)));
      const blocks = output?.message?.content ?? [];
      return {
        text: blocks.map(({ text }) => text ?? '').join(''),
        pieces: 1,
        calls: blocks.flatMap(({ toolUse }) =>
          toolUse === undefined ? [] : [{ name: toolUse.name ?? '', arguments: toolUse.input }],
        ),
        inputTokens: usage?.inputTokens ?? 0,
        outputTokens: usage?.outputTokens ?? 0,
      };
    },
    async stream(turn) {
      const outcome = none();
      const calls = new Map<number, { name: string; json: string }>();
      const { stream } = await client.send(new ConverseStreamCommand(body(turn)));
      for await (const event of stream ?? []) {
        const start = event.contentBlockStart;
        if (start?.start?.toolUse !== undefined)
          calls.set(start.contentBlockIndex ?? 0, { name: start.start.toolUse.name ?? '', json: '' });
        const delta = event.contentBlockDelta;
        if (delta?.delta?.text !== undefined) {
          outcome.text += delta.delta.text;
          outcome.pieces++;
        }
        if (delta?.delta?.toolUse !== undefined)
          calls.get(delta.contentBlockIndex ?? 0)!.json += delta.delta.toolUse.input ?? '';
        if (event.metadata?.usage !== undefined) {
          outcome.inputTokens = event.metadata.usage.inputTokens ?? 0;
          outcome.outputTokens = event.metadata.usage.outputTokens ?? 0;
        }
      }
      outcome.calls = [...calls.values()].map(({ name, json }) => ({ name, arguments: JSON.parse(json) }));
      return outcome;
    },
  };
}

export const CLIENTS = [openaiChat, openaiResponses, anthropicMessages, gemini, bedrock] as const;
