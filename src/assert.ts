/**
 * Assertions: always on, one condition each, the rule as a constant string.
 * They speak of our own code only, never of bytes from disk or of user input.
 */

/** Our own code broke one of its rules. */
export class AssertionError extends Error {
  constructor(rule: string) {
    super(`Broken rule: ${rule}`);
    this.name = 'AssertionError';
  }
}

/** @throws AssertionError when `condition` does not hold. */
export function assert(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new AssertionError(rule);
}
