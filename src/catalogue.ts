import { PROVIDERS } from './adapters/llm/providers/index.ts';
import { CelSyntaxError, compileCel, gatewayEnvironment } from './cel/index.ts';
import { POLICIES } from './policies/registry.ts';
import type { Catalogue, CatalogueEntry, ExpressionChecker, ExpressionFault } from './resources/catalogue.ts';

/** Texts whose check is remembered from one load of a configuration to the next. */
const MAX_CHECKED = 20_000;

/** What the registries hold, in the form configuration sources take it: descriptions without compile functions. */
export function buildCatalogue(): Catalogue {
  const policies = new Map<string, CatalogueEntry>();
  for (const [key, policy] of POLICIES) {
    policies.set(key, Object.assign(Object.create(policy), { active: policy.compile !== undefined }));
  }
  return { policies, providers: PROVIDERS, expressions: expressionCheckers() };
}

/** A configuration is loaded again and again: what was checked with the same functions is not compiled a second time. */
function expressionCheckers(): NonNullable<Catalogue['expressions']> {
  let functions: string | null = null;
  let checker: ExpressionChecker = openChecker('');
  return (customFunctions) => {
    if (customFunctions !== functions) {
      functions = customFunctions;
      checker = openChecker(customFunctions);
    }
    return checker;
  };
}

function openChecker(customFunctions: string): ExpressionChecker {
  let environment = gatewayEnvironment();
  const functionsFault = faultOf(() => {
    environment = gatewayEnvironment({ customFunctions });
  });
  const checked = new Map<string, ExpressionFault | null>();
  return {
    functionsFault,
    check(text) {
      const known = checked.get(text);
      if (known !== undefined) return known;
      const fault = faultOf(() => compileCel(text, environment));
      if (checked.size >= MAX_CHECKED) checked.clear();
      checked.set(text, fault);
      return fault;
    },
  };
}

function faultOf(compile: () => void): ExpressionFault | null {
  try {
    compile();
    return null;
  } catch (error) {
    if (error instanceof CelSyntaxError) return { message: error.message, offset: error.offset };
    throw error;
  }
}
