import { z } from 'zod';
import { simpleBackend } from '../resources/schema/backend-ref.ts';
import { message, required } from '../resources/wire.ts';
import { backendReference } from '../resources/wire-messages.ts';
import { definePolicy } from './definition.ts';
import { inlinePolicies, simpleBackendPolicies } from './simple-backend.ts';

const schema = z.strictObject({
  proxy: simpleBackend().describe('The proxy.'),
  policies: simpleBackendPolicies().nullish().describe('Policies of the connection to the proxy.'),
});

/** Connections to the backend go through an HTTP CONNECT proxy; going around it could evade egress control. */
export const backendTunnel = definePolicy({
  name: 'backendTunnel',
  schema,
  summary: 'Reaches the backend through an HTTP CONNECT proxy.',
  levels: ['route', 'backend'],
  phase: 'backend',
  protects: true,
  wire: [
    {
      spec: 'backend',
      field: 'backend_tunnel',
      message: message({ proxy: required(backendReference), policies: ['inline_policies', inlinePolicies()] }),
    },
  ],
});
