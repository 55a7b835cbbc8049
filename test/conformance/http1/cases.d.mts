/** A case of the table; `cases.mjs` describes its fields. */
export interface Case {
  id: string;
  rfc: string;
  uws?: string;
}
export const cases: Case[];
