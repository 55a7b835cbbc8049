export type { References } from './compile/references.ts';
export type { Environment } from './definitions.ts';
export { type GatewayEnvironmentOptions, gatewayEnvironment } from './environment.ts';
export { CelError, type CelErrorCode, CelSyntaxError } from './errors.ts';
export { Expression, Expressions } from './expressions.ts';
export { compileCel, type Program } from './program.ts';
export { type Rule, RuleSet } from './rule-set.ts';
export { fromJs, type Plain, toJs, toText } from './values/json.ts';
export { CelFlattened } from './values/special.ts';
export { CelDuration } from './values/time.ts';
export { CelMap, CelOptional, type CelValue, isList } from './values/value.ts';
export {
  activationOf,
  activationOfConnection,
  type CelFacts,
  GatewayActivation,
} from './variables/activation.ts';
