/**
 * Ages a store in memory and draws it: `npm run picture`, which makes docs/map.svg.
 *
 * The same picture each time: contents, sizes and order come from a seed, the time stands still.
 */

import { writeFileSync } from 'node:fs';
import { runSync } from '../src/blockdev/io.js';
import { SVG_CELLS_MAX, svgPicture } from '../src/cli/picture/svg.js';
import { MemoryDevice, mkfsOn, Store, type Transaction } from '../src/index.js';
import { gatherPicture } from '../src/picture/device-picture.js';
import { Prng } from '../test/support/prng.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const DEVICE_BYTES = 200 * MIB + 4608;

/** Part of the device that objects fill, give or take, and how often it is written over. */
const FILL = 0.62;
const TIMES = 3;

const OBJECTS = 260;

/** Pieces that the object which is shown is appended in. */
const PIECES = 24;

class Ager {
  readonly #store: Store;
  readonly #prng = new Prng(7);
  readonly #sizes = new Map<number, number>();
  readonly #bytes = this.#data(4 * MIB);
  #stored = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  run(): void {
    this.#commit((tx) => tx.createCollection('photos').createCollection('index'));
    let written = 0;
    let pieces = 0;
    while (written < TIMES * FILL * DEVICE_BYTES) {
      written += this.#step();
      const due = (written / (TIMES * FILL * DEVICE_BYTES)) * PIECES;
      for (; pieces < due; pieces++) {
        const piece = this.#bytes.subarray(0, 256 * KIB);
        this.#commit((tx) => tx.write('photos', 'panorama.tif', pieces * piece.length, piece));
      }
    }
    this.#commit((tx) => tx.cloneCollection('photos', 'photos of today'));
    for (let i = 0; i < 40; i++) this.#replace(this.#prng.between(0, OBJECTS));
  }

  /** One transaction or two; gives the bytes that it has written. */
  #step(): number {
    const prng = this.#prng;
    const index = prng.between(0, OBJECTS);
    if (prng.chance(0.12)) {
      const entries = Array.from({ length: 40 }, () => {
        return [`tag/${prng.between(0, 100_000)}`, prng.bytes(prng.between(10, 200))] as const;
      });
      this.#commit((tx) => tx.touch('index', 'tags').mapSet('index', 'tags', entries));
    }
    if (prng.chance(0.35)) return this.#overwrite(index);
    return this.#replace(index);
  }

  #replace(index: number): number {
    const old = this.#sizes.get(index) ?? 0;
    const room = FILL * DEVICE_BYTES - this.#stored + old;
    const wanted = Math.floor(4 * KIB * 2 ** (10 * Math.sqrt(this.#prng.next())));
    const size = Math.min(wanted, this.#bytes.length, Math.max(4 * KIB, Math.floor(room)));
    this.#commit((tx) => {
      if (old > 0) tx.remove('photos', `p${index}`);
      tx.write('photos', `p${index}`, 0, this.#bytes.subarray(0, size));
      tx.setAttribute('photos', `p${index}`, 'taken', this.#bytes.subarray(0, 30));
    });
    this.#sizes.set(index, size);
    this.#stored += size - old;
    return size;
  }

  #overwrite(index: number): number {
    const size = this.#sizes.get(index) ?? 0;
    if (size === 0) return 0;
    const length = Math.min(size, this.#prng.between(KIB, 48 * KIB));
    const at = this.#prng.between(0, size - length + 1);
    this.#commit((tx) => tx.write('photos', `p${index}`, at, this.#bytes.subarray(0, length)));
    return length;
  }

  #commit(build: (tx: Transaction) => void): void {
    const tx = this.#store.transaction();
    build(tx);
    this.#store.commitSync(tx);
  }

  #data(length: number): Uint8Array {
    return this.#prng.bytes(length);
  }
}

const device = new MemoryDevice({ size: DEVICE_BYTES, path: 'photos.hf' });
mkfsOn(device, { label: 'An aged store', journalBytes: 8 * MIB });
const store = Store.openOnSync(device);
new Ager(store).run();
store.checkpointSync();
const object = {
  collection: Buffer.from('photos of today'),
  name: Buffer.from('panorama.tif'),
};
const picture = runSync(gatherPicture(device, { cellsMax: SVG_CELLS_MAX, object }));
const [, , file = 'docs/map.svg'] = process.argv;
writeFileSync(file, svgPicture(picture, { shown: 'photos of today/panorama.tif' }));
store.closeSync();
