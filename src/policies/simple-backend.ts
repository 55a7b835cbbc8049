import { z } from 'zod';
import { SIMPLE_BACKEND_KEYS, simpleBackendShape } from '../resources/schema/backend-ref.ts';
import { exactlyOne } from '../resources/schema/common.ts';
import { schemaAt } from '../resources/schema/policies.ts';
import type { PolicyMap } from '../resources/types.ts';
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
