/** Pages of listings: how many entries one call gives. */

import { invalidArgument } from '../errors.js';

/** Most entries where nothing else is asked. */
const LIMIT_DEFAULT = 1000;

/**
 * The number of entries that a page may have; `Infinity` is no limit.
 *
 * @throws StoreError E_INVALID_ARGUMENT
 */
export function pageLimit(limit: number = LIMIT_DEFAULT): number {
  if (limit === Number.POSITIVE_INFINITY || (Number.isSafeInteger(limit) && limit >= 0)) {
    return limit;
  }
  throw invalidArgument(`Cannot list ${String(limit)} entries: expected a whole number from 0 on`);
}
