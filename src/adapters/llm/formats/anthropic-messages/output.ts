import type { JsonObject, OutputFormat } from '../../../../facts/conversation.ts';
import type { ModelTraits } from '../claude/models.ts';
import { ANSWER_TOOL, VALUE_TOOL } from '../claude/names.ts';
import { nativeSchema } from '../claude/schema.ts';
import { type Fields, optional } from '../fields.ts';
import type { EncodedTools } from './tools.ts';

/** Structured answers (https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs). */

const FORMAT_FIELDS = new Set(['type', 'schema']);
/** The hub's name of a schema where the client gave none. */
const NAME = 'output';

/** `rest`: the format as it stands where it is of a kind the hub has no word for. */
export function decodeOutput(format: Fields | undefined): {
  readonly output?: OutputFormat;
  readonly rest?: JsonObject;
} {
  if (format === undefined) return {};
  const schema = format.string('type') === 'json_schema' ? format.json('schema') : undefined;
  if (schema === undefined) return { rest: format.value };
  const rest = format.rest(FORMAT_FIELDS);
  const title = typeof schema.title === 'string' && schema.title !== '' ? schema.title : NAME;
  return { output: { type: 'schema', name: title, schema }, ...optional('rest', rest && format.value) };
}

export interface OutputPlan extends EncodedTools {
  /** `output_config.format`. */
  readonly format?: JsonObject;
  /** What the model is told at the end of the system prompt. */
  readonly instruction?: string;
}

/**
 * How the answer's form is asked for: by `output_config.format` where the model has that and the schema fits, else by a tool whose input
 * is the answer (`names.ts`), which the model must call where it calls no other. JSON without a schema is asked for in words.
 */
export function planOutput(output: OutputFormat | undefined, traits: ModelTraits, encoded: EncodedTools): OutputPlan {
  if (output === undefined) return encoded;
  if (output.type === 'json') {
    return { ...encoded, instruction: 'Answer with one JSON object and nothing else: no other text, no code fence.' };
  }
  const schema = traits.schemas ? nativeSchema(output.schema) : null;
  if (schema !== null) return { ...encoded, format: { type: 'json_schema', schema } };
  const tool = answerTool(output);
  const callable = encoded.tools.length > 0 && encoded.choice?.type !== 'none';
  if (!callable) return { tools: [...encoded.tools, tool], choice: { type: 'tool', name: tool.name } };
  // The client's own choice of a tool comes before the answer.
  const forced = encoded.choice?.type === 'any' || encoded.choice?.type === 'tool';
  const choice = forced ? encoded.choice : { ...encoded.choice, type: 'any' };
  return { tools: forced ? encoded.tools : [...encoded.tools, tool], choice };
}

function answerTool({ description, schema }: OutputFormat & { type: 'schema' }): JsonObject {
  const told = 'Gives the final answer. Call it once, when the answer is complete.';
  const isObject = schema.type === 'object';
  return {
    name: isObject ? ANSWER_TOOL : VALUE_TOOL,
    description: description === undefined ? told : `${told} The answer: ${description}`,
    input_schema: isObject ? schema : { type: 'object', properties: { value: schema }, required: ['value'] },
  };
}
