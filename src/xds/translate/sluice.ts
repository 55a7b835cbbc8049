import type { PolicyLevel } from '../../resources/catalogue.ts';
import { isObject, isWellFormed } from '../../resources/json.ts';
import type { PolicyChecker } from '../../resources/policy-check.ts';
import type { PolicyMap, Resource, ResourceKind, TargetedPolicy } from '../../resources/types.ts';
import { WireError } from '../../resources/wire.ts';
import type { Piece } from './pieces.ts';

/** What keys of each kind begin with. */
const PREFIXES: Readonly<Record<ResourceKind, string>> = {
  bind: 'bind/',
  listener: 'listener/',
  route: 'route/',
  backend: 'backend/',
  llmRouter: 'llm/',
  policy: 'policy/',
  routeGroup: 'routeGroup/',
  service: 'service/',
  workload: 'workload/',
  frontend: 'frontend',
  modelPrices: 'modelPrices',
};

/** A resource of Sluice's own as JSON in UTF-8. Throws WireError. */
export function readJson(bytes: Uint8Array, checker: PolicyChecker): Piece {
  const resource = parse(bytes);
  const fault = faultOf(resource, checker);
  if (fault !== null) throw new WireError(fault);
  return { kind: 'resource', key: resource.key, resource };
}

function parse(bytes: Uint8Array): Resource {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    throw new WireError('not JSON');
  }
  const { kind, key } = isObject(value) ? value : {};
  const prefix = typeof kind === 'string' && Object.hasOwn(PREFIXES, kind) ? PREFIXES[kind as ResourceKind] : undefined;
  if (prefix === undefined || typeof key !== 'string' || !key.startsWith(prefix) || !isWellFormed(key)) {
    throw new WireError('not a resource that this version knows');
  }
  return value as unknown as Resource;
}

/** The resource was checked where it comes from, perhaps by another version with other policies. */
function faultOf(resource: Resource, checker: PolicyChecker): string | null {
  for (const [policies, level] of policiesOf(resource)) {
    const fault = checker.recheck(policies, level);
    if (fault !== null) return fault;
  }
  return null;
}

function policiesOf(resource: Resource): (readonly [PolicyMap, PolicyLevel])[] {
  switch (resource.kind) {
    case 'frontend':
      return [[resource.policies, 'frontend']];
    case 'listener':
      return [[resource.policies, 'gateway']];
    case 'route':
      return [[resource.policies, 'route'], ...resource.backends.map(({ policies }) => [policies, 'backend'] as const)];
    case 'backend':
      return [[resource.policies, 'backend']];
    case 'policy':
      return [[resource.policies, levelOf(resource)]];
    case 'llmRouter':
      return resource.models.map(({ provider }) => [provider.policies, 'backend'] as const);
    default:
      return [];
  }
}

function levelOf({ phase, target }: TargetedPolicy): PolicyLevel {
  return phase === 'route' && (target.kind === 'backend' || target.kind === 'service') ? 'backend' : phase;
}
