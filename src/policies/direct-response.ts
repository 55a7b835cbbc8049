import { z } from 'zod';
import { activationOf, type Expressions } from '../cel/index.ts';
import { GatewayError } from '../errors/table.ts';
import { isConditional } from '../resources/conditional.ts';
import { bytes, celExpression, celMap, httpStatus } from '../resources/schema/common.ts';
import { bytes as bytesMessage, entries, message, text, uint32 } from '../resources/wire.ts';
import { compileConditional, conditional } from './conditional.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';
import { headerValue, readsRequestBody } from './expressions.ts';
import { CONNECTION_FIELDS, FIELD_NAME } from './header-fields.ts';

const response = z.strictObject({
  status: httpStatus().describe('Status to answer with.'),
  body: bytes().optional().describe('The body, as text or as a list of bytes.'),
  bodyExpression: celExpression().nullish().describe('CEL expression that gives the body.'),
  headers: celMap().optional().describe('Headers of the answer, each a CEL expression.'),
});

type Response = z.infer<typeof response>;

const responseMessage = message({
  status: uint32,
  body: bytesMessage,
  bodyExpression: text,
  headers: entries('name', 'expression'),
});

/** Answers in the backend's stead, after everything that could refuse the request. */
export const directResponse = definePolicy({
  name: 'directResponse',
  schema: z.union([conditional(response), response]),
  summary: 'Answers with a fixed status and body; no backend is called.',
  levels: ['route'],
  phase: 'respond',
  protects: false,
  wire: [{ spec: 'traffic', field: 'direct_response', message: responseMessage }],
  faults(value) {
    const faults = [];
    for (const [index, entry] of (isConditional<Response>(value) ? value.conditional : [value]).entries()) {
      const path = isConditional<Response>(value) ? ['conditional', index] : [];
      if (entry.status < 200 || entry.status > 599) {
        faults.push({ path: [...path, 'status'], message: `${entry.status} is not a status of a complete response` });
      }
      for (const name of Object.keys(entry.headers ?? {})) {
        const at = [...path, 'headers', name];
        if (!FIELD_NAME.test(name)) faults.push({ path: at, message: `"${name}" is not a header name` });
        else if (CONNECTION_FIELDS.has(name.toLowerCase()))
          faults.push({ path: at, message: `"${name}" frames the message; the gateway writes it itself` });
      }
      if (entry.body !== undefined && entry.bodyExpression) {
        faults.push({ path: [...path, 'bodyExpression'], message: 'body and bodyExpression exclude each other' });
      }
    }
    return faults;
  },
  compile(value, _, { cel }) {
    if (!isConditional<Response>(value)) return compileResponse(value, cel);
    return compileConditional(value, 'directResponse', cel, (entry) => compileResponse(entry, cel));
  },
});

function compileResponse(value: Response, cel: Expressions): CompiledPolicy {
  const { status } = value;
  const fixed = typeof value.body === 'string' ? value.body : Buffer.from(value.body ?? []);
  const computed = value.bodyExpression ? cel.compile(value.bodyExpression, 'directResponse.body') : null;
  const fields = Object.entries(value.headers ?? {}).map(([name, text]) => ({
    name: name.toLowerCase(),
    expression: cel.compile(text, 'directResponse.headers'),
  }));
  const expressions = fields.map(({ expression }) => expression);
  if (computed !== null) expressions.push(computed);
  if (expressions.length === 0) return { onRequest: () => ({ status, headers: [], body: fixed }) };
  return {
    readsBody: readsRequestBody(...expressions),
    onRequest(exchange) {
      const activation = activationOf(exchange);
      const body = computed === null ? fixed : computed.bytes(activation);
      if (body === undefined) throw new GatewayError('internal', 'The answer of this route could not be computed.');
      const headers = fields.flatMap(({ name, expression }) => {
        const text = expression.as(activation, headerValue);
        return typeof text === 'string' ? [name, text] : [];
      });
      return { status, headers, body };
    },
  };
}
