import { z } from 'zod';
import { celExpression, celMap } from '../resources/schema/common.ts';
import { entries, list, mapped, oneWord, present, text, type Wire } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';
import { auxiliaryServiceMessage, withAuxiliaryService } from './simple-backend.ts';

const sampling = () => z.union([celExpression(), z.number(), z.boolean()]).nullish();

const schema = withAuxiliaryService({
  attributes: celMap().default({}).describe('Span attributes, each a CEL expression.'),
  resources: celMap().default({}).describe('Resource attributes, each a CEL expression.'),
  remove: z.array(z.string()).default([]).describe('Span attributes to leave out.'),
  randomSampling: sampling().describe('Share of requests traced when the client sends no trace context.'),
  clientSampling: sampling().describe('Share of requests traced when the client asks for it.'),
  filter: celExpression().nullish().describe('Spans for which this CEL expression is false are not exported.'),
  path: z.string().default('/v1/traces').describe('Path of the HTTP transport.'),
  protocol: z.enum(['grpc', 'http']).default('grpc').describe('OTLP transport.'),
});

/** An expression on the wire, whatever it gives. */
const share: Wire<string | number | boolean> = mapped(present(text), {
  read: (expression) => (/^\d+(\.\d+)?$/.test(expression) ? Number(expression) : expression),
  write: String,
});

const tracingMessage = auxiliaryServiceMessage('provider_backend', {
  attributes: entries('name', 'value'),
  resources: entries('name', 'value'),
  remove: list(text),
  randomSampling: share,
  clientSampling: share,
  filter: present(text),
  path: present(text),
  protocol: oneWord({ http: 'HTTP', grpc: 'GRPC' }, 'http'),
});

/** Export of traces over OTLP. */
export const tracing = definePolicy({
  name: 'tracing',
  schema,
  summary: 'Exports traces of requests to an OpenTelemetry collector.',
  levels: ['frontend'],
  phase: 'connection',
  protects: false,
  wire: [{ spec: 'frontend', field: 'tracing', message: tracingMessage }],
});
