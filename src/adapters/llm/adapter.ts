import { GatewayError } from '../../errors/table.ts';
import type { Adapter } from '../adapter.ts';
import { AiBackendServer } from './ai-backend.ts';
import { ModelRouter } from './model-router.ts';

/**
 * LLM providers: `ai` backends and the `llm:` section's model router. A client's request goes on in its own format, its bytes as they
 * came but for what policies set; the answer comes back likewise, with its tokens counted on the way.
 */
export const llmAdapter: Adapter = {
  kinds: ['ai', 'llm'],
  compile(target, scope, services) {
    if (target.kind === 'ai') return new AiBackendServer(target.ai, scope, services);
    const router = target.kind === 'llm' ? services.resource(target.key) : undefined;
    if (router?.kind === 'llmRouter') return new ModelRouter(router, scope, services);
    throw new GatewayError('invalid_backend', 'The route has no LLM configuration.');
  },
};
