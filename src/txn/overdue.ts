/**
 * Waiting for writes that were overtaken: possible asynchronously only.
 */

import type { IoStep } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import { StoreError } from '../errors.js';

/** A synchronous caller needs room that is held until writes have landed that he overtook. */
export class Overdue extends StoreError {
  constructor() {
    super(
      'E_BUSY',
      'Cannot go on synchronously: writes that were overtaken are still under way; return to the event loop first',
    );
  }
}

/** Waits until nothing that was overtaken is under way. @throws Overdue when there is no time */
export function untilLanded(overtaken: Overtaken): IoStep {
  const force = (): void => {
    if (!overtaken.isEmpty) throw new Overdue();
  };
  return { kind: 'until', start: () => overtaken.idle(), force };
}
