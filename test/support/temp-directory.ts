/** A directory of a test's own, removed when the test has ended. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

export function temporaryDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A path in a directory of the test's own; there is nothing at it yet. */
export function temporaryPath(t: ExecutionContext, name = 'store'): string {
  return join(temporaryDirectory(t), name);
}
