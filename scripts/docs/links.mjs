/** Which definitions of the JSON schema have a section, and where. */

/** The heading a policy has on its page: frontend policies may share their name with others. */
export function policyHeading(entry) {
  return entry.yamlName === undefined ? entry.name : `${entry.yamlName} (frontend)`;
}

/** GitHub's anchor of a heading. */
export function anchorOf(heading) {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

/** The definition id of a policy's schema. */
export function definitionOf(policySchema) {
  return policySchema.meta()?.id;
}

/** Definitions that belong to policies without being one. */
export const POLICY_PARTS = ['CredentialLocation', 'PromptGuard', 'SimpleBackendPolicies'];

export function makeLinks(schema, catalogue) {
  const defs = schema.$defs ?? {};
  const policies = new Map();
  for (const entry of catalogue.policies.values()) {
    const heading = policyHeading(entry);
    const link = `[${entry.yamlName ?? entry.name}](policies.md#${anchorOf(heading)})`;
    for (const one of [entry.schema, ...Object.values(entry.schemas ?? {})]) policies.set(definitionOf(one), link);
  }
  return {
    defs,
    isPolicy: (id) => policies.has(id),
    linkOf(id) {
      const policy = policies.get(id);
      if (policy !== undefined) return policy;
      const title = defs[id]?.title;
      if (title === undefined) return undefined;
      const page = POLICY_PARTS.includes(id) ? 'policies.md' : 'configuration.md';
      return `[${title}](${page}#${anchorOf(title)})`;
    },
  };
}
