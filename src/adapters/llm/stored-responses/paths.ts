/** What is asked of a response that may be kept here. */
export type ResponseRequest =
  | { readonly kind: 'retrieve' | 'delete' | 'cancel' | 'input_items'; readonly id: string }
  /** Of no response yet: how many tokens one would take. */
  | { readonly kind: 'input_tokens' };

const PATH = /\/responses\/([^/]+)(?:\/(input_items|cancel))?$/;

/**
 * What a request asks by its path, whatever stands before `/responses`; null for all else
 * (https://platform.openai.com/docs/api-reference/responses).
 */
export function responseRequest(method: string, path: string): ResponseRequest | null {
  const match = PATH.exec(path);
  if (match === null) return null;
  const [, id = '', of] = match;
  if (method === 'POST') {
    if (of === 'cancel') return { kind: 'cancel', id };
    return of === undefined && id === 'input_tokens' ? { kind: 'input_tokens' } : null;
  }
  if (method === 'GET' && of === 'input_items') return { kind: 'input_items', id };
  if (of !== undefined) return null;
  if (method === 'GET') return { kind: 'retrieve', id };
  return method === 'DELETE' ? { kind: 'delete', id } : null;
}

/** True for `POST …/responses/input_tokens`. */
export function asksInputTokens({ method, path }: { readonly method: string; readonly path: string }): boolean {
  return path.endsWith('/responses/input_tokens') && method === 'POST';
}
