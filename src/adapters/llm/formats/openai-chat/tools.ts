import { GatewayError } from '../../../../errors/table.ts';
import type {
  Conversation,
  CustomTool,
  FunctionTool,
  JsonObject,
  Tool,
  ToolChoice,
} from '../../../../facts/conversation.ts';
import type { EncodeContext } from '../codec.ts';
import type { Fields } from '../fields.ts';
import { isObject } from '../fields.ts';
import { safeName } from '../names.ts';
import { cacheMark, extraOf, FORMAT, given, ownExtra, saysCacheMark } from './own.ts';

/** Tools and the choice among them, with the legacy `functions` and `function_call`. */

/** Name under which `web_search_options`, a member of the request, is held: it is a tool that the provider runs. */
const WEB_SEARCH = 'web_search_options';

export function readTools(body: Fields): Tool[] {
  const tools: Tool[] = body.objects('tools').map(readTool);
  for (const fn of body.objects('functions')) tools.push(readFunction(fn, undefined));
  const search = body.json(WEB_SEARCH);
  if (search !== undefined) tools.push({ kind: 'provider', format: FORMAT, name: WEB_SEARCH, value: search });
  return tools;
}

const OF_TOOL = new Set(['type', 'function', 'custom']);
const OF_FUNCTION = new Set(['name', 'description', 'parameters', 'strict']);
const OF_CUSTOM = new Set(['name', 'description', 'format']);

function readTool(tool: Fields): Tool {
  const type = tool.requiredString('type');
  if (type === 'function') {
    return { ...readFunction(tool.requiredObject('function'), tool.rest(OF_TOOL)), ...cacheMark(tool) };
  }
  if (type === 'custom') return readCustom(tool.requiredObject('custom'), tool.rest(OF_TOOL));
  return { kind: 'provider', format: FORMAT, name: type, value: tool.value, ...cacheMark(tool) };
}

/** `around`: members beside `function`. Unknown members within it are kept under its name. */
function readFunction(fn: Fields, around: JsonObject | undefined): FunctionTool {
  return {
    kind: 'function',
    name: fn.requiredString('name'),
    ...given('description', fn.string('description')),
    parameters: fn.json('parameters') ?? null,
    ...given('strict', fn.boolean('strict')),
    ...extraOf(withInner(around, 'function', fn.rest(OF_FUNCTION))),
  };
}

function readCustom(custom: Fields, around: JsonObject | undefined): CustomTool {
  const grammar = custom.object('format');
  const nested = grammar?.json('grammar');
  return {
    kind: 'custom',
    name: custom.requiredString('name'),
    ...given('description', custom.string('description')),
    // In the hub as the responses format has it, where the grammar's members stand beside its type.
    ...given('grammar', nested === undefined ? grammar?.value : { type: 'grammar', ...nested }),
    ...extraOf(withInner(around, 'custom', custom.rest(OF_CUSTOM))),
  };
}

function withInner(
  around: JsonObject | undefined,
  name: string,
  inner: JsonObject | undefined,
): JsonObject | undefined {
  return inner === undefined ? around : { ...around, [name]: inner };
}

/** `tools` and `web_search_options` of a request; {} where there are none. */
export function writeTools(tools: readonly Tool[], context: EncodeContext): JsonObject {
  const out: JsonObject[] = [];
  const body: JsonObject = {};
  for (const tool of tools) {
    if (tool.kind === 'provider') {
      if (tool.format !== FORMAT) context.losses.drop('providerTools', tool.name);
      else if (tool.name === WEB_SEARCH) body[WEB_SEARCH] = tool.value;
      else out.push(tool.value);
      continue;
    }
    const own = ownExtra(tool);
    if (tool.kind === 'function' && tool.cache !== undefined && !saysCacheMark(own)) context.losses.drop('cacheMarks');
    out.push(tool.kind === 'function' ? writeFunction(tool, own) : writeCustom(tool, own));
  }
  if (out.length > 0) body.tools = out;
  return body;
}

function writeFunction(tool: FunctionTool, { function: inner, ...around }: JsonObject): JsonObject {
  const fn = {
    name: safeName(tool.name),
    ...given('description', tool.description),
    ...given('parameters', tool.parameters ?? undefined),
    ...given('strict', tool.strict),
    ...(isObject(inner) ? inner : {}),
  };
  return { type: 'function', function: fn, ...around };
}

function writeCustom(tool: CustomTool, { custom: inner, ...around }: JsonObject): JsonObject {
  const custom = {
    name: safeName(tool.name),
    ...given('description', tool.description),
    ...given('format', tool.grammar === undefined ? undefined : writeGrammar(tool.grammar)),
    ...(isObject(inner) ? inner : {}),
  };
  return { type: 'custom', custom, ...around };
}

function writeGrammar({ type, ...grammar }: JsonObject): JsonObject {
  return type === 'grammar' && !isObject(grammar.grammar) ? { type, grammar } : { type, ...grammar };
}

/** `tool_choice`, or the legacy `function_call`. */
export function readToolChoice(body: Fields): ToolChoice | undefined {
  const name = body.has('tool_choice') ? 'tool_choice' : 'function_call';
  const value = body.value[name];
  if (typeof value === 'string') {
    switch (value) {
      case 'auto':
      case 'none':
      case 'required':
        return { mode: value };
      // Mistral's word.
      case 'any':
        return { mode: 'required' };
      default:
        throw body.fault(name, 'must be "auto", "none", "required" or name a tool');
    }
  }
  const choice = body.object(name);
  if (choice === undefined) return undefined;
  if (name === 'function_call') return { mode: 'tool', name: choice.requiredString('name') };
  const type = choice.requiredString('type');
  if (type === 'allowed_tools') return readAllowed(choice.requiredObject(type));
  if (type !== 'function' && type !== 'custom')
    throw choice.fault('type', 'must be "function", "custom" or "allowed_tools"');
  return { mode: 'tool', name: choice.requiredObject(type).requiredString('name') };
}

function readAllowed(allowed: Fields): ToolChoice {
  const names = allowed.objects('tools').map((tool) => {
    const type = tool.requiredString('type');
    return tool.requiredObject(type).requiredString('name');
  });
  const mode = allowed.requiredString('mode');
  if (mode !== 'auto' && mode !== 'required') throw allowed.fault('mode', 'must be "auto" or "required"');
  return { mode, allowed: names };
}

/** `tool_choice` and `parallel_tool_calls`, which are refused where there are no tools. */
export function writeToolChoice({ tools, toolChoice, parallelToolCalls }: Conversation): JsonObject {
  if (!tools.some((tool) => tool.kind !== 'provider' || tool.name !== WEB_SEARCH)) return {};
  return {
    ...given('tool_choice', toolChoice === undefined ? undefined : writeChoice(toolChoice, tools)),
    ...given('parallel_tool_calls', parallelToolCalls),
  };
}

function writeChoice({ mode, name, allowed }: ToolChoice, tools: readonly Tool[]): unknown {
  if (allowed !== undefined && (mode === 'auto' || mode === 'required')) {
    return { type: 'allowed_tools', allowed_tools: { mode, tools: allowed.map((tool) => namedTool(tool, tools)) } };
  }
  if (mode !== 'tool') return mode;
  if (name === undefined) throw new GatewayError('invalid_request_body', 'The tool choice names no tool.');
  return namedTool(name, tools);
}

function namedTool(name: string, tools: readonly Tool[]): JsonObject {
  const type = tools.some((tool) => tool.kind === 'custom' && tool.name === name) ? 'custom' : 'function';
  return { type, [type]: { name: safeName(name) } };
}
