/** Keys under which resources that refer to one another are published. */

/** `name` or `namespace/name`, as a reference says it. */
export function backendKey(reference: string): string {
  return reference.includes('/') ? `backend/${reference}` : `backend/default/${reference}`;
}
