import { z } from 'zod';
import { duration } from '../resources/schema/common.ts';
import { keepalives } from '../resources/schema/settings.ts';
import { definePolicy } from './definition.ts';

export const backendTcpSchema = z.strictObject({
  keepalives: keepalives().describe('TCP keep-alives.'),
  connectTimeout: duration().describe('Longest time to open a connection.'),
});

/** TCP towards a backend. */
export const backendTcp = definePolicy({
  name: 'tcp',
  schema: backendTcpSchema,
  summary: 'TCP keep-alives and connect time-out towards the backend.',
  levels: ['backend'],
  phase: 'backend',
  protects: false,
});
