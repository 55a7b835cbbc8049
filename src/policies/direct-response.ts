import { z } from 'zod';
import type { InactivePart } from '../resources/catalogue.ts';
import { bytes, celExpression, celMap, httpStatus } from '../resources/schema/common.ts';
import { conditional, isConditional } from './conditional.ts';
import { definePolicy } from './definition.ts';

const response = z.strictObject({
  status: httpStatus().describe('Status to answer with.'),
  body: bytes().optional().describe('The body, as text or as a list of bytes.'),
  bodyExpression: celExpression().nullish().describe('CEL expression that gives the body.'),
  headers: celMap().optional().describe('Headers of the answer, each a CEL expression.'),
});

type Response = z.infer<typeof response>;

/** Answers in the backend's stead, after everything that could refuse the request. */
export const directResponse = definePolicy({
  name: 'directResponse',
  schema: z.union([conditional(response), response]),
  summary: 'Answers with a fixed status and body; no backend is called.',
  levels: ['route'],
  phase: 'respond',
  protects: false,
  inactiveParts(value) {
    if (isConditional<Response>(value)) {
      // A conditional refusal (4xx) keeps requests from the backend: without it they would get there.
      const refuses = value.conditional.some((entry) => entry.status >= 400 && entry.status < 500);
      return [{ path: ['conditional'], protects: refuses }];
    }
    const parts: InactivePart[] = [];
    if (value.bodyExpression) parts.push({ path: ['bodyExpression'], protects: false });
    if (value.headers && Object.keys(value.headers).length > 0) parts.push({ path: ['headers'], protects: false });
    return parts;
  },
  faults(value) {
    const faults = [];
    for (const [index, entry] of (isConditional<Response>(value) ? value.conditional : [value]).entries()) {
      const path = isConditional<Response>(value) ? ['conditional', index] : [];
      if (entry.status < 200 || entry.status > 599) {
        faults.push({ path: [...path, 'status'], message: `${entry.status} is not a status of a complete response` });
      }
      if (entry.body !== undefined && entry.bodyExpression) {
        faults.push({ path: [...path, 'bodyExpression'], message: 'body and bodyExpression exclude each other' });
      }
    }
    return faults;
  },
  compile(value) {
    if (isConditional<Response>(value)) return {};
    const status = value.status;
    const body = typeof value.body === 'string' ? value.body : Buffer.from(value.body ?? []);
    return { onRequest: () => ({ status, headers: [], body }) };
  },
});
