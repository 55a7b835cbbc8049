import type { JsonObject } from '../../../facts/conversation.ts';
import type { PromptCaching, RouteType } from '../../../facts/llm.ts';
import { traitsOf } from '../formats/bedrock-converse/models.ts';
import { isObject, parseObject } from '../formats/fields.ts';
import type { FormatName } from '../formats/route-types.ts';
import { BodyEditor } from '../json-edit.ts';
import { Wanted } from '../json-wanted.ts';
import { elementsAt, memberAt, type Place } from './json-places.ts';

/** Marks a request may have, with Anthropic and Bedrock alike. */
const MAX_MARKS = 4;
const DEFAULT_MIN_TOKENS = 1024;
/** What English text comes to; good enough to tell a long prompt from a short one. */
const CHARACTERS_PER_TOKEN = 4;

/** In the order a provider's cache takes them: a mark covers what is in front of it, too. */
const SECTIONS = ['tools', 'system', 'messages'] as const;
type Section = (typeof SECTIONS)[number];
/** Where there is no room for all. */
const PREFERENCE: readonly Section[] = ['system', 'messages', 'tools'];

const MEMBERS = new Wanted({ tools: true, toolConfig: true, system: true, messages: true });

/** How a format marks. */
interface Marking {
  /** The member by which a mark is told. */
  readonly sign: 'cache_control' | 'cachePoint';
  /** Members with a client's data, in which nothing is a mark. */
  readonly opaque: ReadonlySet<string>;
  readonly tools: boolean;
  section(body: JsonObject, section: Section): unknown;
  /** Puts a mark behind the section's `value`, or of `messages` behind the one at `index`. False where it can't have one. */
  mark(editor: BodyEditor, bytes: Buffer, section: Section, value: unknown, index: number): boolean;
}

/**
 * Marks parts of a prompt for the provider's cache, in a body as the provider gets it. The client's own marks stay as they are and
 * count: a part that has one gets no other, and none is put in front of one that is to last for an hour, which providers refuse.
 * Formats and models without such marks cache by themselves or not at all; their bodies stay as they are.
 */
export function markPrompt(
  bytes: Buffer,
  format: RouteType | FormatName,
  model: string,
  options: PromptCaching,
): Buffer {
  const marking = markingOf(format, model);
  const body = marking === null ? null : parseObject(bytes.toString('utf8'));
  if (marking === null || body === null) return bytes;
  const wanted = {
    tools: options.cacheTools && marking.tools,
    system: options.cacheSystem,
    messages: options.cacheMessages,
  };
  const messages = marking.section(body, 'messages');
  const lastMessage = Array.isArray(messages) ? messages.length - 1 - options.cacheMessageOffset : -1;

  const marks = new Marks(marking);
  // Anthropic's mark at the top puts one behind the last message.
  if (marking.sign in body) marks.read({ [marking.sign]: body[marking.sign] }, 'messages');
  for (const section of SECTIONS) marks.read(marking.section(body, section), section);

  const editor = new BodyEditor(bytes, MEMBERS);
  for (const section of PREFERENCE) {
    if (!wanted[section] || !marks.mayMark(section)) continue;
    if (prefixTokens(marking, body, section, lastMessage) < (options.minTokens ?? DEFAULT_MIN_TOKENS)) continue;
    if (marking.mark(editor, bytes, section, marking.section(body, section), lastMessage)) marks.added();
  }
  return editor.apply();
}

/** The client's marks, and room for others. */
class Marks {
  readonly #marking: Marking;
  readonly #marked = new Set<Section>();
  readonly #lasting = new Set<Section>();
  #count = 0;

  constructor(marking: Marking) {
    this.#marking = marking;
  }

  read(value: unknown, section: Section): void {
    if (Array.isArray(value)) for (const item of value) this.read(item, section);
    else if (isObject(value)) {
      const mark = value[this.#marking.sign];
      if (isObject(mark)) {
        this.#count++;
        this.#marked.add(section);
        if (mark.ttl === '1h') this.#lasting.add(section);
      }
      for (const name in value) if (!this.#marking.opaque.has(name)) this.read(value[name], section);
    }
  }

  mayMark(section: Section): boolean {
    if (this.#count >= MAX_MARKS || this.#marked.has(section)) return false;
    return !SECTIONS.slice(SECTIONS.indexOf(section) + 1).some((later) => this.#lasting.has(later));
  }

  added(): void {
    this.#count++;
  }
}

/** Tokens, estimated, of what a mark behind a section would cover. */
function prefixTokens(marking: Marking, body: JsonObject, section: Section, lastMessage: number): number {
  let characters = 0;
  for (const part of SECTIONS) {
    const value = marking.section(body, part);
    const covered = part === 'messages' && Array.isArray(value) ? value.slice(0, lastMessage + 1) : value;
    characters += textLength(covered);
    if (part === section) break;
  }
  return characters / CHARACTERS_PER_TOKEN;
}

/** Characters of all texts but those of media. */
function textLength(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + textLength(item), 0);
  if (!isObject(value)) return 0;
  let sum = 0;
  for (const name in value) if (name !== 'data' && name !== 'bytes') sum += name.length + textLength(value[name]);
  return sum;
}

// ---- Anthropic: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching ----

const CONTROL = '"cache_control":{"type":"ephemeral"}';

const anthropic: Marking = {
  sign: 'cache_control',
  opaque: new Set(['input', 'input_schema']),
  tools: true,
  section: (body, section) => body[section],
  mark(editor, bytes, section, value, index) {
    const place = editor.find(section);
    if (place === null) return false;
    if (section === 'system') return markContent(editor, bytes, place, value);
    if (!Array.isArray(value)) return false;
    if (section === 'tools') return markLast(editor, bytes, place, value, (tool) => tool.defer_loading !== true);
    const message: unknown = value[index];
    const at = elementsAt(bytes, place)[index];
    const content = at === undefined ? null : memberAt(bytes, at, 'content');
    return content !== null && isObject(message) && markContent(editor, bytes, content, message.content);
  },
};

/** Marks the end of a content: its last block that can be marked, or a text, which becomes one. */
function markContent(editor: BodyEditor, bytes: Buffer, place: Place, content: unknown): boolean {
  if (Array.isArray(content)) return markLast(editor, bytes, place, content, canBeMarked);
  if (typeof content !== 'string' || content.trim() === '') return false;
  editor.insert(place.start, '[{"type":"text","text":');
  editor.insert(place.end, `,${CONTROL}}]`);
  return true;
}

/** Thinking can't be marked, nor can empty text. */
function canBeMarked({ type, text }: JsonObject): boolean {
  if (type === 'thinking' || type === 'redacted_thinking') return false;
  return type !== 'text' || (typeof text === 'string' && text.trim() !== '');
}

function markLast(
  editor: BodyEditor,
  bytes: Buffer,
  place: Place,
  items: readonly unknown[],
  can: (item: JsonObject) => boolean,
): boolean {
  const index = items.findLastIndex((item) => isObject(item) && can(item));
  const item = items[index];
  const at = elementsAt(bytes, place)[index];
  if (!isObject(item) || at === undefined || Object.keys(item).length === 0) return false;
  // A member that says null says that there is no mark.
  const none = memberAt(bytes, at, anthropic.sign);
  if (none !== null) return false;
  editor.insert(at.end - 1, `,${CONTROL}`);
  return true;
}

// ---- Bedrock: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html ----

const POINT = ',{"cachePoint":{"type":"default"}}';

const bedrock: Omit<Marking, 'tools'> = {
  sign: 'cachePoint',
  opaque: new Set(['input', 'inputSchema', 'json']),
  section: (body, section) =>
    section === 'tools' ? (isObject(body.toolConfig) ? body.toolConfig.tools : undefined) : body[section],
  mark(editor, bytes, section, value, index) {
    const top = editor.find(section === 'tools' ? 'toolConfig' : section);
    if (top === null || !Array.isArray(value)) return false;
    if (section === 'system') return appendPoint(editor, top, value);
    if (section === 'tools') return appendPoint(editor, memberAt(bytes, top, 'tools'), value);
    const message: unknown = value[index];
    const at = elementsAt(bytes, top)[index];
    if (!isObject(message) || at === undefined) return false;
    return appendPoint(editor, memberAt(bytes, at, 'content'), message.content);
  },
};

/** A point can't be the first of its kind, nor come behind thinking. */
function appendPoint(editor: BodyEditor, place: Place | null, items: unknown): boolean {
  const last: unknown = Array.isArray(items) ? items.at(-1) : undefined;
  if (place === null || !isObject(last) || 'reasoningContent' in last) return false;
  editor.insert(place.end - 1, POINT);
  return true;
}

/** Nova's cache takes no tools. */
const bedrockClaude: Marking = { ...bedrock, tools: true };
const bedrockOther: Marking = { ...bedrock, tools: false };

/** null where there are no marks. */
function markingOf(format: RouteType | FormatName, model: string): Marking | null {
  if (format === 'messages') return anthropic;
  if (format !== 'converse' && format !== 'invoke') return null;
  const { caches, claude } = traitsOf(model);
  if (!caches) return null;
  if (format === 'invoke') return claude === null ? null : anthropic;
  return claude === null ? bedrockOther : bedrockClaude;
}
