import { CelSyntaxError } from '../errors.ts';
import type { Literal } from './ast.ts';

/** The value of a numeric literal, its sign included. Throws CelSyntaxError where it is out of range. */
export function numberLiteral(text: string, source: string, at: number): Literal {
  const negative = text.startsWith('-');
  const digits = negative ? text.slice(1) : text;
  const hexadecimal = /^0[xX]/.test(digits);
  if (!hexadecimal && /[.eE]/.test(digits)) {
    if (/[uU]$/.test(digits)) throw new CelSyntaxError(`'${text}': only integers are unsigned`, source, at);
    return Number(text);
  }
  if (/[uU]$/.test(digits)) {
    if (negative) throw new CelSyntaxError(`'${text}': an unsigned number can't be negative`, source, at);
    const value = BigInt(digits.slice(0, -1));
    if (BigInt.asUintN(64, value) !== value) throw new CelSyntaxError(`'${text}' is more than 64 bits`, source, at);
    return { unsigned: value };
  }
  const value = negative ? -BigInt(digits) : BigInt(digits);
  if (BigInt.asIntN(64, value) !== value) throw new CelSyntaxError(`'${text}' is more than 64 bits`, source, at);
  return value;
}
