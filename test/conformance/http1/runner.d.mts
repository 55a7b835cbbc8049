import type { Driver, DriverLimits } from '../../../src/workers/drivers/driver.ts';
import type { Case } from './cases.mjs';

export interface Result {
  id: string;
  passed: boolean;
  complaint: string | null;
  /** A known fault of the driver. */
  known: boolean;
}
export const LIMITS: DriverLimits;
export function runCases(driver: Driver, cases: Case[]): Promise<Result[]>;
