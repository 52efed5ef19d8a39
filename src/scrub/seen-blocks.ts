/**
 * What a pass has verified, so that it does so once however many clones share it.
 *
 * - One bit for each block at which a node or chunk begins. Only what was there when the pass began
 *   is remembered: a block that is younger may be another one by now under the same address.
 * - A node is in the set when all below it was verified. What a part of the pass has seen counts
 *   only when that part is kept.
 */

import type { StoredRun, Visited } from '../fsck/context.js';
import { NumberSet } from '../fsck/number-set.js';

/** Blocks that are remembered: 64 MiB of bits. In a larger store the rest may be read again. */
export const SEEN_BLOCKS_MAX = 512 * 1024 * 1024;

export class SeenBlocks {
  readonly #blocks = new NumberSet(SEEN_BLOCKS_MAX);
  readonly #epoch: number;

  /** `epoch` is that of the newest checkpoint when the pass begins. */
  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** What the next part of the pass need not look at, and what it adds to this. */
  part(): SeenPart {
    return new SeenPart(this.#blocks, this.#epoch);
  }
}

export class SeenPart implements Visited {
  readonly #blocks: NumberSet;
  readonly #epoch: number;
  readonly #added = new NumberSet(SEEN_BLOCKS_MAX);

  constructor(blocks: NumberSet, epoch: number) {
    this.#blocks = blocks;
    this.#epoch = epoch;
  }

  isNew({ address, birth }: StoredRun): boolean {
    return birth > this.#epoch || !(this.#blocks.has(address) || this.#added.has(address));
  }

  walked({ address, birth }: StoredRun): void {
    if (birth <= this.#epoch) this.#added.add(address);
  }

  isNewChunk(address: number, birth: number): boolean {
    if (birth > this.#epoch) return true;
    return !this.#blocks.has(address) && this.#added.add(address);
  }

  /** The part of the pass has ended, and counts. */
  keep(): void {
    this.#blocks.addAll(this.#added);
  }
}
