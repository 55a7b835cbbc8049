import { GatewayError } from '../../../errors/table.ts';
import type { PromptMessage, RouteType } from '../../../facts/llm.ts';
import { isObject } from '../formats/fields.ts';
import { BodyEditor } from '../json-edit.ts';
import { isEmptyArray, jsonValue } from '../json-value.ts';
import { Wanted } from '../json-wanted.ts';

/** Between an operator's text and the client's, where a format has one text for both. */
const GAP = '\n\n';

/**
 * Messages in front of the client's and behind them, in the client's own format and before anything is converted. Nothing else of the
 * body changes. System and developer messages go where the format has its system prompt; where it has none, among the others.
 */
export class PromptAdditions {
  readonly #front: Additions;
  readonly #back: Additions;

  constructor(prepend: readonly PromptMessage[], append: readonly PromptMessage[]) {
    this.#front = new Additions(prepend);
    this.#back = new Additions(append);
  }

  /**
   * Requests that hold no prompt (embeddings, token counts …) stay as they are. Throws `invalid_request_body` where the prompt is not what
   * its format says, `unsupported_parameter` where nothing can be added to it.
   */
  apply(bytes: Buffer, route: RouteType): Buffer {
    const write = WRITERS[route];
    if (write === undefined) return bytes;
    const editor = new BodyEditor(bytes, write.members);
    write.put(editor, this.#front, this.#back);
    return editor.apply();
  }
}

/** The messages of one side, parted as formats part them. */
class Additions {
  readonly all: readonly PromptMessage[];
  readonly system: readonly string[];
  readonly turns: readonly PromptMessage[];

  constructor(messages: readonly PromptMessage[]) {
    this.all = messages;
    this.system = messages.filter(isSystem).map(({ content }) => content);
    this.turns = messages.filter((message) => !isSystem(message));
  }
}

function isSystem({ role }: PromptMessage): boolean {
  return role === 'system' || role === 'developer';
}

type Write = (editor: BodyEditor, front: Additions, back: Additions) => void;

/** A format's way to take additions. */
interface Writer {
  /** The members it looks at. */
  readonly members: Wanted;
  readonly put: Write;
}

function writer(put: Write, ...names: string[]): Writer {
  return { members: new Wanted(Object.fromEntries(names.map((name) => [name, true as const]))), put };
}

/** A message where content is a text, as OpenAI's and Anthropic's formats take it. */
const plain = (message: PromptMessage) => message;
const textBlock = (text: string) => ({ type: 'text', text });
const textPart = (text: string) => ({ text });

const completions: Write = (editor, front, back) => {
  insertItems(editor, 'messages', front.all.map(plain), back.all.map(plain));
};

const messages: Write = (editor, front, back) => {
  insertText(editor, 'system', front.system, back.system, textBlock);
  insertItems(editor, 'messages', front.turns.map(turn), back.turns.map(turn));
};

/** What is in front of all belongs to the instructions: items would be kept with a stored conversation, and be there again next time. */
const responses: Write = (editor, front, back) => {
  insertText(editor, 'instructions', front.system, [], textBlock);
  if (front.turns.length + back.all.length === 0) return;
  const input = editor.find('input');
  const quoted = input?.value?.[0] === QUOTE ? input : null;
  if (quoted === null) {
    insertItems(editor, 'input', front.turns.map(plain), back.all.map(plain));
    return;
  }
  const before = front.turns.map((message) => `${JSON.stringify(message)},`).join('');
  const behind = back.all.map((message) => `,${JSON.stringify(message)}`).join('');
  editor.insert(quoted.start, `[${before}{"role":"user","content":`);
  editor.insert(quoted.end, `}${behind}]`);
};

const generateContent: Write = (editor, front, back) => {
  if (front.system.length + back.system.length > 0) {
    const name = editor.find('system_instruction') === null ? 'systemInstruction' : 'system_instruction';
    const before = jsonValue(editor.find(name)?.value ?? null);
    const instruction = isObject(before) ? before : {};
    const parts = Array.isArray(instruction.parts) ? instruction.parts : [];
    const all = [...front.system.map(textPart), ...parts, ...back.system.map(textPart)];
    editor.set(name, JSON.stringify({ ...instruction, parts: all }));
  }
  const content = ({ role, content }: PromptMessage) => ({
    role: role === 'assistant' ? 'model' : 'user',
    parts: [{ text: content }],
  });
  insertItems(editor, 'contents', front.turns.map(content), back.turns.map(content));
};

const converse: Write = (editor, front, back) => {
  insertItems(editor, 'system', front.system.map(textPart), back.system.map(textPart));
  const message = (from: PromptMessage) => ({ ...turn(from), content: [{ text: from.content }] });
  insertItems(editor, 'messages', front.turns.map(message), back.turns.map(message));
};

/** A body in the words of the model's maker: Anthropic's and Amazon's hold messages. */
const invoke: Write = (editor, front, back) => {
  if (editor.find('anthropic_version') !== null) messages(editor, front, back);
  else if (editor.find('schemaVersion') !== null) converse(editor, front, back);
  else
    throw new GatewayError('unsupported_parameter', "The operator's prompts can't be added to this model's own API.");
};

/** The legacy format has one text, or several to be completed each by itself. */
const textCompletions: Write = (editor, front, back) => {
  const prompt = jsonValue(editor.find('prompt')?.value ?? null);
  const before = front.all.map(({ content }) => content + GAP).join('');
  const behind = back.all.map(({ content }) => GAP + content).join('');
  const around = (text: string) => before + text + behind;
  if (typeof prompt === 'string') editor.set('prompt', JSON.stringify(around(prompt)));
  else if (Array.isArray(prompt) && prompt.every((one) => typeof one === 'string'))
    editor.set('prompt', JSON.stringify(prompt.map(around)));
  else throw new GatewayError('unsupported_parameter', "The operator's prompts can't be added to a prompt of tokens.");
};

const WRITERS: Readonly<Partial<Record<RouteType, Writer>>> = {
  completions: writer(completions, 'messages'),
  messages: writer(messages, 'messages', 'system'),
  responses: writer(responses, 'input', 'instructions'),
  generateContent: writer(generateContent, 'contents', 'systemInstruction', 'system_instruction'),
  converse: writer(converse, 'messages', 'system'),
  invoke: writer(invoke, 'messages', 'system', 'anthropic_version', 'schemaVersion'),
  textCompletions: writer(textCompletions, 'prompt'),
};

/** For formats with the two roles alone. */
function turn({ role, content }: PromptMessage): PromptMessage {
  return { role: role === 'assistant' ? role : 'user', content };
}

const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;

/** Puts items at both ends of an array, or makes one of them. */
function insertItems(editor: BodyEditor, name: string, front: readonly unknown[], back: readonly unknown[]): void {
  if (front.length + back.length === 0) return;
  const before = front.map((item) => JSON.stringify(item)).join();
  const behind = back.map((item) => JSON.stringify(item)).join();
  const found = editor.find(name);
  if (found === null || isNull(found.value)) {
    editor.set(name, `[${[before, behind].filter((text) => text !== '').join()}]`);
    return;
  }
  if (found.value?.[0] !== OPEN_BRACKET) throw new GatewayError('invalid_request_body', `"${name}" must be an array.`);
  const empty = isEmptyArray(found.value);
  editor.insert(found.start + 1, before !== '' && !(empty && behind === '') ? `${before},` : before);
  editor.insert(found.end - 1, behind !== '' && !empty ? `,${behind}` : behind);
}

/** Puts texts at both ends of a text that may also be an array of blocks. */
function insertText(
  editor: BodyEditor,
  name: string,
  front: readonly string[],
  back: readonly string[],
  block: (text: string) => unknown,
): void {
  if (front.length + back.length === 0) return;
  const found = editor.find(name);
  if (found === null || isNull(found.value)) {
    editor.set(name, JSON.stringify([...front, ...back].join(GAP)));
  } else if (found.value?.[0] === QUOTE) {
    const empty = found.end - found.start === 2;
    const before = front.map((text) => text + GAP).join('');
    const behind = back.map((text) => GAP + text).join('');
    if (empty) editor.set(name, JSON.stringify([...front, ...back].join(GAP)));
    else {
      editor.insert(found.start + 1, inner(before));
      editor.insert(found.end - 1, inner(behind));
    }
  } else insertItems(editor, name, front.map(block), back.map(block));
}

/** A text as it stands between the quotes of a JSON string. */
function inner(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function isNull(raw: Buffer | null): boolean {
  return raw?.length === 4 && raw.toString('latin1') === 'null';
}
