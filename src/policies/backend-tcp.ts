import { z } from 'zod';
import type { InactivePart } from '../resources/catalogue.ts';
import { duration, parseDuration } from '../resources/schema/common.ts';
import { keepalives } from '../resources/schema/settings.ts';
import { duration as durationMessage, message, otherwise } from '../resources/wire.ts';
import { keepalives as keepalivesMessage } from '../resources/wire-messages.ts';
import { definePolicy } from './definition.ts';

export const backendTcpSchema = z.strictObject({
  keepalives: keepalives().describe('TCP keep-alives.'),
  connectTimeout: duration().describe('Longest time to open a connection.'),
});

const tcpMessage = message({
  keepalives: ['keepalive', otherwise(keepalivesMessage, {})],
  connectTimeout: otherwise(durationMessage, '10s'),
});

/** TCP towards a backend. */
export const backendTcp = definePolicy({
  name: 'tcp',
  schema: backendTcpSchema,
  summary: 'TCP keep-alives and connect time-out towards the backend.',
  levels: ['backend'],
  phase: 'backend',
  protects: false,
  wire: [{ spec: 'backend', field: 'backend_tcp', message: tcpMessage }],
  // The platform lets a program choose when probing begins, not how often it is repeated.
  inactiveParts: ({ keepalives: { interval, retries } }) => [
    ...(parseDuration(interval) === parseDuration(DEFAULTS.interval) ? [] : [inactive('interval')]),
    ...(retries === DEFAULTS.retries ? [] : [inactive('retries')]),
  ],
  // Executed by the backend's cluster, which takes it from the backend's policies.
  compile: () => ({}),
});

const DEFAULTS = keepalives().parse({});

function inactive(field: string): InactivePart {
  return { path: ['keepalives', field], protects: false };
}
