/**
 * Stores for crash runs: so small that a few dozen transactions fill journals, wrap them, make
 * trees deep, fill memory budgets and reuse what was freed.
 */

import type { CrashRunOptions } from './crash-run.js';

const KiB = 1024;
const MiB = 1024 * KiB;

export const CRASH_SHAPES = {
  /** Tiny nodes and journal: deep trees, bodies in runs of their own, a ring that is often full. */
  tiny: {
    size: 6 * MiB,
    mkfs: { blockSize: 1 * KiB, nodeSize: 1 * KiB, journalBytes: 64 * KiB },
    open: { cacheBytes: 8 * KiB, dirtyBytes: 24 * KiB },
    transactions: 60,
    states: 300,
  },
  /** Checkpoints nearly all the time. */
  busy: {
    size: 6 * MiB,
    mkfs: { blockSize: 1 * KiB, nodeSize: 2 * KiB, journalBytes: 128 * KiB },
    open: { cacheBytes: 64 * KiB, dirtyBytes: 8 * KiB },
    transactions: 60,
    states: 300,
  },
  /** Default block and node sizes, hardly any checkpoint: much to replay. */
  lazy: {
    size: 8 * MiB,
    mkfs: { journalBytes: 1 * MiB },
    open: { cacheBytes: 256 * KiB, dirtyBytes: 1 * MiB },
    transactions: 50,
    states: 300,
  },
} satisfies Record<string, Omit<CrashRunOptions, 'prng'>>;
