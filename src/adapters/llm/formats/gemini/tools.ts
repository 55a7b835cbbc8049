import type { FunctionTool, JsonObject, Tool, ToolChoice } from '../../../../facts/conversation.ts';
import type { Losses } from '../features.ts';
import { compact, type Fields, isObject } from '../fields.ts';
import { freeTextFunction, freeTextName } from './free-text.ts';
import { type GeminiModel, THINKING } from './models.ts';
import { ownExtra } from './part-decode.ts';
import { fromGoogleSchema, toGeminiSchema } from './schema.ts';

/** Tools (https://ai.google.dev/api/caching#Tool) and which of them shall be called (#ToolConfig). */

const FUNCTION_KNOWN: ReadonlySet<string> = new Set(['name', 'description', 'parameters', 'parametersJsonSchema']);

/** Each function, and each kind of tool that Google runs, on its own. `strict`: what `decodeToolConfig` says. */
export function decodeTools(request: Fields, strict: boolean): Tool[] {
  const tools: Tool[] = [];
  for (const tool of request.objects('tools')) {
    for (const declaration of tool.objects('functionDeclarations')) tools.push(decodeFunction(declaration, strict));
    for (const name of Object.keys(tool.value)) {
      if (name === 'functionDeclarations' || !tool.has(name)) continue;
      tools.push({ kind: 'provider', format: 'generateContent', name, value: { [name]: tool.value[name] } });
    }
  }
  return tools;
}

function decodeFunction(declaration: Fields, strict: boolean): FunctionTool {
  const description = declaration.string('description');
  const google = declaration.json('parameters');
  const parameters =
    declaration.json('parametersJsonSchema') ?? (google === undefined ? null : fromGoogleSchema(google));
  return {
    kind: 'function',
    name: declaration.requiredString('name'),
    ...(description !== undefined && { description }),
    parameters,
    ...(strict && { strict }),
    ...ownExtra(declaration.rest(FUNCTION_KNOWN)),
  };
}

/** All functions in one `Tool`, as Gemini wants it; those that Google runs each in its own. */
export function encodeTools(tools: readonly Tool[], losses: Losses): JsonObject[] {
  const encoded: JsonObject[] = [];
  let functions: JsonObject[] | null = null;
  for (const tool of tools) {
    if ('cache' in tool && tool.cache !== undefined) losses.drop('cacheMarks');
    if (tool.kind !== 'provider') {
      if (functions === null) {
        functions = [];
        encoded.push({ functionDeclarations: functions });
      }
      functions.push(tool.kind === 'custom' ? freeTextFunction(tool) : encodeFunction(tool));
    } else if (tool.format === 'generateContent') encoded.push(tool.value);
    else losses.drop('providerTools', tool.name);
  }
  return encoded;
}

function encodeFunction({ name, description, parameters, extra }: FunctionTool): JsonObject {
  return compact({
    name,
    description,
    parametersJsonSchema: parameters === null ? undefined : toGeminiSchema(parameters),
    ...(extra?.format === 'generateContent' ? extra.fields : {}),
  });
}

/** What `toolConfig` says, and the rest of it by dotted names. */
export interface DecodedToolConfig {
  readonly choice: ToolChoice | undefined;
  /** Arguments must match the schemas in every call. */
  readonly strict: boolean;
  readonly rest: JsonObject;
}

export function decodeToolConfig(request: Fields): DecodedToolConfig {
  const config = request.object('toolConfig');
  const calling = config?.object('functionCallingConfig');
  const rest: JsonObject = {};
  for (const [name, value] of Object.entries(config?.rest(new Set(['functionCallingConfig'])) ?? {}))
    rest[`toolConfig.${name}`] = value;
  for (const [name, value] of Object.entries(calling?.rest(new Set(['mode', 'allowedFunctionNames'])) ?? {}))
    rest[`${CALLING}.${name}`] = value;
  const mode = calling?.string('mode');
  const names = calling?.strings('allowedFunctionNames');
  const allowed: Pick<ToolChoice, 'allowed'> = names === undefined || names.length === 0 ? {} : { allowed: names };
  switch (mode) {
    case 'NONE':
      return { choice: { mode: 'none' }, strict: false, rest };
    case 'ANY':
      if (names?.length === 1) return { choice: { mode: 'tool', name: names[0] as string }, strict: false, rest };
      return { choice: { mode: 'required', ...allowed }, strict: false, rest };
    case 'VALIDATED':
      return { choice: { mode: 'auto', ...allowed }, strict: allowed.allowed === undefined, rest };
    case 'AUTO':
      return { choice: { mode: 'auto' }, strict: false, rest };
    case undefined:
    case 'MODE_UNSPECIFIED':
      return { choice: undefined, strict: false, rest };
    default:
      throw (calling as Fields).fault('mode', 'must be AUTO, ANY, NONE or VALIDATED');
  }
}

const CALLING = 'toolConfig.functionCallingConfig';

/**
 * The mode that says the choice. `VALIDATED` is `AUTO` with arguments that must match the schemas, and with a list of allowed functions;
 * `ANY` holds to the schemas anyway.
 */
export function encodeToolConfig(
  choice: ToolChoice | undefined,
  tools: readonly Tool[],
  model: GeminiModel,
  losses: Losses,
): JsonObject | undefined {
  const strict = tools.some((tool) => tool.kind === 'function' && tool.strict === true);
  const validated = strict && model.generation >= THINKING;
  if (strict && !validated) losses.drop('toolStrict');
  const calling = (mode: string, names?: readonly string[]) => ({
    functionCallingConfig: compact({ mode, allowedFunctionNames: names }),
  });
  const wireName = (name: string) =>
    tools.some((tool) => tool.kind === 'custom' && tool.name === name) ? freeTextName(name) : name;
  const allowed = choice?.allowed?.map(wireName);
  // A choice that chooses nothing is refused without functions to choose from.
  const open = choice?.mode === 'auto' || choice?.mode === 'none';
  if (open && tools.every(({ kind }) => kind === 'provider')) return undefined;
  switch (choice?.mode) {
    case undefined:
      return validated ? calling('VALIDATED') : undefined;
    case 'auto':
      if (allowed !== undefined && model.generation >= THINKING) return calling('VALIDATED', allowed);
      if (allowed !== undefined) losses.drop('allowedTools');
      return calling(validated ? 'VALIDATED' : 'AUTO');
    case 'none':
      return calling('NONE');
    case 'required':
      return calling('ANY', allowed);
    case 'tool':
      return calling('ANY', [wireName(choice.name ?? '')]);
  }
}

/** Puts the rest of `toolConfig` back where it stood. */
export function restoreDotted(target: JsonObject, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop() as string;
  let at = target;
  for (const name of names) {
    const below = at[name];
    const object = isObject(below) ? below : {};
    at[name] = object;
    at = object;
  }
  at[last] = value;
}
