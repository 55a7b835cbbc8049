import type {
  Conversation,
  CustomTool,
  FunctionTool,
  JsonObject,
  Tool,
  ToolChoice,
} from '../../../../facts/conversation.ts';
import { wireName } from '../claude/names.ts';
import type { EncodeContext } from '../codec.ts';
import { compact, type Fields } from '../fields.ts';
import { decodeCachePoint } from './blocks-decode.ts';
import type { BlockEncoder } from './blocks-encode.ts';
import { FORMAT, ownExtra, restOf } from './extra.ts';
import type { ModelTraits } from './models.ts';
import type { OutputPlan } from './output.ts';

/** Tools (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html). */

// ---- decoding ----

const SPEC = new Set(['name', 'description', 'inputSchema', 'strict']);

export function decodeTools(config: Fields | undefined): Tool[] {
  const tools: Tool[] = [];
  for (const entry of config?.objects('tools') ?? []) {
    const mark = decodeCachePoint(entry);
    const last = tools.at(-1);
    if (mark !== null && last !== undefined && last.kind !== 'custom' && last.cache === undefined) {
      tools[tools.length - 1] = { ...last, cache: mark };
      continue;
    }
    const spec = entry.object('toolSpec');
    const name = entry.object('systemTool')?.string('name') ?? Object.keys(entry.value)[0] ?? '';
    tools.push(spec === undefined ? { kind: 'provider', format: FORMAT, name, value: entry.value } : decodeSpec(spec));
  }
  return tools;
}

function decodeSpec(spec: Fields): FunctionTool {
  return compact({
    kind: 'function' as const,
    name: spec.requiredString('name'),
    description: spec.string('description'),
    parameters: spec.object('inputSchema')?.json('json') ?? null,
    strict: spec.boolean('strict'),
    ...restOf(spec, SPEC),
  }) as FunctionTool;
}

export function decodeToolChoice(config: Fields | undefined): ToolChoice | undefined {
  const choice = config?.object('toolChoice');
  if (choice === undefined) return undefined;
  if (choice.has('any')) return { mode: 'required' };
  const name = choice.object('tool')?.requiredString('name');
  return name === undefined ? { mode: 'auto' } : { mode: 'tool', name };
}

// ---- encoding ----

export interface EncodedTools {
  readonly toolConfig?: JsonObject;
  /** Claude's own word for the choice, in place of Bedrock's: it knows `none`, and parallel calls switched off. */
  readonly claudeChoice?: JsonObject;
  /** A tool must be called. */
  readonly forced: boolean;
}

export function encodeTools(
  conversation: Conversation,
  context: EncodeContext,
  traits: ModelTraits,
  blocks: BlockEncoder,
  { tool: answerTool }: OutputPlan,
): EncodedTools {
  const { losses } = context;
  const { parallelToolCalls } = conversation;
  const called = calledTools(conversation);
  let choice = conversation.toolChoice;
  const allowed = choice?.allowed;
  let offered = conversation.tools.filter(
    ({ kind, name }) => kind === 'provider' || allowed === undefined || allowed.includes(name),
  );
  if (choice?.mode === 'none' && (called.length === 0 || answerTool !== undefined)) offered = [];
  if (answerTool !== undefined && !isForced(choice)) {
    choice = offered.length > 0 ? { mode: 'required' } : { mode: 'tool', name: answerTool.name };
  }
  if (isForced(choice) && traits.forcedTools === 'none') {
    losses.drop(answerTool === undefined ? 'toolChoice' : 'schemaOutput');
    choice = { mode: 'auto' };
  }
  // Where a tool can't be asked for by name, it is the only one to choose from.
  if (choice?.mode === 'tool' && traits.forcedTools === 'any') {
    const { name } = choice;
    offered = offered.filter((tool) => tool.name === name);
    choice = { mode: 'required' };
  }
  const entries = offered.flatMap((tool) => encodeTool(tool, context, traits, blocks));
  if (answerTool !== undefined && !isForced(conversation.toolChoice)) entries.push(answerTool.entry);
  if (entries.length === 0) {
    if (called.length === 0) return { forced: false };
    // A request whose history has calls must say what tools there are.
    for (const name of called) entries.push({ toolSpec: { name, inputSchema: { json: { type: 'object' } } } });
    choice = traits.claude === null ? undefined : { mode: 'none' };
  }
  const forced = isForced(choice);
  if (traits.claude !== null) {
    const own = choice?.mode === 'none' || parallelToolCalls !== undefined;
    if (own)
      return { toolConfig: { tools: entries }, claudeChoice: claudeChoice(choice, parallelToolCalls, offered), forced };
  } else {
    if (choice?.mode === 'none') losses.drop('toolChoice');
    if (parallelToolCalls === false) losses.drop('parallelToolCalls');
  }
  return { toolConfig: compact({ tools: entries, toolChoice: bedrockChoice(choice, offered) }), forced };
}

function isForced(choice: ToolChoice | undefined): boolean {
  return choice?.mode === 'required' || choice?.mode === 'tool';
}

function bedrockChoice(choice: ToolChoice | undefined, tools: readonly Tool[]): JsonObject | undefined {
  if (choice === undefined || choice.mode === 'none') return undefined;
  if (choice.mode === 'required') return { any: {} };
  return choice.mode === 'tool' ? { tool: { name: nameOf(choice, tools) } } : { auto: {} };
}

function claudeChoice(
  choice: ToolChoice | undefined,
  parallel: boolean | undefined,
  tools: readonly Tool[],
): JsonObject {
  if (choice?.mode === 'none') return { type: 'none' };
  const single = parallel === undefined ? {} : { disable_parallel_tool_use: !parallel };
  if (choice?.mode === 'required') return { type: 'any', ...single };
  if (choice?.mode === 'tool') return { type: 'tool', name: nameOf(choice, tools), ...single };
  return { type: 'auto', ...single };
}

function nameOf({ name = '' }: ToolChoice, tools: readonly Tool[]): string {
  return wireName(
    name,
    tools.some((tool) => tool.kind === 'custom' && tool.name === name),
  );
}

function encodeTool(tool: Tool, { losses }: EncodeContext, traits: ModelTraits, blocks: BlockEncoder): JsonObject[] {
  if (tool.kind === 'custom') return [{ toolSpec: customSpec(tool) }];
  if (tool.kind === 'provider' && tool.format !== FORMAT) {
    losses.drop('providerTools', tool.name);
    return [];
  }
  const entry = tool.kind === 'provider' ? tool.value : { toolSpec: functionSpec(tool, losses, traits) };
  return [entry, ...blocks.cachePoint(tool.cache?.ttl)];
}

function functionSpec(tool: FunctionTool, losses: EncodeContext['losses'], { schemas }: ModelTraits): JsonObject {
  if (tool.strict === true && !schemas) losses.drop('toolStrict');
  const schema = tool.parameters ?? { properties: {} };
  return compact({
    name: wireName(tool.name),
    description: said(tool.description),
    inputSchema: { json: schema.type === 'object' ? schema : { ...schema, type: 'object' } },
    strict: schemas ? tool.strict : undefined,
    ...ownExtra(tool.extra),
  });
}

/** A tool with free-text input: a call's input is an object, so the text is a member of it. */
function customSpec({ name, description, grammar }: CustomTool): JsonObject {
  const rule = grammar === undefined ? undefined : `The input must match this grammar: ${JSON.stringify(grammar)}`;
  const told = [said(description), rule].filter((text) => text !== undefined).join('\n\n');
  return compact({
    name: wireName(name, true),
    description: said(told),
    inputSchema: { json: { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] } },
  });
}

/** Bedrock refuses a blank description. */
function said(description: string | undefined): string | undefined {
  return description === undefined || description.trim() === '' ? undefined : description;
}

/** Names of the tools that earlier turns called; one is made up where only their results are there. */
function calledTools({ messages }: Conversation): string[] {
  const names = new Set<string>();
  let results = false;
  for (const { parts } of messages) {
    for (const part of parts) {
      if (part.kind === 'tool_call') names.add(wireName(part.name, part.custom));
      else if (part.kind === 'tool_result') results = true;
    }
  }
  return names.size === 0 && results ? ['earlier_tool'] : [...names];
}
