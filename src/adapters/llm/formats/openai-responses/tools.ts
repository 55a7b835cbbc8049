import type { Conversation, JsonObject, Tool, ToolChoice } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { safeName } from '../names.ts';
import { given } from '../openai-chat/own.ts';
import { extraOf, FORMAT, ownExtra } from './own.ts';
import type { Drop } from './parameters.ts';

/** Tools and their choice. Unlike chat's they are flat; a function whose schema isn't called strict is taken for strict. */

const FUNCTION = new Set(['type', 'name', 'description', 'parameters', 'strict']);
const CUSTOM = new Set(['type', 'name', 'description', 'format']);

export function decodeTools(body: Fields): Tool[] {
  return body.objects('tools').map(decodeTool);
}

function decodeTool(tool: Fields): Tool {
  const type = tool.requiredString('type');
  const description = given('description', tool.string('description'));
  if (type === 'function') {
    return {
      kind: 'function',
      name: tool.requiredString('name'),
      ...description,
      parameters: tool.json('parameters') ?? null,
      ...given('strict', tool.boolean('strict')),
      ...extraOf(tool.rest(FUNCTION)),
    };
  }
  if (type === 'custom') {
    return {
      kind: 'custom',
      name: tool.requiredString('name'),
      ...description,
      ...given('grammar', tool.json('format')),
      ...extraOf(tool.rest(CUSTOM)),
    };
  }
  return { kind: 'provider', format: FORMAT, name: type, value: tool.value };
}

export function encodeTools(tools: readonly Tool[], losses: Drop): JsonObject[] {
  return tools.flatMap((tool) => {
    if (tool.kind === 'provider') {
      if (tool.format === FORMAT) return [tool.value];
      losses.drop('providerTools', tool.name);
      return [];
    }
    if (tool.kind === 'function' && tool.cache !== undefined) losses.drop('cacheMarks');
    const { description } = tool;
    const named = { name: safeName(tool.name), ...given('description', description) };
    return tool.kind === 'function'
      ? [
          {
            type: 'function',
            ...named,
            parameters: tool.parameters,
            strict: tool.strict ?? false,
            ...ownExtra(tool),
          },
        ]
      : [{ type: 'custom', ...named, ...given('format', tool.grammar), ...ownExtra(tool) }];
  });
}

/** null: of a kind that only this format knows. Throws where it is of none. */
export function decodeToolChoice(body: Fields): ToolChoice | null | undefined {
  const value = body.value.tool_choice;
  if (value === 'auto' || value === 'none' || value === 'required') return { mode: value };
  if (value === undefined || value === null) return undefined;
  const choice = body.object('tool_choice');
  switch (choice?.requiredString('type')) {
    case 'function':
    case 'custom':
      return { mode: 'tool', name: choice.requiredString('name') };
    case 'allowed_tools':
      return allowedTools(choice);
    default:
      return null;
  }
}

function allowedTools(choice: Fields): ToolChoice | null {
  const allowed: string[] = [];
  for (const tool of choice.objects('tools')) {
    const name = tool.string('name');
    const type = tool.string('type');
    if (name === undefined || (type !== 'function' && type !== 'custom')) return null;
    allowed.push(name);
  }
  return { mode: choice.string('mode') === 'required' ? 'required' : 'auto', allowed };
}

export function encodeToolChoice({ toolChoice, tools }: Conversation): string | JsonObject | undefined {
  if (toolChoice === undefined) return undefined;
  const { mode, name = '', allowed } = toolChoice;
  const named = (one: string) => ({ type: isCustom(tools, one) ? 'custom' : 'function', name: safeName(one) });
  if (mode === 'tool') return named(name);
  if (mode === 'none' || allowed === undefined) return mode;
  return { type: 'allowed_tools', mode, tools: allowed.map(named) };
}

function isCustom(tools: readonly Tool[], name: string): boolean {
  return tools.some((tool) => tool.kind === 'custom' && tool.name === name);
}
