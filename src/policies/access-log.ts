import { z } from 'zod';
import { activationOf, CelFlattened, CelMap, type CelValue, type Expressions, isList, toJs } from '../cel/index.ts';
import type { Exchange, LogEdits, LogValue } from '../exchange.ts';
import type { InactivePart } from '../resources/catalogue.ts';
import { celExpression, celMap } from '../resources/schema/common.ts';
import { entries, list, merged, message, oneWord, present, text, under } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';
import { readsLlmRequest, readsRequestBody, readsResponseBody } from './expressions.ts';
import { auxiliaryServiceMessage, withAuxiliaryService } from './simple-backend.ts';

const fieldsShape = {
  remove: z.array(z.string()).optional().describe('Fields to leave out.'),
  add: celMap().optional().describe('Fields to add, each a CEL expression.'),
};

const otlp = withAuxiliaryService({
  filter: celExpression().nullish().describe('Requests for which this CEL expression is false are not exported.'),
  fields: z.strictObject(fieldsShape).nullish().describe("Fields of exported records. Default: the log's own."),
  protocol: z.enum(['grpc', 'http']).default('grpc').describe('OTLP transport.'),
  path: z.string().optional().describe('Path of the HTTP transport.'),
});

const schema = z.strictObject({
  filter: celExpression().nullish().describe('Requests for which this CEL expression is false are not logged.'),
  ...fieldsShape,
  otlp: otlp.nullish().describe('Export of log records over OTLP.'),
  database: z
    .strictObject({
      llm: z
        .enum(['metadata', 'full'])
        .nullish()
        .describe('What is stored of LLM requests: facts only, or prompts and answers too.'),
      add: celMap().optional().describe('Fields stored in the database only, each a CEL expression.'),
    })
    .nullish()
    .describe('Storage of log records in the database.'),
});

type Value = z.output<typeof schema>;

/** Of a response that passes, the log keeps so much for its fields: 2 MiB, agentgateway's maxBufferSize. */
const MAX_CAPTURED_BYTES = 2 * 1024 * 1024;

const fieldsMessage = message({ remove: list(text), add: entries('name', 'expression') });

const loggingMessage = merged(
  message({
    filter: present(text),
    otlp: [
      'otlp_access_log',
      auxiliaryServiceMessage('provider_backend', {
        filter: present(text),
        fields: fieldsMessage,
        protocol: oneWord({ http: 'HTTP', grpc: 'GRPC' }, 'http'),
        path: present(text),
      }),
    ],
  }),
  under('fields', fieldsMessage),
);

/** Changes to access-log records. Without it the log has its standard fields. */
export const accessLog = definePolicy({
  name: 'accessLog',
  aliases: ['logging'],
  schema,
  summary: 'Fields, filters and export of the access log.',
  levels: ['frontend'],
  phase: 'connection',
  protects: false,
  wire: [{ spec: 'frontend', field: 'logging', message: loggingMessage }],
  inactiveParts(value) {
    const parts: InactivePart[] = [];
    if (value.otlp) parts.push({ path: ['otlp'], protects: false });
    if (value.database) parts.push({ path: ['database'], protects: false });
    return parts;
  },
  compile(value, _, { cel }) {
    const edits = new ComputedEdits(value, cel);
    if (edits.isEmpty) return {};
    const captures = readsResponseBody(edits);
    const keepsRequest = readsLlmRequest(edits);
    return {
      readsBody: readsRequestBody(edits),
      onRequest(exchange) {
        exchange.logEdits = edits;
        if (keepsRequest) exchange.keepsLlmRequest = true;
        if (captures) exchange.responseCapture = { limit: MAX_CAPTURED_BYTES, chunks: [], bytes: 0, complete: true };
        return undefined;
      },
    };
  },
});

/** What the policy makes of a line; evaluated at the request's end, when usage, cost and the response are known. */
class ComputedEdits implements LogEdits {
  readonly #filter: ReturnType<Expressions['compile']> | null;
  readonly #add: readonly (readonly [string, ReturnType<Expressions['compile']>])[];
  /** A field that is added takes the place of a standard one, also where it has no value. */
  readonly removed: ReadonlySet<string>;

  constructor({ filter, add = {}, remove = [] }: Value, cel: Expressions) {
    this.#filter = filter ? cel.compile(filter, 'accessLog.filter') : null;
    this.#add = Object.entries(add).map(([name, text]) => [name, cel.compile(text, 'accessLog.add')]);
    this.removed = new Set([...remove, ...Object.keys(add)]);
  }

  get isEmpty(): boolean {
    return this.#filter === null && this.removed.size === 0;
  }

  reads(path: string): boolean {
    return this.#filter?.reads(path) === true || this.#add.some(([, expression]) => expression.reads(path));
  }

  keeps(exchange: Exchange): boolean {
    return this.#filter === null || this.#filter.holds(activationAtEnd(exchange));
  }

  added(exchange: Exchange): [string, LogValue][] {
    const activation = activationAtEnd(exchange);
    const fields: [string, LogValue][] = [];
    for (const [name, expression] of this.#add) {
      const found = expression.as(activation, (value) => {
        const own: [string, LogValue][] = [];
        collect(name, value, false, own);
        return own;
      });
      if (found !== undefined) fields.push(...found);
    }
    return fields;
  }
}

function activationAtEnd(exchange: Exchange) {
  return activationOf(exchange, { endTimeMs: exchange.startedAtUnixMs + exchange.elapsedMs() });
}

/** The fields that a value is: one, none where it is null, and those of its elements where it was flattened. */
function collect(name: string, value: CelValue, flat: boolean, into: [string, LogValue][]): void {
  const flattened = value instanceof CelFlattened;
  const inner = flattened ? value.value : value;
  const below = flattened ? value.recursive : flat;
  if ((flattened || flat) && isList(inner)) {
    for (const [index, item] of inner.entries()) collect(`${name}.${index}`, item, below, into);
  } else if ((flattened || flat) && inner instanceof CelMap) {
    for (const [key, item] of inner.entries()) collect(`${name}.${String(key)}`, item, below, into);
  } else {
    const plain = toJs(inner);
    if (plain !== null) into.push([name, plain]);
  }
}
