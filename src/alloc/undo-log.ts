/**
 * What a rewind takes back: one entry per change, in typed arrays.
 *
 * - Entries are undone from the newest to the oldest.
 * - Every run of an entry lies in one group.
 */

const CAPACITY_MIN = 256;

/** What was done. */
export const CHANGE = {
  allocated: 1, // free -> referenced
  drawn: 2, // pool -> referenced
  adopted: 3, // claimed -> referenced
  unadopted: 4, // referenced -> claimed
  freed: 5, // referenced -> limbo
  moved: 6, // a group's bitmap got a new address: start = the old one, length = group
  copied: 7, // and its second copy another one: as above
} as const;

export type Change = (typeof CHANGE)[keyof typeof CHANGE];

export class UndoLog {
  /** Entries. */
  length = 0;
  #changes = new Uint8Array(CAPACITY_MIN);
  #starts = new Float64Array(CAPACITY_MIN);
  #lengths = new Uint32Array(CAPACITY_MIN);

  push(change: Change, start: number, length: number): void {
    if (this.length === this.#changes.length) this.#grow();
    this.#changes[this.length] = change;
    this.#starts[this.length] = start;
    this.#lengths[this.length] = length;
    this.length++;
  }

  /** Forgets all entries. */
  clear(): void {
    this.length = 0;
  }

  changeAt(index: number): Change {
    return this.#changes[index] as Change;
  }

  startAt(index: number): number {
    return this.#starts[index] as number;
  }

  lengthAt(index: number): number {
    return this.#lengths[index] as number;
  }

  #grow(): void {
    const capacity = this.#changes.length * 2;
    const changes = new Uint8Array(capacity);
    const starts = new Float64Array(capacity);
    const lengths = new Uint32Array(capacity);
    changes.set(this.#changes);
    starts.set(this.#starts);
    lengths.set(this.#lengths);
    this.#changes = changes;
    this.#starts = starts;
    this.#lengths = lengths;
  }
}
