/**
 * What Linux says about processes, boots and namespaces, from /proc and /sys.
 *
 * - Everything is best effort: what cannot be read is undefined, never an error.
 */

import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';

/** Changes with every boot of the machine. */
export function bootId(): string | undefined {
  return readText('/proc/sys/kernel/random/boot_id')?.trim();
}

/** Identity of a namespace of this process, such as `net:[4026531840]`. */
export function namespaceOf(kind: 'net' | 'pid'): string | undefined {
  return readLink(`/proc/self/ns/${kind}`);
}

/** When the process began, in clock ticks since boot: a pid alone may have been used again. */
export function startTimeOf(pid: number): string | undefined {
  // The name, field 2, may hold spaces and parentheses: count from behind the last one.
  const text = readText(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}

/** A process that has a descriptor for `target`, a path or such as `socket:[12345]`. */
export function holderOf(target: string): number | undefined {
  for (const name of readNames('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    for (const fd of readNames(`/proc/${name}/fd`)) {
      if (readLink(`/proc/${name}/fd/${fd}`) === target) return Number(name);
    }
  }
  return undefined;
}

/** Inode of the abstract socket with this name (without its NUL), if somebody has bound it. */
export function abstractSocketInode(name: string): string | undefined {
  const line = readText('/proc/net/unix')
    ?.split('\n')
    .find((one) => one.endsWith(` @${name}`));
  return line?.trim().split(/\s+/)[6];
}

/** The text of a file, or undefined when it can't be read. */
export function readText(path: string): string | undefined {
  return attempt(() => readFileSync(path, 'utf8'));
}

/** The path without symbolic links, or undefined when it leads nowhere. */
export function resolvePath(path: string): string | undefined {
  return attempt(() => realpathSync(path));
}

function readLink(path: string): string | undefined {
  return attempt(() => readlinkSync(path));
}

function readNames(path: string): string[] {
  return attempt(() => readdirSync(path)) ?? [];
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    // Processes end while we look at them, and others' are not ours to see.
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}
