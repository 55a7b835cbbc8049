/**
 * Runs the conformance data of the CEL specification (the package @bufbuild/cel-spec, which carries cel-spec's own files) against
 * an engine: the modules of src/cel, or of dist/cel.
 */
import { tests } from '@bufbuild/cel-spec/testdata/conformance.js';

/** Paths below the engine's folder of the modules whose exports, put together, are an engine. */
export const ENGINE = [
  'program',
  'definitions',
  'errors',
  'functions/library',
  'values/value',
  'values/time',
  'values/json',
];

/** What Sluice has not, and why: a test that needs it is left out. The first reason that fits counts. */
export const EXCLUSIONS = [
  {
    id: 'messages',
    reason:
      'need protocol buffer messages or enums: no value in a gateway is one, and an expression that makes one is refused',
    fits: ({ expr, container = '', bindings = {}, typeEnv = [], ...result }) =>
      MESSAGES.test(expr) ||
      MESSAGES.test(container) ||
      hasMessage(bindings) ||
      hasMessage(result) ||
      typeEnv.some((declaration) => hasMessage(declaration)),
  },
  {
    id: 'block',
    reason: 'call cel.block, cel.index or cel.iterVar: an optimiser writes them, never a person',
    fits: ({ expr }) => /\bcel\.(?:block|index|iterVar)\b/.test(expr),
  },
  {
    id: 'types',
    reason:
      'are about types that a checker deduces: Sluice checks names and numbers of arguments when it compiles, types when it evaluates',
    fits: ({ expr, checkOnly, typedResult }) =>
      checkOnly === true ||
      (typedResult !== undefined && typedResult.result === undefined) ||
      /\btuple\(|\bfn\(/.test(expr),
  },
];

/** Messages, enums and well-known types other than the two that CEL has as types of its own. */
const MESSAGES =
  /TestAllTypes|NestedTestAllTypes|\b(?:U?Int(?:32|64)|Float|Double|Bool|String|Bytes|List)?Value\s*\{|GlobalEnum|NestedEnum|proto\.(?:has|get)Ext|google\.protobuf\.(?!Timestamp\b(?!\s*\{)|Duration\b(?!\s*\{))|cel\.expr\.conformance\.proto/;

/** Whether a value or a declaration in protobuf's JSON holds a message other than a time or an enum. */
function hasMessage(value) {
  if (value === null || typeof value !== 'object') return false;
  const type = value['@type'] ?? value.messageType;
  if (typeof type === 'string') return !/google\.protobuf\.(?:Duration|Timestamp)$/.test(type);
  return 'enumValue' in value || Object.values(value).some(hasMessage);
}

/** @returns {{ section: string, name: string, expr: string, excluded: string | null, fault: string | null }[]} each test's outcome */
export function runAll(engine) {
  return walk(tests, []).map(({ section, test }) => {
    const excluded = EXCLUSIONS.find(({ fits }) => fits(test))?.id ?? null;
    const fault = excluded === null ? run(engine, test) : null;
    return { section, name: test.name ?? test.expr, expr: test.expr, excluded, fault };
  });
}

function walk(suite, path) {
  const section = path.join('/');
  const own = (suite.tests ?? []).map(({ original }) => ({ section, test: original }));
  return [...own, ...(suite.suites ?? []).flatMap((inner) => walk(inner, [...path, inner.name]))];
}

/** Null where the test passes, else what came instead. */
function run(engine, test) {
  const wanted = test.value ?? test.typedResult?.result;
  const fails = test.evalError !== undefined || test.anyEvalErrors !== undefined;
  let value;
  try {
    value = evaluate(engine, test);
  } catch (error) {
    if (!(error instanceof engine.CelError) && !(error instanceof engine.CelSyntaxError)) throw error;
    return fails ? null : `${error.name}: ${error.message}`;
  }
  if (fails) return `evaluates to ${show(engine, value)}`;
  const expected = wanted === undefined ? true : celValue(engine, wanted);
  return same(engine, value, expected) ? null : `evaluates to ${show(engine, value)}`;
}

function evaluate(engine, { expr, bindings = {}, container = '', disableCheck = false }) {
  const values = new Map(Object.entries(bindings).map(([name, { value }]) => [name, celValue(engine, value)]));
  const variables = new Map([...values].map(([name, value]) => [name, { read: () => value }]));
  const environment = engine.makeEnvironment({
    variables,
    functions: new engine.FunctionTable(engine.CEL_FUNCTIONS),
    container,
    unknownNames: disableCheck ? 'fail' : 'reject',
  });
  return engine.compileCel(expr, environment).evaluate(null);
}

/** The value that protobuf's JSON of a cel.expr.Value means. */
function celValue(engine, json) {
  const [kind, value] = Object.entries(json)[0] ?? [];
  switch (kind) {
    case 'nullValue':
      return null;
    case 'boolValue':
    case 'stringValue':
      return value;
    case 'int64Value':
      return BigInt(value);
    case 'uint64Value':
      return new engine.CelUint(BigInt(value));
    case 'doubleValue':
      return Number(value);
    case 'bytesValue':
      return Buffer.from(value, 'base64');
    case 'typeValue':
      return new engine.CelType(value);
    case 'listValue':
      return (value.values ?? []).map((item) => celValue(engine, item));
    case 'mapValue':
      return engine.EntryMap.from(
        (value.entries ?? []).map((entry) => [celValue(engine, entry.key), celValue(engine, entry.value)]),
      );
    case 'objectValue':
      return value['@type'].endsWith('Duration')
        ? engine.parseDuration(value.value)
        : engine.parseTimestamp(value.value);
  }
  throw new Error(`no such value: ${JSON.stringify(json)}`);
}

/** Equal, and of the same type throughout; NaN is NaN here, and 0.0 is not -0.0. */
function same(engine, a, b) {
  if (engine.typeOf(a).name !== engine.typeOf(b).name) return false;
  if (typeof a === 'number') return Object.is(a, b);
  if (Array.isArray(a)) return a.length === b.length && a.every((item, i) => same(engine, item, b[i]));
  if (a instanceof engine.CelMap) {
    return a.size === b.size && [...a.entries()].every(([key, item]) => b.has(key) && same(engine, item, b.get(key)));
  }
  return engine.equals(a, b);
}

function show(engine, value) {
  return `${engine.typeOf(value).name} ${JSON.stringify(engine.toJs(value))}`;
}
