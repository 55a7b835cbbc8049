/** The encoding of OpenAI's embeddings, and what clients fall back to for models they don't know. Loaded in the pool's threads alone. */
const decoder = () => import('gpt-tokenizer/encoding/cl100k_base').then(({ decode }) => decode);

/** The texts that lists of cl100k_base tokens say; null for a list that holds anything else. */
export async function decodeTokens(lists: readonly (readonly number[])[]): Promise<(string | null)[]> {
  const decode = await decoder();
  return lists.map((tokens) => {
    try {
      return decode(tokens);
    } catch {
      return null;
    }
  });
}
