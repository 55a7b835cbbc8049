import { z } from 'zod';
import { ROUTE_TYPES } from '../facts/llm.ts';
import type { InactivePart } from '../resources/catalogue.ts';
import { celExpression, duration, jsonMap, own, size } from '../resources/schema/common.ts';
import { isNetwork } from '../upstream/address-guard.ts';
import { aiMessage } from './ai-message.ts';
import { definePolicy } from './definition.ts';
import { promptGuardSchema } from './prompt-guard.ts';

const jsonObject = jsonMap();
const message = z.strictObject({
  role: z.string().describe('Role the message is sent in, e.g. `system`.'),
  content: z.string().describe('Text of the message.'),
});

/** A host name with an optional port; `*.` for all names below it. */
const HOST = /^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?$/;

const schema = z.strictObject({
  promptGuard: promptGuardSchema.nullish().describe('Guards on prompts and answers.'),
  defaults: jsonObject.nullish().describe('Request body members set where the client did not send them.'),
  overrides: jsonObject.nullish().describe("Request body members set in place of the client's."),
  transformations: z
    .record(z.string(), celExpression())
    .nullish()
    .describe('Request body members computed by CEL expressions.'),
  finalTransformations: z
    .record(z.string(), celExpression())
    .nullish()
    .describe("Request body members computed by CEL expressions after conversion to the provider's format."),
  prompts: z
    .strictObject({
      append: z.array(message).optional().describe("Messages after the client's."),
      prepend: z.array(message).optional().describe("Messages before the client's."),
    })
    .nullish()
    .describe("Messages added before or after the client's."),
  modelAliases: z
    .record(z.string(), z.string())
    .optional()
    .describe('Model name, or pattern with one `*`, to the model asked for instead.'),
  promptCaching: z
    .strictObject({
      cacheSystem: z.boolean().default(true).describe('Mark the system prompt.'),
      cacheMessages: z.boolean().default(true).describe('Mark the conversation.'),
      cacheTools: z.boolean().default(false).describe('Mark the tools.'),
      minTokens: z.int().min(0).nullish().describe('Prompts of fewer tokens are not marked. Default: 1024.'),
      cacheMessageOffset: z.int().min(0).default(0).describe('Messages at the end that are left out of the mark.'),
    })
    .nullish()
    .describe('Cache marks for providers that take them.'),
  mediaFetch: own(
    z
      .strictObject({
        allow: z
          .union([
            z.boolean(),
            z.array(z.string().regex(HOST, 'not a host such as example.com, *.example.com or example.com:8443')),
          ])
          .describe('Hosts that may be fetched from, or `true` for all; on ports 80 and 443 where none is given.'),
        networks: z
          .array(z.string())
          .default([])
          .describe(
            'Networks (`10.1.0.0/16`) whose addresses may be connected to as well. Without it public addresses alone: never those of this machine, of private networks or of cloud metadata services.',
          ),
        maxBytes: size()
          .default(10 * 1024 * 1024)
          .describe('Bytes of all that one request names. Default: 10Mi.'),
        timeout: duration().default('10s').describe('Time for all of it. Default: 10s.'),
      })
      .nullish()
      .describe(
        'Fetches images and files that a request names by URL where the provider takes only their bytes. Without it such requests are refused.',
      ),
  ),
  routes: z
    .record(z.string(), z.enum(ROUTE_TYPES))
    .optional()
    .describe('Path suffix, or `*` for every other path, to the API it is handled as.'),
  prefixAffinity: own(
    z
      .boolean()
      .nullish()
      .describe(
        "Keep a conversation (tenant, system prompt, tools, first user turn) with one provider, key and endpoint while it is healthy, so that the provider's prompt cache serves it. Default: true. Taken from the route.",
      ),
  ),
  strict: own(
    z
      .boolean()
      .nullish()
      .describe(
        "Where a request is converted to another API's format: refuse (400, naming the field) what that can not say, also where leaving it out is harmless. Default: it is left out and listed in `x-sluice-lossy`.",
      ),
  ),
});

type AiPolicyValue = z.infer<typeof schema>;

/** Parts that this version validates but does not execute; only the guards protect. */
const INACTIVE = [{ name: 'promptGuard', protects: true }] as const satisfies readonly {
  name: keyof AiPolicyValue;
  protects: boolean;
}[];

/** Executed by the LLM adapter, which reads the value (`AiPolicy` of facts/llm.ts) as data. */
export const aiPolicy = definePolicy<AiPolicyValue>({
  name: 'ai',
  schema,
  summary: 'How requests to LLM providers are handled: body defaults and overrides, model aliases, API by path.',
  levels: ['route', 'backend'],
  phase: 'llm-request',
  protects: false,
  wire: [{ spec: 'backend', field: 'ai', message: aiMessage }],
  inactiveParts: (value) =>
    INACTIVE.filter(({ name }) => value[name] !== undefined && value[name] !== null).map(
      ({ name, protects }): InactivePart => ({ path: [name], protects }),
    ),
  faults: (value) => [
    ...Object.keys(value.modelAliases ?? {})
      .filter((pattern) => pattern.indexOf('*') !== pattern.lastIndexOf('*'))
      .map((pattern) => ({ path: ['modelAliases', pattern], message: 'a pattern may have at most one `*`' })),
    ...(value.mediaFetch?.networks ?? []).flatMap((network, index) =>
      isNetwork(network)
        ? []
        : [{ path: ['mediaFetch', 'networks', index], message: `"${network}" is not a network such as 10.1.0.0/16` }],
    ),
  ],
  compile: () => ({}),
});
