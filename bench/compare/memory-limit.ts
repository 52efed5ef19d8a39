/**
 * A limit of memory for processes and the page cache that they fill: a control group of its own,
 * below the one that this process is in. Version 1 and 2.
 */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

interface Parent {
  readonly directory: string;
  readonly limitFile: string;
}

let made = 0;

export class MemoryLimit {
  readonly #directory: string;

  /** @throws Error where no group can be made here; `whyNoMemoryLimit` asks before. */
  constructor(bytes: number) {
    const { directory, limitFile } = findParent();
    this.#directory = join(directory, `holdfast-bench-${process.pid}-${made++}`);
    mkdirSync(this.#directory);
    try {
      writeFileSync(join(this.#directory, limitFile), `${bytes}`);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Puts a process under the limit. */
  add(pid: number): void {
    writeFileSync(join(this.#directory, 'cgroup.procs'), `${pid}`);
  }

  /** Takes the group away; nothing may run in it any more. */
  remove(): void {
    rmdirSync(this.#directory);
  }
}

/** Why there can be no limit here; undefined when there can. */
export function whyNoMemoryLimit(): string | undefined {
  try {
    new MemoryLimit(1024 ** 3).remove();
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `no control group can be made here (${reason}); on systemd: systemd-run --scope -p Delegate=yes`;
  }
}

/**
 * Takes the pages of all files in `directory` out of the page cache. What another process has
 * brought there is not counted against the limit, and would make the memory larger than it.
 */
export function forgetPages(directory: string): void {
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name);
    if (!statSync(path).isFile()) continue;
    spawnSync('sync', ['-d', path], { stdio: 'inherit' }); // dirty pages would stay
    spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'], {
      stdio: 'inherit',
    });
  }
}

/** The group of this process in the hierarchy that counts memory. */
function findParent(): Parent {
  const groups = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  for (const line of groups) {
    const [, controllers = '', path = ''] = line.split(':');
    const isUnified = controllers === '';
    if (!isUnified && !controllers.split(',').includes('memory')) continue;
    const mount = mounts
      .map((text) => text.split(' '))
      .find((fields) => {
        const [, , type, options = ''] = fields;
        if (isUnified) return type === 'cgroup2';
        return type === 'cgroup' && options.split(',').includes('memory');
      });
    if (mount?.[1] === undefined) continue;
    const directory = join(mount[1], path);
    const limitFile = isUnified ? 'memory.max' : 'memory.limit_in_bytes';
    if (isUnified && !hasMemoryController(directory)) continue;
    if (existsSync(directory)) return { directory, limitFile };
  }
  throw new Error('nothing counts memory');
}

function hasMemoryController(directory: string): boolean {
  const path = join(directory, 'cgroup.controllers');
  return existsSync(path) && readFileSync(path, 'utf8').split(/\s/).includes('memory');
}
