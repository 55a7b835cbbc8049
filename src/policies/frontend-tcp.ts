import { z } from 'zod';
import { keepalives } from '../resources/schema/settings.ts';
import { message, otherwise } from '../resources/wire.ts';
import { keepalives as keepalivesMessage } from '../resources/wire-messages.ts';
import { definePolicy } from './definition.ts';

/** TCP with clients. The backend-level policy `tcp` is another one. */
export const frontendTcp = definePolicy({
  name: 'frontend.tcp',
  yamlName: 'tcp',
  schema: z.strictObject({ keepalives: keepalives().describe('TCP keep-alives.') }),
  summary: 'TCP keep-alives with clients.',
  levels: ['frontend'],
  phase: 'connection',
  protects: false,
  wire: [{ spec: 'frontend', field: 'tcp', message: message({ keepalives: otherwise(keepalivesMessage, {}) }) }],
});
