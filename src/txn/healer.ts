/**
 * Heals what is kept twice: where one copy of a node or bitmap is bad, the bytes of the other one
 * are written there again.
 *
 * Why in place, when committed blocks are never overwritten: that law keeps what a superblock
 * refers to from becoming something else. These are the very bytes that the block's pointer vouches
 * for, verified against it, so every state that refers to the block says the same before and after.
 * - A crash in between leaves the block as it was: bad, or good. The good copy is not touched.
 * - Whoever heals has just come to the pointer in a state that holds the block, and writes in the
 *   same synchronous step: the block can't have been given to something else meanwhile.
 * - Moving the node instead would need the way to it and room, and could not be done for what only
 *   a snapshot sees.
 * - Nobody waits for a healing: one that fails leaves what was bad as it was and poisons nothing.
 * - Nothing is healed at a fixed place, in a store that is read-only, or once it was poisoned.
 */

import { RunSet } from '../alloc/run-set.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { rewriteSync } from '../blockdev/rewrite.js';
import { StoreError } from '../errors.js';
import type { Superblock } from '../format/superblock.js';
import { fixedRuns } from './make-store.js';

export class Healer {
  /** Copies that were found bad. */
  bad = 0;
  /** Those of them that were written anew. */
  healed = 0;
  readonly #device: BlockDevice;
  readonly #blockSize: number;
  readonly #fixed = new RunSet();
  #isStopped: boolean;

  constructor(device: BlockDevice, superblock: Superblock, readOnly: boolean) {
    this.#device = device;
    this.#blockSize = superblock.blockSize;
    for (const run of fixedRuns(superblock)) this.#fixed.add(run.start, run.length);
    this.#isStopped = readOnly;
  }

  /** Nothing is written from now on. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * Writes `page`, which was verified against the pointer that names block `address`, there again.
   * @returns false when it may not be, or the device fails
   */
  heal(address: number, page: Uint8Array): boolean {
    this.bad++;
    const length = page.length / this.#blockSize;
    const offset = address * this.#blockSize;
    const isOnDevice = offset + page.length <= this.#device.size;
    if (this.#isStopped || !isOnDevice || this.#fixed.intersects(address, length)) return false;
    try {
      rewriteSync(this.#device, offset, page);
    } catch (error) {
      if (error instanceof StoreError) return false;
      throw error;
    }
    this.healed++;
    return true;
  }

  /** The same as work of a check; `isHeld` is asked in the step that writes. */
  *healIo(address: number, page: Uint8Array, isHeld: () => boolean): Io<boolean> {
    let isHealed = false;
    const heal = (): void => {
      isHealed = isHeld() && this.heal(address, page);
    };
    yield { kind: 'until', start: async () => heal(), force: heal };
    return isHealed;
  }
}
