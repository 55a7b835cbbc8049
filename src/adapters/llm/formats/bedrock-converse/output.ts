import type { JsonObject, OutputFormat } from '../../../../facts/conversation.ts';
import { ANSWER_TOOL, VALUE_TOOL } from '../claude/names.ts';
import { nativeSchema } from '../claude/schema.ts';
import { compact, type Fields, parseObject } from '../fields.ts';
import type { ModelTraits } from './models.ts';

/** Answers of a given form (https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html). */

/** The hub's name of a schema where the client gave none. */
const UNNAMED = 'output';

export function decodeOutput(config: Fields | undefined): OutputFormat | undefined {
  const definition = config?.object('textFormat')?.object('structure')?.object('jsonSchema');
  if (definition === undefined) return undefined;
  const schema = parseObject(definition.requiredString('schema'));
  if (schema === null) throw definition.fault('schema', 'must be the JSON text of a schema');
  return compact({
    type: 'schema' as const,
    name: definition.string('name') ?? UNNAMED,
    description: definition.string('description'),
    schema,
    strict: true,
  }) as OutputFormat;
}

export interface OutputPlan {
  /** `outputConfig.textFormat`. */
  readonly textFormat?: JsonObject;
  /** A tool whose input is the answer: the model must call it where it calls no other. */
  readonly tool?: { readonly name: string; readonly entry: JsonObject };
  /** What the model is told at the end of the system prompt. */
  readonly instruction?: string;
}

/**
 * How the answer's form is asked for: natively where the model has that and the schema fits, else by a tool. JSON without a schema is
 * asked for in words.
 */
export function planOutput(output: OutputFormat | undefined, { schemas }: ModelTraits): OutputPlan {
  if (output === undefined) return {};
  if (output.type === 'json') {
    return { instruction: 'Answer with one JSON object and nothing else: no other text, no code fence.' };
  }
  const { name, description } = output;
  const schema = schemas ? nativeSchema(output.schema) : null;
  if (schema !== null) {
    const jsonSchema = compact({ schema: JSON.stringify(schema), name, description });
    return { textFormat: { type: 'json_schema', structure: { jsonSchema } } };
  }
  return { tool: answerTool(output.schema, description) };
}

function answerTool(schema: JsonObject, description: string | undefined): NonNullable<OutputPlan['tool']> {
  const told = 'Gives the final answer. Call it once, when the answer is complete.';
  const isObject = schema.type === 'object';
  const name = isObject ? ANSWER_TOOL : VALUE_TOOL;
  const toolSpec = {
    name,
    description: description === undefined ? told : `${told} The answer: ${description}`,
    inputSchema: { json: isObject ? schema : { type: 'object', properties: { value: schema }, required: ['value'] } },
  };
  return { name, entry: { toolSpec } };
}
