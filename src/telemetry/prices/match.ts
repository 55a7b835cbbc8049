import { RE2JS } from 're2js';
import type { Match } from '../../resources/prices.ts';

/** A test of lower-case names. Throws where an expression isn't RE2's. */
export function compileMatch(match: Match): (name: string) => boolean {
  if ('equals' in match) return equalTo(match.equals.toLowerCase());
  if ('starts_with' in match) return startingWith(match.starts_with.toLowerCase());
  if ('ends_with' in match) return endingWith(match.ends_with.toLowerCase());
  if ('contains' in match) return containing(match.contains.toLowerCase());
  if ('regex' in match) {
    const expression = RE2JS.compile(match.regex, RE2JS.CASE_INSENSITIVE);
    return (name) => expression.matcher(name).find();
  }
  if ('not' in match) {
    const inner = compileMatch(match.not);
    return (name) => !inner(name);
  }
  if ('and' in match) {
    const all = match.and.map(compileMatch);
    return (name) => all.every((test) => test(name));
  }
  const any = match.or.map(compileMatch);
  return (name) => any.some((test) => test(name));
}

const equalTo = (text: string) => (name: string) => name === text;
const startingWith = (text: string) => (name: string) => name.startsWith(text);
const endingWith = (text: string) => (name: string) => name.endsWith(text);
const containing = (text: string) => (name: string) => name.includes(text);
