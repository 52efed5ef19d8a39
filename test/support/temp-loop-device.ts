/**
 * A loop device over a file of its own, for tests of raw block devices.
 *
 * - It needs root, losetup and loop devices; where one is missing there is none, with a reason.
 * - It is detached as soon as it is attached: the kernel then keeps it exactly as long as somebody
 *   has it open, which is us until `close()`, or until this process ends in whatever way.
 * - Processes that attach and detach at once are sometimes given the same device: it is ours only
 *   when the kernel names our file behind it while we have it open.
 */

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const ATTEMPTS = 10;

export interface LoopDevice {
  readonly path: string;
  close(): void;
}

/** A loop device of `size` zeros, or the reason why there can't be one. */
export function makeLoopDevice(size: number): LoopDevice | string {
  if (process.getuid?.() !== 0) return 'loop devices need root';
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-loop-'));
  try {
    const file = join(directory, 'image');
    writeFileSync(file, new Uint8Array(size));
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const path = losetup('--find', '--show', file);
      const fd = openSync(path, 'r');
      if (isBehind(path, file)) {
        losetup('--detach', path);
        if (isBehind(path, file)) return { path, close: () => closeSync(fd) };
      }
      closeSync(fd);
    }
    return `losetup gave ${ATTEMPTS} devices that were not ours`;
  } catch (error) {
    return `losetup does not work: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    rmSync(directory, { recursive: true, force: true }); // the loop device keeps the file
  }
}

/** Whether the kernel says that `file` is what the loop device at `path` is made of. */
function isBehind(path: string, file: string): boolean {
  try {
    const named = readFileSync(`/sys/block/${basename(path)}/loop/backing_file`, 'utf8').trim();
    return named === realpathSync(file);
  } catch {
    return false; // detached in the meantime
  }
}

function losetup(...args: string[]): string {
  return execFileSync('losetup', args, { encoding: 'utf8', stdio: 'pipe' }).trim();
}
