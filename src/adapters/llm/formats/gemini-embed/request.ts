import { GatewayError } from '../../../../errors/table.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EmbeddingInput, EmbeddingPart, EmbeddingPurpose, EmbeddingRequest } from '../../../../facts/embedding.ts';
import type { PathFacts } from '../codec.ts';
import type { EmbeddingContext } from '../embedding-features.ts';
import { dropExtra, onlyFloats, purposeOf } from '../embedding-inputs.ts';
import { compact, Fields } from '../fields.ts';

/** Proto JSON takes both names of a field. */
const KNOWN = new Set([
  'model',
  'content',
  'title',
  'taskType',
  'task_type',
  'outputDimensionality',
  'output_dimensionality',
  'autoTruncate',
  'auto_truncate',
]);

/** What one request of Gemini's says beside its input. */
type Settings = Omit<EmbeddingRequest, 'inputs' | 'model'>;

function decodeOne(fields: Fields): { readonly input: EmbeddingInput; readonly settings: Settings } {
  const extra = fields.rest(KNOWN) ?? {};
  const word = fields.string('taskType') ?? fields.string('task_type');
  const purpose = purposeOf(word);
  if (word !== undefined && purpose === undefined && word !== UNSPECIFIED) extra.taskType = word;
  const dimensions = fields.number('outputDimensionality') ?? fields.number('output_dimensionality');
  const cut = fields.boolean('autoTruncate') ?? fields.boolean('auto_truncate');
  const title = fields.string('title');
  const parts = fields.requiredObject('content').objects('parts').map(decodePart);
  if (parts.length === 0) throw fields.fault('content', 'has no parts');
  return {
    input: { parts, ...(title !== undefined && { title }) },
    settings: {
      types: ['float'],
      ...(dimensions !== undefined && { dimensions }),
      ...(purpose !== undefined && { purpose }),
      ...(cut !== undefined && { truncate: cut ? 'end' : 'none' }),
      ...(Object.keys(extra).length > 0 && { extra }),
    },
  };
}

const UNSPECIFIED = 'TASK_TYPE_UNSPECIFIED';

function decodePart(part: Fields): EmbeddingPart {
  const data = part.object('inlineData') ?? part.object('inline_data');
  const file = part.object('fileData') ?? part.object('file_data');
  if (data !== undefined) {
    const mediaType = data.string('mimeType') ?? data.requiredString('mime_type');
    return { kind: 'image', mediaType, data: data.requiredString('data') };
  }
  if (file !== undefined) return { kind: 'imageUrl', url: file.string('fileUri') ?? file.requiredString('file_uri') };
  return { kind: 'text', text: part.requiredString('text') };
}

/** `{content, taskType, …}`. */
export function decodeSingle(body: JsonObject, { model }: PathFacts): EmbeddingRequest {
  const { input, settings } = decodeOne(Fields.ofRequest(body));
  return { model, inputs: [input], ...settings };
}

/** `{requests: [{content, taskType, …}]}`; whose settings differ can only be asked for apart. */
export function decodeBatch(body: JsonObject, { model }: PathFacts): EmbeddingRequest {
  const fields = Fields.ofRequest(body);
  const [first, ...others] = fields.objects('requests').map(decodeOne);
  if (first === undefined) throw fields.fault('requests', 'is missing or empty');
  const settings = JSON.stringify(first.settings);
  if (others.some((one) => JSON.stringify(one.settings) !== settings)) {
    const message =
      'The requests of a batch for this provider must have the same "taskType" and "outputDimensionality".';
    throw new GatewayError('unsupported_parameter', message);
  }
  return { model, inputs: [first, ...others].map(({ input }) => input), ...first.settings };
}

const TASKS: Readonly<Record<EmbeddingPurpose, string>> = {
  query: 'RETRIEVAL_QUERY',
  document: 'RETRIEVAL_DOCUMENT',
  similarity: 'SEMANTIC_SIMILARITY',
  classification: 'CLASSIFICATION',
  clustering: 'CLUSTERING',
  question: 'QUESTION_ANSWERING',
  fact: 'FACT_VERIFICATION',
  code: 'CODE_RETRIEVAL_QUERY',
};

/** Google's name for a purpose. */
export function taskOf(purpose: EmbeddingPurpose | undefined): string | undefined {
  return purpose === undefined ? undefined : TASKS[purpose];
}

function encodeOne(input: EmbeddingInput, request: EmbeddingRequest, context: EmbeddingContext): JsonObject {
  return compact({
    content: { parts: input.parts.map((part) => encodePart(part, context)) },
    taskType: taskOf(request.purpose),
    title: input.title,
    outputDimensionality: request.dimensions,
  });
}

function encodePart(part: EmbeddingPart, { losses }: EmbeddingContext): JsonObject {
  switch (part.kind) {
    case 'text':
      return { text: part.text };
    case 'image':
      return { inlineData: { mimeType: part.mediaType, data: part.data } };
    case 'imageUrl':
      return { fileData: { fileUri: part.url } };
    case 'tokens':
      return losses.refuse('tokens');
  }
}

function noteLosses(request: EmbeddingRequest, context: EmbeddingContext): void {
  const { losses } = context;
  onlyFloats(request, context);
  dropExtra(request, losses);
  if (request.user !== undefined) losses.drop('user');
  if (request.truncate === 'start' || request.truncate === 'none') losses.drop('truncate');
}

const NOTHING: EmbeddingInput = { parts: [] };

export function encodeSingle(request: EmbeddingRequest, context: EmbeddingContext): JsonObject {
  noteLosses(request, context);
  const [input = NOTHING] = request.inputs;
  return encodeOne(input, request, context);
}

export function encodeBatch(request: EmbeddingRequest, context: EmbeddingContext): JsonObject {
  noteLosses(request, context);
  const model = modelName(context.model);
  return { requests: request.inputs.map((input) => ({ model, ...encodeOne(input, request, context) })) };
}

/** A model's name as Gemini's bodies have it: with its collection. */
export function modelName(model: string): string {
  return model.includes('/') ? model : `models/${model}`;
}
