import type { FunctionDefinition } from '../definitions.ts';
import { CONVERSIONS } from './conversions.ts';
import { ENCODERS } from './encoders.ts';
import { GATEWAY } from './gateway.ts';
import { HEADERS } from './headers.ts';
import { LISTS } from './lists.ts';
import { MATH } from './math.ts';
import { NETWORK } from './network.ts';
import { REGEX } from './regex.ts';
import { STANDARD } from './standard.ts';
import { STRINGS } from './strings.ts';

/** CEL's standard library with its extensions, without what is agentgateway's alone. */
export const CEL_FUNCTIONS: readonly FunctionDefinition[] = [
  ...STANDARD,
  ...CONVERSIONS,
  ...STRINGS,
  ...MATH,
  ...LISTS,
  ...REGEX,
  ...ENCODERS,
];

/** All that an expression of a configuration can call. */
export const GATEWAY_FUNCTIONS: readonly FunctionDefinition[] = [...CEL_FUNCTIONS, ...NETWORK, ...HEADERS, ...GATEWAY];
