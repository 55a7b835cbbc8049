import { z } from 'zod';
import { SIMPLE_BACKEND_KEYS, simpleBackendShape } from '../resources/schema/backend-ref.ts';
import { exactlyOne } from '../resources/schema/common.ts';
import { configName, schemaAt } from '../resources/schema/policies.ts';
import type { PolicyMap } from '../resources/types.ts';
import {
  type Fields,
  lazily,
  list,
  type MessageWire,
  mapped,
  merged,
  message,
  required,
  under,
  type Wire,
  WireError,
} from '../resources/wire.ts';
import { backendReference } from '../resources/wire-messages.ts';
import { backendAuth } from './backend-auth.ts';
import { backendHttp } from './backend-http.ts';
import { backendTcp } from './backend-tcp.ts';
import { backendTLS } from './backend-tls.ts';
import { backendTunnel } from './backend-tunnel.ts';
import { requestHeaderModifier } from './request-header-modifier.ts';
import { transformations } from './transformations.ts';

/**
 * The connection to an auxiliary service (authorization service, rate-limit service, token endpoint …): a reference, and
 * the backend policies of the connection. Some of those policies name auxiliary services themselves, so the schemas refer to
 * each other and are resolved on first use.
 */
const POLICIES = z
  .strictObject({
    get requestHeaderModifier() {
      return requestHeaderModifier.schema.nullish().describe(requestHeaderModifier.summary);
    },
    get transformations(): z.ZodType {
      return schemaAt(transformations, 'backend').nullish().describe(transformations.summary);
    },
    get backendTLS(): z.ZodType {
      return backendTLS.schema.nullish().describe(backendTLS.summary);
    },
    get backendAuth(): z.ZodType {
      return backendAuth.schema.nullish().describe(backendAuth.summary);
    },
    get http(): z.ZodType {
      return backendHttp.schema.nullish().describe(backendHttp.summary);
    },
    get tcp(): z.ZodType {
      return backendTcp.schema.nullish().describe(backendTcp.summary);
    },
    get backendTunnel(): z.ZodType {
      return backendTunnel.schema.nullish().describe(backendTunnel.summary);
    },
  })
  .meta({ id: 'SimpleBackendPolicies', title: 'Auxiliary service policies' });

/** Policies of the connection to an auxiliary service. */
export function simpleBackendPolicies(): z.ZodType<PolicyMap> {
  return z.lazy(() => POLICIES as unknown as z.ZodType<PolicyMap>);
}

/** The fields of an auxiliary service, to spread into a policy that holds them beside its own. */
export function auxiliaryServiceShape() {
  return {
    ...simpleBackendShape(),
    policies: simpleBackendPolicies().nullish().describe('Policies of the connection to the service.'),
  };
}

/** An object with the fields of an auxiliary service and `shape`; exactly one of `service`, `host`, `backend` is given. */
export function withAuxiliaryService<Shape extends z.ZodRawShape>(shape: Shape) {
  return exactlyOne(z.strictObject({ ...auxiliaryServiceShape(), ...shape }), SIMPLE_BACKEND_KEYS);
}

let specs: MessageWire | null = null;

/** BackendPolicySpec, as far as connections to services have policies. */
function connectionPolicy(): MessageWire {
  specs ??= message(
    Object.fromEntries(
      [requestHeaderModifier, transformations, backendTLS, backendAuth, backendHttp, backendTcp, backendTunnel].flatMap(
        (policy) =>
          (policy.wire ?? [])
            .filter(({ spec }) => spec === 'backend')
            .map(({ field, message: inner }) => [configName(policy), [field, inner]] as const),
      ),
    ),
  );
  return specs;
}

/** `repeated BackendPolicySpec`, each of which holds one policy ↔ policies of the connection to an auxiliary service. */
export function inlinePolicies(): Wire<Record<string, unknown>> {
  return mapped(list(lazily<Record<string, unknown>>(connectionPolicy)), {
    read(found) {
      const policies: Record<string, unknown> = {};
      for (const [index, spec] of found.entries()) {
        const [entry] = Object.entries(spec);
        if (entry === undefined) throw new WireError('names no policy', [index]);
        if (Object.hasOwn(policies, entry[0])) throw new WireError(`${entry[0]} is there already`, [index]);
        policies[entry[0]] = entry[1];
      }
      return policies;
    },
    write(policies) {
      const given = Object.entries(policies).filter(([, policy]) => policy !== null && policy !== undefined);
      return given.map(([name, policy]) => ({ [name]: policy }));
    },
  });
}

/** A message that names an auxiliary service in its field `field`, the connection's policies in `inline_policies`, and has `fields` beside them. */
export function auxiliaryServiceMessage(field: string, fields: Fields): MessageWire {
  return merged(
    under(field, required(backendReference), ...SIMPLE_BACKEND_KEYS),
    message({ policies: ['inline_policies', inlinePolicies()], ...fields }),
  );
}
