import { CelSyntaxError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { BinaryOperator, Expr } from './ast.ts';
import { type Token, tokenize } from './lexer.ts';
import { numberLiteral } from './numbers.ts';

const RESERVED = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);
const LITERALS = new Set(['true', 'false', 'null', 'in']);
const RELATIONS = new Set(['==', '!=', '<', '<=', '>', '>=', 'in']);

/**
 * Parses one expression (CEL language definition, "Syntax"; with the optional syntax `a.?b`, `a[?b]`, `[?a]`, `{?k: v}` and names in
 * backticks). Throws CelSyntaxError, also where the source, the tree or its nesting is larger than `limits` allow.
 */
export function parse(source: string, limits: Limits): Expr {
  if (source.length > limits.maxSource)
    throw new CelSyntaxError(`the expression is longer than ${limits.maxSource} characters`, source, 0);
  return new Parser(source, limits).parseAll();
}

class Parser {
  readonly #source: string;
  readonly #tokens: Token[];
  readonly #limits: Limits;
  #next = 0;
  #depth = 0;

  constructor(source: string, limits: Limits) {
    this.#source = source;
    this.#tokens = tokenize(source);
    this.#limits = limits;
    // Every node has a token of its own.
    if (this.#tokens.length > limits.maxNodes)
      throw new CelSyntaxError(`the expression has more than ${limits.maxNodes} parts`, source, 0);
  }

  parseAll(): Expr {
    if (this.#peek().kind === 'end') throw new CelSyntaxError('the expression is empty', this.#source, 0);
    const expr = this.#expression();
    const rest = this.#peek();
    if (rest.kind !== 'end') throw this.#unexpected(rest, 'an operator or the end');
    return expr;
  }

  #expression(): Expr {
    this.#enter();
    const test = this.#logic('||');
    let expr = test;
    const question = this.#peek();
    if (this.#take('?')) {
      const then = this.#logic('||');
      this.#expect(':');
      const otherwise = this.#expression();
      expr = { kind: 'conditional', test, then, otherwise, at: question.start };
    }
    this.#depth--;
    return expr;
  }

  #logic(operator: '&&' | '||'): Expr {
    const at = this.#peek().start;
    const operand = () => (operator === '||' ? this.#logic('&&') : this.#relation());
    const first = operand();
    if (this.#peek().text !== operator) return first;
    const operands = [first];
    while (this.#take(operator)) operands.push(operand());
    return { kind: 'logic', operator, operands, at };
  }

  #relation(): Expr {
    return this.#leftToRight(RELATIONS, () => this.#sum());
  }

  #sum(): Expr {
    return this.#leftToRight(SUMS, () => this.#leftToRight(PRODUCTS, () => this.#unary()));
  }

  #leftToRight(operators: ReadonlySet<string>, operand: () => Expr): Expr {
    let left = operand();
    const depth = this.#depth;
    for (;;) {
      const token = this.#peek();
      if (token.kind === 'string' || token.kind === 'quoted' || !operators.has(token.text)) break;
      this.#next++;
      // A chain is as deep a tree as it is long.
      this.#enter();
      left = { kind: 'binary', operator: token.text as BinaryOperator, left, right: operand(), at: token.start };
    }
    this.#depth = depth;
    return left;
  }

  #unary(): Expr {
    const token = this.#peek();
    if (token.kind !== 'symbol' || (token.text !== '!' && token.text !== '-')) return this.#member();
    this.#next++;
    const next = this.#peek();
    if (token.text === '-' && next.kind === 'number') {
      this.#next++;
      return this.#suffixes({
        kind: 'literal',
        value: numberLiteral(`-${next.text}`, this.#source, token.start),
        at: token.start,
      });
    }
    this.#enter();
    const operand = this.#unary();
    this.#depth--;
    return { kind: 'unary', operator: token.text, operand, at: token.start };
  }

  #member(): Expr {
    return this.#suffixes(this.#primary());
  }

  #suffixes(primary: Expr): Expr {
    let expr = primary;
    const depth = this.#depth;
    for (;;) {
      const token = this.#peek();
      if (token.kind !== 'symbol') break;
      if (token.text === '.' || token.text === '.?') {
        this.#next++;
        expr = this.#selection(expr, token.text === '.?');
      } else if (token.text === '[' || token.text === '[?') {
        this.#next++;
        const index = this.#expression();
        this.#expect(']');
        expr = { kind: 'index', operand: expr, index, optional: token.text === '[?', at: token.start };
      } else if (token.text === '{' && (expr.kind === 'name' || expr.kind === 'select')) {
        throw new CelSyntaxError('protocol buffer messages are not supported: write a map', this.#source, token.start);
      } else break;
      this.#enter();
    }
    this.#depth = depth;
    return expr;
  }

  #selection(operand: Expr, optional: boolean): Expr {
    const token = this.#peek();
    this.#next++;
    if (token.kind === 'quoted') return { kind: 'select', operand, field: token.text, optional, at: token.start };
    if (token.kind !== 'name' || LITERALS.has(token.text)) throw this.#unexpected(token, 'the name of a field');
    if (!optional && this.#take('('))
      return {
        kind: 'call',
        name: token.text,
        target: operand,
        args: this.#list(')'),
        absolute: false,
        at: token.start,
      };
    return { kind: 'select', operand, field: token.text, optional, at: token.start };
  }

  #primary(): Expr {
    const token = this.#peek();
    this.#next++;
    if (token.kind === 'string') return { kind: 'literal', value: token.value, at: token.start };
    if (token.kind === 'number')
      return { kind: 'literal', value: numberLiteral(token.text, this.#source, token.start), at: token.start };
    if (token.kind === 'name') return this.#named(token, false);
    switch (token.kind === 'symbol' ? token.text : '') {
      case '(': {
        const inner = this.#expression();
        this.#expect(')');
        return inner;
      }
      case '[':
        return { kind: 'list', items: this.#items(), at: token.start };
      case '[?':
        // `[?a]`: the bracket and the mark are one token.
        return { kind: 'list', items: this.#items(true), at: token.start };
      case '{':
        return { kind: 'map', entries: this.#entries(), at: token.start };
      case '.': {
        const name = this.#peek();
        this.#next++;
        if (name.kind === 'name') return this.#named(name, true);
        throw this.#unexpected(name, 'a name');
      }
    }
    throw this.#unexpected(token, 'an expression');
  }

  #named(token: Token, absolute: boolean): Expr {
    const at = token.start;
    if (!absolute) {
      if (token.text === 'true' || token.text === 'false') return { kind: 'literal', value: token.text === 'true', at };
      if (token.text === 'null') return { kind: 'literal', value: null, at };
    }
    if (token.text === 'in') throw this.#unexpected(token, 'an expression');
    if (RESERVED.has(token.text))
      throw new CelSyntaxError(`'${token.text}' is a reserved word of CEL`, this.#source, at);
    if (this.#take('(')) return { kind: 'call', name: token.text, target: null, args: this.#list(')'), absolute, at };
    return { kind: 'name', name: token.text, absolute, at };
  }

  #list(closing: string): Expr[] {
    const items: Expr[] = [];
    if (this.#take(closing)) return items;
    do items.push(this.#expression());
    while (this.#take(','));
    this.#expect(closing);
    return items;
  }

  #items(firstOptional = false): { value: Expr; optional: boolean }[] {
    const items: { value: Expr; optional: boolean }[] = [];
    let optional = firstOptional;
    while (optional || !this.#take(']')) {
      optional = this.#take('?') || optional;
      items.push({ value: this.#expression(), optional });
      optional = false;
      if (this.#take(',')) continue;
      this.#expect(']');
      break;
    }
    return items;
  }

  #entries(): { key: Expr; value: Expr; optional: boolean }[] {
    const entries: { key: Expr; value: Expr; optional: boolean }[] = [];
    while (!this.#take('}')) {
      const optional = this.#take('?');
      const key = this.#expression();
      this.#expect(':');
      entries.push({ key, value: this.#expression(), optional });
      if (this.#take(',')) continue;
      this.#expect('}');
      break;
    }
    return entries;
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: 'end', text: '', start: this.#source.length, end: this.#source.length };
  }

  #take(symbol: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'symbol' || token.text !== symbol) return false;
    this.#next++;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) throw this.#unexpected(this.#peek(), `'${symbol}'`);
  }

  #enter(): void {
    if (++this.#depth > this.#limits.maxDepth)
      throw new CelSyntaxError(
        `the expression is nested deeper than ${this.#limits.maxDepth}`,
        this.#source,
        this.#peek().start,
      );
  }

  #unexpected(token: Token, wanted: string): CelSyntaxError {
    const found = token.kind === 'end' ? 'the expression ends' : `unexpected '${token.text}'`;
    return new CelSyntaxError(`${found} where ${wanted} should be`, this.#source, token.start);
  }
}

const SUMS = new Set(['+', '-']);
const PRODUCTS = new Set(['*', '/', '%']);
