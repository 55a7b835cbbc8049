import { z } from 'zod';
import { celExpression, celMap } from '../resources/schema/common.ts';
import { definePolicy } from './definition.ts';
import { withAuxiliaryService } from './simple-backend.ts';

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

/** Changes to access-log records. Without it the log has its standard fields. */
export const accessLog = definePolicy({
  name: 'accessLog',
  aliases: ['logging'],
  schema,
  summary: 'Fields, filters and export of the access log.',
  levels: ['frontend'],
  phase: 'connection',
  protects: false,
});
