import type { Conversation, CustomTool, JsonObject, Tool, ToolChoice } from '../../../../facts/conversation.ts';
import type { ModelTraits } from '../claude/models.ts';
import { wireName } from '../claude/names.ts';
import { type Fields, optional } from '../fields.ts';
import type { ProviderSide } from './encode-parts.ts';
import { cacheControl, FORMAT, keptOf, ownFields } from './own.ts';

/** Tools and the choice among them (https://docs.anthropic.com/en/docs/agents-and-tools/tool-use). */

const TOOL = new Set(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control']);

export function decodeTool(fields: Fields): Tool {
  const type = fields.string('type') ?? 'custom';
  if (type !== 'custom') {
    const { cache } = keptOf(fields, new Set());
    const { cache_control: control, ...value } = fields.value;
    const keeps = cache === undefined && control !== undefined && control !== null;
    return {
      kind: 'provider',
      format: FORMAT,
      name: type,
      value: keeps ? fields.value : value,
      ...optional('cache', cache),
    };
  }
  return {
    kind: 'function',
    name: fields.requiredString('name'),
    ...optional('description', fields.string('description')),
    parameters: fields.json('input_schema') ?? null,
    ...optional('strict', fields.boolean('strict')),
    ...keptOf(fields, TOOL),
  };
}

export interface EncodedTools {
  readonly tools: JsonObject[];
  readonly choice: JsonObject | undefined;
}

/** Tools and choice on the wire. Of a choice among some tools, only those are sent. */
export function encodeTools(conversation: Conversation, traits: ModelTraits, side: ProviderSide): EncodedTools {
  const { toolChoice, legacyFunctions } = conversation;
  const parallel = conversation.parallelToolCalls ?? (legacyFunctions === true ? false : undefined);
  const allowed = toolChoice?.allowed;
  const offered =
    allowed === undefined
      ? conversation.tools
      : conversation.tools.filter((tool) => tool.kind === 'provider' || allowed.includes(tool.name));
  const tools = offered.flatMap((tool) => encodeTool(tool, traits, side));
  if (tools.length === 0) {
    // Calls in earlier turns need definitions.
    const called = calledTools(conversation);
    return called.length === 0 ? { tools, choice: undefined } : { tools: called, choice: { type: 'none' } };
  }
  return { tools, choice: encodeChoice(toolChoice, parallel, conversation.tools) };
}

function encodeTool(tool: Tool, traits: ModelTraits, side: ProviderSide): JsonObject[] {
  if (tool.kind === 'provider') {
    if (tool.format === FORMAT) return [{ ...tool.value, ...cacheControl(tool.cache) }];
    side.losses.drop('providerTools', tool.name);
    return [];
  }
  const { name, description } = tool;
  if (tool.kind === 'custom') {
    const told = [description ?? '', grammarOf(tool)].filter((text) => text !== '').join('\n\n');
    const input_schema = { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] };
    return [{ name: wireName(name, true), ...optional('description', told || undefined), input_schema }];
  }
  if (tool.strict === true && !traits.schemas) side.losses.drop('toolStrict');
  const schema = tool.parameters ?? { properties: {} };
  const encoded = {
    name: wireName(name),
    ...optional('description', description),
    input_schema: schema.type === 'object' ? schema : { ...schema, type: 'object' },
    ...optional('strict', traits.schemas ? tool.strict : undefined),
    ...cacheControl(tool.cache),
    ...ownFields(tool.extra),
  };
  return [encoded];
}

/** The grammar of a custom tool, told in words. */
function grammarOf({ grammar }: CustomTool): string {
  if (grammar === undefined) return '';
  const { syntax, definition } = grammar;
  if (typeof definition !== 'string') return `The input must match this grammar: ${JSON.stringify(grammar)}`;
  return `The input must match this ${typeof syntax === 'string' ? `${syntax} ` : ''}grammar:\n${definition}`;
}

function encodeChoice(
  choice: ToolChoice | undefined,
  parallel: boolean | undefined,
  tools: readonly Tool[],
): JsonObject | undefined {
  if (choice === undefined && parallel !== false) return undefined;
  const mode = choice?.mode ?? 'auto';
  if (mode === 'none') return { type: 'none' };
  const control = parallel === undefined ? {} : { disable_parallel_tool_use: !parallel };
  if (mode === 'required') return { type: 'any', ...control };
  if (mode === 'auto' || choice?.name === undefined) return { type: 'auto', ...control };
  const { name } = choice;
  const custom = tools.some((tool) => tool.kind === 'custom' && tool.name === name);
  return { type: 'tool', name: wireName(name, custom), ...control };
}

/** Definitions that say no more than the names of the tools called before. */
function calledTools({ messages }: Conversation): JsonObject[] {
  const names = new Set<string>();
  for (const { parts } of messages) {
    for (const part of parts) if (part.kind === 'tool_call') names.add(wireName(part.name, part.custom));
  }
  return [...names].map((name) => ({ name, input_schema: { type: 'object' } }));
}
