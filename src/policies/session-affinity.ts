import { z } from 'zod';
import { celExpression } from '../resources/schema/common.ts';
import { sessionKey } from '../upstream/session-key.ts';
import { definePolicy } from './definition.ts';
import { activationOfCall, readsRequestBody } from './expressions.ts';

/** Best effort: the same value goes to the same endpoint while the set of endpoints stays, and none has far more to do than the others. */
export const sessionAffinity = definePolicy({
  name: 'sessionAffinity',
  schema: z.strictObject({
    source: celExpression().describe(
      'CEL expression; requests that give the same value go to the same endpoint, of LLM providers to the same provider and key too. Where it fails or gives nothing, the load decides.',
    ),
  }),
  summary: 'Sends related requests to the same endpoint.',
  levels: ['backend'],
  phase: 'backend',
  protects: false,
  compile({ source }, _, { cel }) {
    const expression = cel.compile(source, 'sessionAffinity');
    return {
      readsBody: readsRequestBody(expression),
      onUpstream(call, exchange) {
        const key = sessionKey(expression, activationOfCall(call, exchange));
        if (key !== null) call.affinity = key;
      },
    };
  },
});
