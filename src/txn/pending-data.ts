/**
 * Data that stands in the journal and has its place on the device, but isn't written there yet.
 *
 * - Reads of a pending block are answered from here; a checkpoint writes it to its place.
 * - A run is pending as a whole, block by block; its bytes never change.
 * - What was freed again is written all the same: its blocks aren't handed out before a later
 *   checkpoint, and a reader may still see it.
 */

import { DataPages } from './data-pages.js';

/** A run of whole blocks to be written. */
export interface PendingRun {
  readonly address: number; // block index
  readonly bytes: Uint8Array; // whole blocks, padded with zeros
}

export class PendingData {
  /** Where its bytes may be kept; other memory will do. */
  readonly pages = new DataPages();
  readonly #blockSize: number;
  readonly #blocks = new Map<number, Uint8Array>();
  #runs: PendingRun[] = [];
  #bytes = 0;

  constructor(blockSize: number) {
    this.#blockSize = blockSize;
  }

  /** Bytes held, frozen ones included. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#blocks.size === 0;
  }

  /** Runs that no checkpoint has taken yet. */
  get runCount(): number {
    return this.#runs.length;
  }

  /** Takes over `bytes`, which must not change any more. */
  put(address: number, bytes: Uint8Array): void {
    this.#runs.push({ address, bytes });
    this.#bytes += bytes.length;
    if (bytes.length === this.#blockSize) {
      this.#blocks.set(address, bytes);
      return;
    }
    for (let at = 0; at < bytes.length; at += this.#blockSize) {
      this.#blocks.set(address + at / this.#blockSize, bytes.subarray(at, at + this.#blockSize));
    }
  }

  /**
   * Copies what is pending of a run of blocks to `target`, which has room for it, and calls `rest`
   * for each part [from, to) of its blocks that is on the device.
   */
  copyTo(
    target: Uint8Array,
    address: number,
    blocks: number,
    rest: (from: number, to: number) => void,
  ): void {
    let from = 0;
    for (let i = 0; i < blocks && !this.isEmpty; i++) {
      const block = this.#blocks.get(address + i);
      if (block === undefined) continue;
      target.set(block, i * this.#blockSize);
      if (from < i) rest(from, i);
      from = i + 1;
    }
    if (from < blocks) rest(from, blocks);
  }

  /** A point to which `rewind` goes back. */
  mark(): number {
    return this.#runs.length;
  }

  rewind(mark: number): void {
    while (this.#runs.length > mark) {
      const run = this.#runs.pop() as PendingRun;
      this.#drop(run);
      this.pages.giveBack(run.bytes);
    }
  }

  /** Hands over what a checkpoint has to write, in order of address; it stays readable. */
  freeze(): readonly PendingRun[] {
    const runs = this.#runs.sort((a, b) => a.address - b.address);
    this.#runs = [];
    return runs;
  }

  /** Forgets runs that were handed over and are on the device now. */
  written(runs: readonly PendingRun[]): void {
    for (const run of runs) this.#drop(run);
  }

  /** Uses the memory of such runs again: nothing may be writing from it any more. */
  recycle(runs: readonly PendingRun[]): void {
    for (const { bytes } of runs) this.pages.giveBack(bytes);
  }

  #drop(run: PendingRun): void {
    this.#bytes -= run.bytes.length;
    for (let at = 0; at < run.bytes.length; at += this.#blockSize) {
      const block = run.address + at / this.#blockSize;
      const held = this.#blocks.get(block);
      const isOfRun =
        held?.buffer === run.bytes.buffer && held.byteOffset === run.bytes.byteOffset + at;
      if (isOfRun) this.#blocks.delete(block);
    }
  }
}
