/** What an LLM route may hold of a body where the configuration doesn't say: prompts carry images and documents. Ours. */
export const LLM_MAX_BUFFER_BYTES = 32 * 1024 * 1024;
