import type { JsonObject } from '../../../../facts/conversation.ts';
import { isObject } from '../fields.ts';

/**
 * Google's parsers take each member of a message by its camelCase name and by the name in the proto file (`inlineData`, `inline_data`), and
 * a single value where a list belongs (https://protobuf.dev/programming-guides/json/). Requests are brought to the one form here: the names
 * of Google's own messages alone, never those of the client's data (arguments, results, JSON schemas, labels).
 */
interface Shape {
  readonly members: Readonly<Record<string, Member>>;
}

interface Member {
  readonly shape: () => Shape;
  /** A list of such messages, or a map from the client's names to them. */
  readonly repeated?: 'list' | 'map';
}

const PLAIN: Shape = { members: {} };
const plain: Member = { shape: () => PLAIN };

const SCHEMA: Shape = {
  members: {
    items: { shape: () => SCHEMA },
    anyOf: { shape: () => SCHEMA, repeated: 'list' },
    prefixItems: { shape: () => SCHEMA, repeated: 'list' },
    properties: { shape: () => SCHEMA, repeated: 'map' },
    defs: { shape: () => SCHEMA, repeated: 'map' },
  },
};
const schema: Member = { shape: () => SCHEMA };

const RESULT_PART: Shape = { members: { inlineData: plain, fileData: plain } };
const RESULT: Shape = { members: { parts: { shape: () => RESULT_PART, repeated: 'list' } } };
const PART: Shape = {
  members: {
    inlineData: plain,
    fileData: plain,
    functionCall: plain,
    functionResponse: { shape: () => RESULT },
    videoMetadata: plain,
    mediaResolution: plain,
  },
};
const CONTENT: Shape = { members: { parts: { shape: () => PART, repeated: 'list' } } };
const FUNCTION: Shape = { members: { parameters: schema, response: schema } };
const TOOL: Shape = { members: { functionDeclarations: { shape: () => FUNCTION, repeated: 'list' } } };
const TOOL_CONFIG: Shape = { members: { functionCallingConfig: plain } };
const GENERATION: Shape = { members: { thinkingConfig: plain, responseSchema: schema } };
const REQUEST: Shape = {
  members: {
    contents: { shape: () => CONTENT, repeated: 'list' },
    systemInstruction: { shape: () => CONTENT },
    tools: { shape: () => TOOL, repeated: 'list' },
    toolConfig: { shape: () => TOOL_CONFIG },
    safetySettings: { shape: () => PLAIN, repeated: 'list' },
    generationConfig: { shape: () => GENERATION },
  },
};

/** The request with camelCase names. Where a client has both names of one member, camelCase holds. */
export function camelRequest(body: JsonObject): JsonObject {
  return renamed(body, REQUEST);
}

function renamed(value: JsonObject, shape: Shape): JsonObject {
  const result: JsonObject = {};
  for (const name in value) {
    const camel = camelCase(name);
    if (camel !== name && camel in value) continue;
    const member = Object.hasOwn(shape.members, camel) ? shape.members[camel] : undefined;
    result[camel] = member === undefined ? value[name] : renamedMember(value[name], member);
  }
  return result;
}

function renamedMember(value: unknown, { shape, repeated }: Member): unknown {
  if (value === null || value === undefined) return undefined;
  if (repeated === 'list') {
    const items: readonly unknown[] = Array.isArray(value) ? value : [value];
    return items.map((item) => (isObject(item) ? renamed(item, shape()) : item));
  }
  if (!isObject(value)) return value;
  if (repeated === undefined) return renamed(value, shape());
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, isObject(item) ? renamed(item, shape()) : item]),
  );
}

function camelCase(name: string): string {
  if (!name.includes('_')) return name;
  const [first = '', ...words] = name.split('_');
  return first + words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
}
