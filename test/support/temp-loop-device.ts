/**
 * A loop device over a file of its own, for tests of raw block devices.
 *
 * - It needs root, losetup and loop devices; where one is missing there is none, with a reason.
 * - It is detached as soon as it is attached: the kernel then keeps it exactly as long as somebody
 *   has it open, which is us until `close()`, or until this process ends in whatever way.
 */

import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
    const path = losetup('--find', '--show', file);
    const fd = openSync(path, 'r');
    losetup('--detach', path);
    return { path, close: () => closeSync(fd) };
  } catch (error) {
    return `losetup does not work: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    rmSync(directory, { recursive: true, force: true }); // the loop device keeps the file
  }
}

function losetup(...args: string[]): string {
  return execFileSync('losetup', args, { encoding: 'utf8', stdio: 'pipe' }).trim();
}
