import { apiKey } from './api-key.ts';
import { cors } from './cors.ts';
import type { PolicyDefinition } from './definition.ts';
import { delay } from './delay.ts';
import { directResponse } from './direct-response.ts';
import { requestHeaderModifier } from './request-header-modifier.ts';
import { requestRedirect } from './request-redirect.ts';
import { responseHeaderModifier } from './response-header-modifier.ts';
import { urlRewrite } from './url-rewrite.ts';

/**
 * Every policy there is, one line each. Within a phase policies run in the order of this list, and dispatch wrappers nest in
 * it, the first outermost.
 */
const ALL: readonly PolicyDefinition[] = [
  cors,
  apiKey,
  delay,
  requestHeaderModifier,
  responseHeaderModifier,
  requestRedirect,
  directResponse,
  urlRewrite,
];

export const POLICIES: ReadonlyMap<string, PolicyDefinition> = new Map(ALL.map((policy) => [policy.name, policy]));
