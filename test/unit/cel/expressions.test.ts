import { describe, expect, test } from 'vitest';
import { activationOf, CelSyntaxError, Expressions, gatewayEnvironment } from '../../../src/cel/index.ts';
import { fakeExchange } from '../../support/exchange.ts';

function expressions() {
  const failures: string[] = [];
  const cel = new Expressions(gatewayEnvironment({ env: {} }), (owner, error) =>
    failures.push(`${owner}: ${error.code}`),
  );
  const exchange = fakeExchange({ headers: ['x-id', 'a'] });
  return { cel, failures, activation: activationOf(exchange) };
}

describe('expressions', () => {
  test('have values, and hold only where the value is true', () => {
    const { cel, failures, activation } = expressions();
    expect(cel.compile('request.headers["x-id"]', 'a').value(activation)).toBe('a');
    expect(cel.compile('{"a": [1, 2.5]}', 'a').plain(activation)).toEqual({ a: [1, 2.5] });
    expect(cel.compile('1 == 1', 'a').holds(activation)).toBe(true);
    expect(cel.compile('"true"', 'a').holds(activation)).toBe(false);
    expect(failures).toEqual([]);
  });

  test('that fail have no value and do not hold, and each failure is told with its owner', () => {
    const { cel, failures, activation } = expressions();
    expect(cel.compile('jwt.sub', 'first').value(activation)).toBeUndefined();
    expect(cel.compile('jwt.sub == "a"', 'second').holds(activation)).toBe(false);
    expect(cel.compile('1 / 0', 'third').plain(activation)).toBeUndefined();
    expect(failures.map((failure) => failure.split(':')[0])).toEqual(['first', 'second', 'third']);
  });

  test('that can not be compiled are refused with their place', () => {
    const { cel } = expressions();
    expect(() => cel.compile('request.headers[', 'a')).toThrow(CelSyntaxError);
    expect(() => cel.compile('nobody.knows', 'a')).toThrow(/nobody/);
  });
});
