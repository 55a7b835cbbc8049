import { z } from 'zod';
import { exactlyOne, port } from './common.ts';

/**
 * References to backends of auxiliary services (mirrors, authorization services, token endpoints …): `{service}`, `{host}`
 * or `{backend}`, never a whole backend. The variant with policies is in `policies/simple-backend.ts`, since it is made of
 * policies.
 */

/** `namespace/hostname` and port of a service. */
export function serviceRef() {
  return z.strictObject({
    name: z.string().describe('`namespace/hostname` of the service.'),
    port: port().describe("The service's port."),
  });
}

/** The three ways to name a simple backend; spread into objects that hold more beside it. */
export function simpleBackendShape() {
  return {
    service: serviceRef().optional().describe('A service known through `services`.'),
    host: z.string().optional().describe('`host:port` of the service, or `unix:/path`.'),
    backend: z.string().optional().describe('Name of a backend in `backends`.'),
  };
}

export const SIMPLE_BACKEND_KEYS = ['service', 'host', 'backend'] as const;

/** `{service}`, `{host}` or `{backend}` and nothing else. */
export function simpleBackend() {
  return exactlyOne(z.strictObject(simpleBackendShape()), SIMPLE_BACKEND_KEYS);
}

export type SimpleBackend = z.output<ReturnType<typeof simpleBackend>>;
