import { Expressions, gatewayEnvironment } from '../../src/cel/index.ts';
import type { ResponseHead } from '../../src/exchange.ts';
import { HeaderList } from '../../src/headers.ts';
import type { CompiledPolicy, PolicyDefinition } from '../../src/policies/definition.ts';
import type { PolicyServices } from '../../src/policies/services.ts';
import type { PolicyLevel } from '../../src/resources/catalogue.ts';

/** Expressions with agentgateway's environment; who failed is told to `errors`. */
export function expressions(errors: string[] = []): Expressions {
  return new Expressions(gatewayEnvironment({ env: {} }), (owner) => errors.push(owner));
}

/** Parses a value by the policy's schema and compiles it. Throws where the value is invalid. */
export function compilePolicy(
  policy: PolicyDefinition,
  value: unknown,
  options: { level?: PolicyLevel; services?: Partial<PolicyServices>; key?: string } = {},
): CompiledPolicy {
  const parsed = ((options.level && policy.schemas?.[options.level]) ?? policy.schema).parse(value);
  const faults = policy.faults?.(parsed) ?? [];
  if (faults.length > 0) throw new Error(faults.map((fault) => `${fault.path.join('.')}: ${fault.message}`).join('\n'));
  const scope = { key: options.key ?? 'test', level: options.level ?? 'route' };
  const services = { cel: expressions(), ...options.services } as PolicyServices;
  const compiled = policy.compile?.(parsed, scope, services);
  if (compiled === undefined) throw new Error(`${policy.name} does not compile`);
  return compiled;
}

/** Paths of the faults of a value that passes the schema, or `schema` where it doesn't. */
export function faultPaths(policy: PolicyDefinition, value: unknown): string[] {
  const parsed = policy.schema.safeParse(value);
  if (!parsed.success) return ['schema'];
  return (policy.faults?.(parsed.data) ?? []).map((fault) => fault.path.join('.'));
}

/** The parts of a value that are accepted but not executed. */
export function inactive(policy: PolicyDefinition, value: unknown): { path: string; protects: boolean }[] {
  const parts = policy.inactiveParts?.(policy.schema.parse(value)) ?? [];
  return parts.map((part) => ({ path: part.path.join('.'), protects: part.protects }));
}

export function responseHead(headers: string[] = [], status = 200): ResponseHead {
  return { status, headers: new HeaderList([...headers]) };
}
