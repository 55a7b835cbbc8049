import type { Outcome } from '../../test/conformance/cel/runner.mjs';

export function celConformancePage(outcomes: readonly Outcome[]): string;
