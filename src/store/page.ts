/** Pages of listings: how many entries one call gives. */

/** Most entries where nothing else is asked. */
const LIMIT_DEFAULT = 1000;

/**
 * The number of entries that a page may have; `Infinity` is no limit.
 *
 * @throws RangeError
 */
export function pageLimit(limit: number = LIMIT_DEFAULT): number {
  if (limit === Number.POSITIVE_INFINITY || (Number.isSafeInteger(limit) && limit >= 0)) {
    return limit;
  }
  throw new RangeError(`Cannot list ${limit} entries: expected a whole number from 0 on`);
}
