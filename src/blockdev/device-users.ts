/**
 * Who uses a block device, for the message of a refusal: mounts, swap, and devices made of it.
 *
 * - Best effort: the refusal itself comes from the kernel, by its exclusive open.
 * - Roots of /proc and /sys are parameters, so that recorded trees can be read as well.
 */

import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readText, resolvePath } from './system.js';

export interface SystemRoots {
  readonly proc: string;
  readonly sys: string;
}

export const SYSTEM_ROOTS: SystemRoots = { proc: '/proc', sys: '/sys' };

/** What uses the device with this number, or a partition of it; undefined when nothing is known. */
export function userOf(
  major: number,
  minor: number,
  roots: SystemRoots = SYSTEM_ROOTS,
): string | undefined {
  const directory = resolvePath(join(roots.sys, 'dev/block', `${major}:${minor}`));
  if (directory === undefined) return mountOf(`${major}:${minor}`, roots);
  const own = useOf(directory, roots);
  if (own !== undefined) return `it ${own}`;
  for (const partition of namesIn(directory)) {
    const part = join(directory, partition);
    if (readText(join(part, 'partition')) === undefined) continue;
    const use = useOf(part, roots);
    if (use !== undefined) return `its partition ${partition} ${use}`;
  }
  return undefined;
}

/** How the device of a sysfs directory is used. */
function useOf(directory: string, roots: SystemRoots): string | undefined {
  const [holder] = namesIn(join(directory, 'holders'));
  if (holder !== undefined) return `is part of ${holder}${nameOf(directory, holder)}`;
  const number = readText(join(directory, 'dev'))?.trim() ?? '';
  return mountOf(number, roots) ?? swapOf(basename(directory), roots);
}

/** The name that device mapper gives a holder. */
function nameOf(directory: string, holder: string): string {
  const name = readText(join(directory, 'holders', holder, 'dm/name'))?.trim();
  return name === undefined ? '' : ` (${name})`;
}

function mountOf(number: string, { proc }: SystemRoots): string | undefined {
  for (const line of readText(join(proc, 'self/mountinfo'))?.split('\n') ?? []) {
    const fields = line.split(' ');
    if (fields[2] === number) return `is mounted at ${fields[4] ?? '?'}`;
  }
  return undefined;
}

function swapOf(name: string, { proc }: SystemRoots): string | undefined {
  const lines = readText(join(proc, 'swaps'))?.split('\n').slice(1) ?? [];
  return lines.some((line) => line.split(/\s/)[0] === `/dev/${name}`)
    ? 'is used as swap'
    : undefined;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return []; // nothing is known of it
  }
}
