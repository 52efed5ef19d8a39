/**
 * Every byte of a sample store flipped, or every n-th, in three parts:
 *
 * 1. *reads*: one byte at a time, the store is opened where opening reads the byte, and all that
 *    reads it is asked. Fsck is run too for superblocks and journal.
 * 2. *checks*: fsck with one byte flipped in each block of a layer (`DamageLab.layers`), as each
 *    has to be named for itself. This makes a hundred runs of one.
 * 3. *padding*: one byte flipped in each block of the ring that no record covers, which has no
 *    effect.
 *
 * - Bytes that nothing reads are counted, not flipped: whatever they are, nobody can tell.
 */

import type { DamageLab } from './damage-lab.js';
import type { ByteClass } from './sample-map.js';

export interface SweepOptions {
  readonly lab: DamageLab;
  readonly seed: number;
  /** True for the bytes that are to be flipped. */
  readonly wants: (offset: number, name: ByteClass) => boolean;
  /** Asked before each damage: ends the sweep. */
  readonly isOver?: () => boolean;
  /** Told how far a part has come, in [0, 1]. */
  readonly onProgress?: (part: string, done: number) => void;
}

export interface SweepResult {
  /** Bytes that were flipped, by what they belong to; those that nothing reads. */
  readonly flipped: Record<string, number>;
  unread: number;
  readonly faults: string[];
  /** Where the first part ended, if that was before the end. */
  endedAt?: number;
}

export const SWEEP_PARTS = ['reads', 'checks', 'padding'] as const;

const FAULTS_MAX = 20;

const READS = { reads: true, fsck: false, isFlat: true };
const CHECKS = { reads: false, fsck: true, isFlat: true };
const BOTH = { reads: true, fsck: true, isFlat: true };

/** Which bits of the byte at `offset` a sweep with this seed flips: 1 to 255. */
export function maskFor(seed: number, offset: number): number {
  return 1 + ((Math.imul(offset ^ Math.imul(seed, 0x9e37_79b1), 0x85eb_ca6b) >>> 13) % 255);
}

export class FlipSweep {
  readonly result: SweepResult = { flipped: {}, unread: 0, faults: [] };
  readonly #options: SweepOptions;

  constructor(options: SweepOptions) {
    this.#options = options;
  }

  /** Runs parts, all unless given; the first over the bytes [from, to). */
  run(from = 0, to = this.#options.lab.size, parts: readonly string[] = SWEEP_PARTS): SweepResult {
    if (parts.includes('reads')) this.#reads(from, to);
    if (parts.includes('checks')) this.#checks();
    if (parts.includes('padding')) this.#padding();
    this.#options.lab.recheck();
    return this.result;
  }

  #isOver(): boolean {
    return this.result.faults.length >= FAULTS_MAX || (this.#options.isOver?.() ?? false);
  }

  #reads(from: number, to: number): void {
    const { lab, wants, onProgress } = this.#options;
    for (let at = from; at < to; at++) {
      if (at % 1024 === 0) onProgress?.('reads', (at - from) / (to - from));
      if (lab.isUnread(at)) {
        this.result.unread++;
        continue;
      }
      const name = lab.map.classOf(at);
      if (name === 'padding' || !wants(at, name)) continue;
      if (this.#isOver()) {
        this.result.endedAt = at;
        return;
      }
      this.result.flipped[name] = (this.result.flipped[name] ?? 0) + 1;
      this.#flip([at], name === 'used' || name === 'ahead' ? READS : BOTH);
    }
  }

  #checks(): void {
    const { lab, wants, onProgress } = this.#options;
    const { blockSize } = lab.map.superblock;
    const layers = lab.layers();
    for (let i = 0; i < blockSize && !this.#isOver(); i++) {
      onProgress?.('checks', i / blockSize);
      for (const layer of layers) {
        const offsets = layer
          .map((block) => block * blockSize + i)
          .filter((at) => lab.map.classOf(at) !== 'copy' && wants(at, lab.map.classOf(at)));
        if (offsets.length > 0) this.#flip(offsets, CHECKS);
      }
    }
  }

  #padding(): void {
    const { lab, wants, onProgress } = this.#options;
    const { blockSize, journalOffset, journalBytes } = lab.map.superblock;
    for (let i = 0; i < blockSize && !this.#isOver(); i++) {
      onProgress?.('padding', i / blockSize);
      const offsets: number[] = [];
      for (let at = journalOffset + i; at < journalOffset + journalBytes; at += blockSize) {
        if (lab.map.classOf(at) === 'padding' && wants(at, 'padding')) offsets.push(at);
      }
      this.result.flipped['padding'] = (this.result.flipped['padding'] ?? 0) + offsets.length;
      if (offsets.length > 0) this.#flip(offsets, BOTH);
    }
  }

  #flip(offsets: readonly number[], looks: typeof BOTH): void {
    const { lab, seed } = this.#options;
    const flips = offsets.map((at) => lab.flipped(at, maskFor(seed, at)));
    const fault = lab.damage(flips, looks);
    if (fault === undefined) return;
    const some = offsets.slice(0, 5).map((at) => `${at} (${lab.map.classOf(at)})`);
    this.result.faults.push(`seed ${seed}, bytes ${some.join(', ')}: ${fault}`);
  }
}
