import type { Driver, ListenOptions } from '../../../src/workers/drivers/driver.ts';
import type { Case } from './cases.mjs';

export interface Result {
  id: string;
  passed: boolean;
  complaint: string | null;
  /** A known fault of the driver. */
  known: boolean;
}
export function listenOptions(onExchange: ListenOptions['onExchange']): ListenOptions;
export function runCases(driver: Driver, cases: Case[]): Promise<Result[]>;
