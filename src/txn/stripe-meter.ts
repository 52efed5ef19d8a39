/**
 * The stripes of the device under a store, and how its writes meet them.
 */

export class StripeMeter {
  /** Bytes. */
  readonly blockSize: number;
  /** Bytes of a whole stripe; 0 where there are none. */
  readonly width: number;
  /** Stripes that one write covered, since the store was opened. */
  fullWrites = 0;
  /** Stripes of which a write covered a part only. */
  partialWrites = 0;
  /** Bytes of data that housekeeping has put elsewhere. */
  movedBytes = 0;

  constructor(blockSize: number, width: number) {
    this.blockSize = blockSize;
    this.width = width;
  }

  /** Counts a write of `length` bytes at byte `offset`. */
  note(offset: number, length: number): void {
    const { width } = this;
    if (width === 0) return;
    const first = Math.floor(offset / width);
    const last = Math.floor((offset + length - 1) / width);
    const cutAtStart = offset % width !== 0;
    const cutAtEnd = (offset + length) % width !== 0;
    const isOne = first === last;
    const partial = isOne ? Number(cutAtStart || cutAtEnd) : Number(cutAtStart) + Number(cutAtEnd);
    this.partialWrites += partial;
    this.fullWrites += last - first + 1 - partial;
  }
}
