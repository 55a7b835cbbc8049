import { z } from 'zod';
import { duration, parseDuration, parseSize, size, uint, uint32 } from '../resources/schema/common.ts';
import type { PolicyMap } from '../resources/types.ts';
import {
  duration as durationMessage,
  mapped,
  message,
  oneWord,
  present,
  uint32 as uint32Message,
} from '../resources/wire.ts';
import { definePolicy } from './definition.ts';

export const frontendHttpSchema = z.strictObject({
  maxBufferSize: size()
    .optional()
    .describe('Most bytes of a body that is held. Default: 2097152; on LLM routes 33554432.'),
  http1MaxHeaders: uint().nullish().describe('Most headers of an HTTP/1 request. Default: 100.'),
  http1IdleTimeout: duration().default('10m0s').describe('An idle HTTP/1 connection is closed after this time.'),
  http1HeaderCase: z
    .enum(['lowercase', 'preserve'])
    .default('lowercase')
    .describe('Case of header names in HTTP/1 responses.'),
  http2WindowSize: uint32().nullish().describe('HTTP/2 stream window in bytes.'),
  http2ConnectionWindowSize: uint32().nullish().describe('HTTP/2 connection window in bytes.'),
  http2FrameSize: uint32().nullish().describe('Largest HTTP/2 frame in bytes.'),
  http2MaxHeaderSize: uint32().nullish().describe('Most bytes of the headers of an HTTP/2 request.'),
  http2KeepaliveInterval: duration().nullish().describe('Time between HTTP/2 pings.'),
  http2KeepaliveTimeout: duration().nullish().describe('An unanswered ping ends the connection after this time.'),
  maxConnectionDuration: duration()
    .nullish()
    .describe('A connection is closed after this time, once its request has ended.'),
});

type FrontendHttp = z.output<typeof frontendHttpSchema>;

/** Executed by the drivers and by what holds bodies; the rest is accepted only. */
const EXECUTED: ReadonlySet<string> = new Set(['maxBufferSize', 'http1MaxHeaders', 'http1IdleTimeout']);

/** Limits in bytes and milliseconds; null = not said. */
export interface FrontendHttpLimits {
  readonly maxBufferBytes: number | null;
  readonly maxHeaders: number | null;
  readonly idleTimeoutMs: number | null;
}

/** Reads the limits from the frontend's policies. */
export function frontendHttpLimits(policies: PolicyMap): FrontendHttpLimits {
  const value = policies['frontend.http'] as FrontendHttp | undefined;
  return {
    maxBufferBytes: value?.maxBufferSize == null ? null : parseSize(value.maxBufferSize),
    maxHeaders: value?.http1MaxHeaders ?? null,
    idleTimeoutMs: value === undefined ? null : parseDuration(value.http1IdleTimeout),
  };
}

const httpMessage = message({
  maxBufferSize: mapped(present(uint32Message), { read: (bytes) => bytes, write: parseSize }),
  http1MaxHeaders: present(uint32Message),
  http1IdleTimeout: durationMessage,
  http1HeaderCase: oneWord({ lowercase: 'LOWERCASE', preserve: 'PRESERVE' }, 'lowercase'),
  http2WindowSize: present(uint32Message),
  http2ConnectionWindowSize: present(uint32Message),
  http2FrameSize: present(uint32Message),
  http2MaxHeaderSize: present(uint32Message),
  http2KeepaliveInterval: durationMessage,
  http2KeepaliveTimeout: durationMessage,
  maxConnectionDuration: durationMessage,
});

/** HTTP with clients. The backend-level policy `http` is another one. */
export const frontendHttp = definePolicy({
  name: 'frontend.http',
  yamlName: 'http',
  schema: frontendHttpSchema,
  summary: 'Limits and time-outs of HTTP with clients.',
  levels: ['frontend'],
  phase: 'connection',
  protects: false,
  wire: [{ spec: 'frontend', field: 'http', message: httpMessage }],
  inactiveParts: (value) => {
    const given = Object.entries(value).filter(([, field]) => field != null && field !== 'lowercase');
    return given.filter(([name]) => !EXECUTED.has(name)).map(([name]) => ({ path: [name], protects: false }));
  },
  // Data: see frontendHttpLimits.
  compile: () => ({}),
});
