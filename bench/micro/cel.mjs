import { built } from '../lib/build.mjs';

const { activationOf, compileCel, gatewayEnvironment } = await import(built('cel/index.js'));
const { Exchange } = await import(built('exchange.js'));
const { HeaderList } = await import(built('headers.js'));

const ROUNDS = 1_000_000;
const COMPILATIONS = 20_000;
const RULE = 'jwt.sub == "a" && mcp.tool.name in ["x","y"] && request.headers["x"].startsWith("b")';

function exchange() {
  const headers = new HeaderList([
    'accept',
    '*/*',
    'user-agent',
    'bench',
    'content-type',
    'application/json',
    'x',
    'bee',
  ]);
  const head = { method: 'POST', path: '/mcp', query: '', scheme: 'http', authority: 'localhost', host: 'localhost' };
  return new Exchange(null, { ...head, headers });
}

/** What evaluating an authorization rule over a request costs one core, the activation included, and what compiling it does. */
export async function run() {
  const environment = gatewayEnvironment();
  const request = exchange();
  const facts = {
    jwt: { claims: { iss: 'https://issuer.example', sub: 'a', groups: ['dev', 'ops'] }, rawToken: null },
    mcp: { tool: { target: 'everything', name: 'y' } },
  };
  const rule = rate(compileCel(RULE, environment), () => activationOf(request, facts), true);
  const pattern = compileCel('request.path.matches("^/(mcp|sse)/?$")', environment);
  const claims = compileCel('jwt.groups.exists(g, g == "ops") && size(jwt.groups) < 10', environment);
  const denied = compileCel('has(jwt.tenant) && jwt.tenant == "x"', environment);
  const fails = compileCel('request.headers["absent"] == "b"', environment);
  return [
    ['CEL: three conditions on claims, tool and header', perSecond(rule), '≥ 1 M/s', rule >= 1e6],
    ['CEL: exists() over a claim', perSecond(rate(claims, () => activationOf(request, facts), true)), '', null],
    ['CEL: a claim that is not there', perSecond(rate(denied, () => activationOf(request, facts), false)), '', null],
    ['CEL: regular expression', perSecond(rate(pattern, () => activationOf(request, facts), true)), '', null],
    ['CEL: an evaluation that fails', perSecond(rate(fails, () => activationOf(request, facts), null)), '', null],
    ['CEL: compile', perSecond(compilations(environment)), '', null],
  ];
}

/** Evaluations a second; `expected` null: each fails. */
function rate(program, activation, expected) {
  const rounds = expected === null ? ROUNDS / 10 : ROUNDS;
  const once = () => {
    try {
      return program.evaluate(activation());
    } catch {
      return null;
    }
  };
  for (let i = 0; i < rounds / 4; i++) once();
  const start = performance.now();
  for (let i = 0; i < rounds; i++) if (once() !== expected) throw new Error(`${program.source} is not ${expected}`);
  return (rounds * 1000) / (performance.now() - start);
}

function compilations(environment) {
  for (let i = 0; i < COMPILATIONS / 4; i++) compileCel(RULE, environment);
  const start = performance.now();
  for (let i = 0; i < COMPILATIONS; i++) compileCel(RULE, environment);
  return (COMPILATIONS * 1000) / (performance.now() - start);
}

function perSecond(value) {
  return value >= 1e6 ? `${(value / 1e6).toFixed(2)} M/s` : `${(value / 1e3).toFixed(0)} k/s`;
}
