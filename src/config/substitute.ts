import { isCollection, isNode, isScalar, Lexer, parseDocument } from 'yaml';

/**
 * Environment variables in the file's text, before it is read as YAML, as agentgateway does it: `$VAR`, `${VAR}`,
 * `${VAR:-default}` (the default holds where VAR is unset or empty, as in a shell), `$$` for a dollar, and `~/` at the start
 * of a value for the home directory. A variable that is unset and has no default is an error.
 *
 * The value takes the variable's place in the *text*, so `port: $PORT` is a number and `allowOrigins: $ORIGINS` may be
 * `["a", "b"]`. It differs from agentgateway in three points, each to the safe side:
 * - comments are never expanded, whole-line or trailing;
 * - a value that would change the structure around it is an error that says so: a line break anywhere, a quote that would
 *   end the quoted string it stands in, and in a plain value `: `, ` #`, a leading YAML indicator or, in a flow collection,
 *   a comma or bracket. A value that is as a whole a flow collection or a quoted string may stand for a whole plain value;
 * - `${` without its `}` is an error, not literal text.
 */
export interface Substituted {
  text: string;
  /** Offset in the expanded text → offset in the original. */
  origin(offset: number): number;
}

/** An offset in the original text, and what is wrong there. */
export interface SubstitutionFault {
  offset: number;
  message: string;
  hint: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

interface Reference {
  start: number;
  end: number;
  /** '' for `$$`, '~' for the home directory. */
  name: string;
  /** Undefined = none given. */
  fallback: string | undefined;
  /** What is wrong with the reference itself. */
  fault: { message: string; hint: string } | undefined;
}

type Context = 'plain' | 'flow' | 'double' | 'single' | 'block';

/** A YAML scalar with the references inside it. */
interface Token {
  context: Context;
  start: number;
  end: number;
  references: Reference[];
}

/** Text copied from the original at `original` stands in the expanded text at `expanded`, after `inserted` foreign characters. */
interface Piece {
  expanded: number;
  original: number;
  inserted: number;
  /** Where the reference that the foreign characters stand for begins in the original. */
  reference: number;
}

/** Expands `text`. Every fault is collected; where there are any the result is not to be used. */
export function substitute(text: string, env: Environment): { result: Substituted; faults: SubstitutionFault[] } {
  const faults: SubstitutionFault[] = [];
  const references = findReferences(text);
  if (references.length === 0) return { result: { text, origin: (offset) => offset }, faults };

  const pieces: Piece[] = [{ expanded: 0, original: 0, inserted: 0, reference: 0 }];
  let out = '';
  let copied = 0;
  for (const token of tokensWith(text, references)) {
    let wanting = false;
    const from = out.length - copied;
    for (const reference of token.references) {
      const value = expansionOf(reference, env, faults);
      if (value === undefined) {
        wanting = true;
        continue;
      }
      if (/[\r\n]/.test(value)) {
        faults.push({
          offset: reference.start,
          message: `the value of ${nameOf(reference)} holds a line break`,
          hint: 'put it in a file and refer to it with {file: …}',
        });
        wanting = true;
        continue;
      }
      out += text.slice(copied, reference.start) + value;
      copied = reference.end;
      pieces.push({ expanded: out.length, original: copied, inserted: value.length, reference: reference.start });
    }
    if (wanting) continue;
    const wrong = structureFault(out.slice(token.start + from) + text.slice(copied, token.end), token.context);
    const [first] = token.references;
    if (wrong !== undefined && first !== undefined) {
      const names = [...new Set(token.references.filter((one) => one.name !== '').map(nameOf))].join(', ');
      faults.push({ offset: first.start, message: `the value of ${names} ${wrong.message}`, hint: wrong.hint });
    }
  }
  out += text.slice(copied);
  return { result: { text: out, origin: (offset) => originOf(pieces, offset) }, faults };
}

const REFERENCE = /\$\$|\$\{([^}\n]*)(\}?)|\$([A-Za-z0-9_]+)|~(?=\/)/g;
const NAME = /^[A-Za-z0-9_]+$/;

function findReferences(text: string): Reference[] {
  const found: Reference[] = [];
  for (const match of text.matchAll(REFERENCE)) {
    const [whole, inner, close, bare] = match;
    const reference: Reference = {
      start: match.index,
      end: match.index + whole.length,
      name: whole === '$$' ? '' : whole === '~' ? '~' : (bare ?? inner ?? ''),
      fallback: undefined,
      fault: undefined,
    };
    if (inner !== undefined) readBraces(reference, inner, close === '}');
    found.push(reference);
  }
  return found;
}

function readBraces(reference: Reference, inner: string, closed: boolean): void {
  const literal = 'write $${ for a literal "${"';
  if (!closed) {
    reference.fault = { message: `"\${" without its "}"`, hint: literal };
    return;
  }
  const split = inner.indexOf(':-');
  if (split !== -1) {
    reference.name = inner.slice(0, split);
    reference.fallback = inner.slice(split + 2);
  }
  if (!NAME.test(reference.name)) {
    reference.fault = {
      message: `"\${${inner}}" names no environment variable`,
      hint: `a reference is $NAME, \${NAME} or \${NAME:-default}; ${literal}`,
    };
  } else if (reference.fallback?.includes('${') === true) {
    reference.fault = { message: 'a default cannot hold another reference', hint: 'give a literal default' };
  }
}

/**
 * The scalars that hold references, in order. The references are masked by letters before the text is cut into tokens, so
 * that their braces and colons mean nothing to YAML; those in comments and between tokens are left out.
 */
function tokensWith(text: string, references: readonly Reference[]): Token[] {
  let masked = '';
  let copied = 0;
  for (const { start, end, name } of references) {
    if (name === '~') continue;
    masked += text.slice(copied, start) + 'x'.repeat(end - start);
    copied = end;
  }
  masked += text.slice(copied);

  const tokens: Token[] = [];
  let next = 0;
  let offset = 0;
  let flow = 0;
  let scalar = false;
  let block = false;
  for (const source of new Lexer().lex(masked)) {
    const [first] = source;
    if (source === DOCUMENT || source === FLOW_END) continue;
    if (source === SCALAR) {
      scalar = true;
      continue;
    }
    const start = offset;
    offset += source.length;
    if (scalar) {
      next = collect(tokens, references, next, start, offset, block ? 'block' : flow > 0 ? 'flow' : 'plain');
      scalar = false;
      block = false;
    } else if (first === '"' || first === "'") {
      next = collect(tokens, references, next, start, offset, first === '"' ? 'double' : 'single');
    } else if (first === '|' || first === '>') block = true;
    else if (source === '{' || source === '[') flow++;
    else if (source === '}' || source === ']') flow--;
  }
  return tokens;
}

/** Zero-width marks the lexer puts among its tokens. */
const DOCUMENT = '\u0002';
const FLOW_END = '\u0018';
const SCALAR = '\u001f';

/** Adds the token [start, end) with its references, if it has any; answers the index of the first reference after it. */
function collect(
  tokens: Token[],
  references: readonly Reference[],
  next: number,
  start: number,
  end: number,
  context: Context,
): number {
  const token: Token = { context, start, end, references: [] };
  const first = context === 'double' || context === 'single' ? start + 1 : start;
  let index = next;
  for (; index < references.length; index++) {
    const reference = references[index];
    if (reference === undefined || reference.start >= end) break;
    if (reference.start < start) continue;
    if (reference.name === '~' && (reference.start !== first || context === 'block')) continue;
    token.references.push(reference);
  }
  if (token.references.length > 0) tokens.push(token);
  return index;
}

function expansionOf(reference: Reference, env: Environment, faults: SubstitutionFault[]): string | undefined {
  const { name, fallback, fault, start } = reference;
  if (fault !== undefined) {
    faults.push({ offset: start, ...fault });
    return undefined;
  }
  if (name === '') return '$';
  if (name === '~') return env.HOME ?? env.USERPROFILE ?? '~';
  const value = env[name];
  if (value !== undefined && (value !== '' || fallback === undefined)) return value;
  if (fallback !== undefined) return fallback;
  faults.push({
    offset: start,
    message: `environment variable ${name} is not set`,
    hint: `set it, give a default with \${${name}:-…}, or write $$ for a literal dollar`,
  });
  return undefined;
}

function nameOf(reference: Reference): string {
  return reference.name === '~' ? 'the home directory' : `$${reference.name}`;
}

const QUOTED_WHOLE = {
  double: /^"(?:[^"\\]|\\.)*"$/s,
  single: /^'(?:[^']|'')*'$/s,
};

/** Does the expanded scalar `token` still read as one value of its place? The YAML parser itself is the judge. */
function structureFault(token: string, context: Context): { message: string; hint: string } | undefined {
  if (context === 'block') return undefined;
  if (context === 'double' || context === 'single') {
    if (QUOTED_WHOLE[context].test(token)) return undefined;
    return {
      message: 'has a quote or backslash that ends the quoted string it stands in',
      hint: context === 'double' ? 'put it in single quotes, or use {file: …}' : 'use double quotes, or {file: …}',
    };
  }
  if (token.trim() === '') return undefined;
  if (readsAsOne(token, false) && (context === 'plain' || readsAsOne(token, true))) return undefined;
  return {
    message: 'would change the structure of the file here (it holds ": ", " #", a comma, a bracket or a YAML sign)',
    hint: 'put the reference in quotes',
  };
}

/** True where `text` is one scalar or one flow collection, without comment, anchor, tag or anything after it. */
function readsAsOne(text: string, inFlow: boolean): boolean {
  const document = parseDocument(inFlow ? `[${text}]` : text, { prettyErrors: false, logLevel: 'error' });
  let node: unknown = document.contents;
  if (document.errors.length > 0 || hasComment(document)) return false;
  if (inFlow) {
    if (!isCollection(node) || node.items.length !== 1 || hasComment(node)) return false;
    node = node.items[0];
  }
  if (!isNode(node) || hasComment(node) || node.tag !== undefined) return false;
  if (isScalar(node)) {
    return node.anchor === undefined && node.type !== 'BLOCK_LITERAL' && node.type !== 'BLOCK_FOLDED';
  }
  return isCollection(node) && node.flow === true && node.anchor === undefined;
}

function hasComment(part: { comment?: string | null; commentBefore?: string | null }): boolean {
  return (part.comment ?? part.commentBefore ?? null) !== null;
}

function originOf(pieces: readonly Piece[], offset: number): number {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((pieces[middle]?.expanded ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  const piece = pieces[low];
  if (piece === undefined) return offset;
  const next = pieces[low + 1];
  if (next !== undefined && offset >= next.expanded - next.inserted) return next.reference;
  return piece.original + (offset - piece.expanded);
}
