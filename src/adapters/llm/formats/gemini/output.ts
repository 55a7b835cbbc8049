import type {
  Conversation,
  FunctionTool,
  OutputFormat,
  ToolCallPart,
  ToolChoice,
} from '../../../../facts/conversation.ts';
import { ANSWER_TOOL, answerOfInput, VALUE_TOOL } from '../claude/names.ts';
import { parseObject } from '../fields.ts';
import { type GeminiModel, LEVELS } from './models.ts';

/**
 * Answers of a given form beside tools, which Gemini refuses before version 3
 * (https://ai.google.dev/gemini-api/docs/structured-output): there the answer is the input of a tool, which the model must call where it
 * calls no other, and JSON without a schema is asked for in words.
 */
export function withSayableOutput(conversation: Conversation, { generation }: GeminiModel): Conversation {
  const { output, toolChoice, ...rest } = conversation;
  const { tools, messages } = rest;
  if (output === undefined || generation >= LEVELS || tools.every(({ kind }) => kind === 'provider'))
    return conversation;
  switch (toolChoice?.mode) {
    case 'none':
      return { ...rest, output, tools: tools.filter(({ kind }) => kind === 'provider') };
    case 'required':
    case 'tool':
      // The client's own choice of a tool comes before the answer.
      return { ...rest, toolChoice };
    default:
  }
  if (output.type === 'json') {
    const text = 'Where you call no tool, answer with one JSON object and nothing else: no other text, no code fence.';
    const told = { role: 'system', parts: [{ kind: 'text', text }] } as const;
    return { ...rest, ...(toolChoice && { toolChoice }), messages: [...messages, told] };
  }
  const tool = answerTool(output);
  const allowed = toolChoice?.allowed;
  const choice: ToolChoice = { mode: 'required', ...(allowed && { allowed: [...allowed, tool.name] }) };
  return { ...rest, tools: [...tools, tool], toolChoice: choice };
}

function answerTool({ description, schema }: OutputFormat & { type: 'schema' }): FunctionTool {
  const told = 'Gives the final answer. Call it once, when the answer is complete.';
  const isObject = schema.type === 'object';
  return {
    kind: 'function',
    name: isObject ? ANSWER_TOOL : VALUE_TOOL,
    description: description === undefined ? told : `${told} The answer: ${description}`,
    parameters: isObject ? schema : { type: 'object', properties: { value: schema }, required: ['value'] },
  };
}

/** The answer in a call of the tool that stands for it; undefined where the call is of another. */
export function answerInCall({ name, arguments: json }: ToolCallPart): string | undefined {
  return name === ANSWER_TOOL || name === VALUE_TOOL ? answerOfInput(name, parseObject(json)) : undefined;
}
