import { GLOBAL_MACROS, MEMBER_MACROS } from './compile/macros.ts';
import type { CustomFunction, FunctionTable } from './definitions.ts';
import { CelSyntaxError } from './errors.ts';
import { readString } from './syntax/strings.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Reads `customFunctions` of the configuration, agentgateway's notation: `name(a, b) { expression }`, called on a value
 * `this.name(a) { … }`, a last parameter `rest...` for a list of all further arguments, comments from `#` or `//` to the end of
 * the line between definitions. Throws CelSyntaxError with the place in `text`.
 */
export function parseCustomFunctions(text: string, functions: FunctionTable): Map<string, CustomFunction> {
  const found = new Map<string, CustomFunction>();
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    const open = text.indexOf('{', at);
    if (open < 0) throw new CelSyntaxError('a function has no body in braces', text, at);
    const close = closingBrace(text, open);
    const definition = { ...readHead(text, at, open), body: text.slice(open + 1, close), bodyAt: open + 1 };
    const { name } = definition;
    if (found.has(name)) throw new CelSyntaxError(`function '${name}' is defined twice`, text, at);
    const taken = functions.named(name, true) ?? functions.named(name, false);
    if (taken !== undefined || MEMBER_MACROS.has(name) || GLOBAL_MACROS.has(name))
      throw new CelSyntaxError(`'${name}' is a function of CEL's or the gateway's; choose another name`, text, at);
    found.set(name, definition);
    at = close + 1;
  }
  return found;
}

function readHead(
  text: string,
  at: number,
  end: number,
): Pick<CustomFunction, 'name' | 'receiver' | 'parameters' | 'rest'> {
  const head = text.slice(at, end).trimEnd();
  const paren = head.indexOf('(');
  if (paren < 0 || !head.endsWith(')'))
    throw new CelSyntaxError('a function begins with its name and parameters, as in isInternal(host) { … }', text, at);
  const receiver = head.startsWith('this.');
  const check = (name: string, what: string) => {
    if (!NAME.test(name) || name === 'this')
      throw new CelSyntaxError(`'${name}' can't be the name of a ${what}`, text, at);
    return name;
  };
  const name = check(head.slice(receiver ? 'this.'.length : 0, paren).trim(), 'function');
  const inner = head.slice(paren + 1, -1).trim();
  const all = inner === '' ? [] : inner.split(',').map((parameter) => parameter.trim());
  const last = all.at(-1) ?? '';
  const rest = last.endsWith('...') ? check(last.slice(0, -3).trim(), 'parameter') : null;
  const parameters = (rest === null ? all : all.slice(0, -1)).map((parameter) => check(parameter, 'parameter'));
  if (new Set([...parameters, rest]).size <= parameters.length)
    throw new CelSyntaxError(`a parameter of '${name}' is there twice`, text, at);
  return { name, receiver, parameters, rest };
}

/** The brace that closes the one at `open`; those in strings and comments don't count. */
function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '{') depth++;
    else if (char === '}' && --depth === 0) return at;
    else if (char === '"' || char === "'") {
      const prefix = /(?<![A-Za-z0-9_])[rRbB]{1,2}$/.exec(text.slice(Math.max(0, at - 3), at))?.[0] ?? '';
      at = readString(text, at - prefix.length, prefix.toLowerCase()).end - 1;
    } else if (text.startsWith('//', at)) at = lineEnd(text, at);
  }
  throw new CelSyntaxError('the body of a function is not closed', text, open);
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    while (/\s/.test(text.charAt(at))) at++;
    if (text.charAt(at) !== '#' && !text.startsWith('//', at)) return at;
    at = lineEnd(text, at);
  }
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}
