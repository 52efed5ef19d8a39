/**
 * Recorded sysfs trees: text files of test/blockdev/sysfs, one for each kind of device.
 *
 * - `path: value` is an attribute, `path -> target` a symbolic link; paths are below /sys.
 * - Lines that begin with # say what it is and where the values come from; empty ones say nothing.
 */

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { temporaryDirectory } from './temp-directory.js';

/** From dist/test/support. */
const RECORDED = fileURLToPath(new URL('../../../test/blockdev/sysfs/', import.meta.url));

/** Names of the recorded trees. */
export function recordedNames(): string[] {
  return readdirSync(RECORDED).map((name) => name.replace(/\.txt$/, ''));
}

/** Puts a recorded tree into a directory of the test's own; the path of that. */
export function plantRecorded(t: ExecutionContext, name: string): string {
  const root = temporaryDirectory(t);
  for (const line of readFileSync(join(RECORDED, `${name}.txt`), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, path, mark, value] = /^(\S+?)(: | -> )(.*)$/.exec(line) ?? [];
    if (path === undefined || value === undefined) throw new Error(`${name}: cannot read ${line}`);
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (mark === ': ') writeFileSync(join(root, path), `${value}\n`);
    else symlinkSync(value, join(root, path));
  }
  return root;
}
