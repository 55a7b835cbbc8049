/** Keys under which resources that refer to one another are published. */

/** Key of a named backend; `reference` is its name, or `namespace/name`. Names from a file have no namespace. */
export function backendKey(reference: string): string {
  return `backend/${reference.includes('/') ? reference : `/${reference}`}`;
}
