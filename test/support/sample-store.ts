/**
 * A small store that holds one of everything, as bytes, for tests that damage it.
 *
 * - Nodes and blocks of 1 KiB, so that trees are deep: objects, attributes, map streams in four
 *   orders, blob streams, large values, reference counts, reservations, a drop list.
 * - Data inline, in extents of their own, shared by clones of objects, ranges and collections;
 *   holes; entries cut by later writes.
 * - A journal that has gone round its ring, with transactions behind the last checkpoint: in the
 *   ring, in a run of blocks, with data written ahead.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Comparator } from '../../src/btree/comparator.js';
import { mkfsOn } from '../../src/store/mkfs.js';
import { Store } from '../../src/store/store.js';
import type { Transaction } from '../../src/txn/transaction.js';
import { ImageDevice } from './image-device.js';
import { Prng } from './prng.js';
import { BY_LENGTH } from './store-fixture.js';

const KIB = 1024;

export const SAMPLE_COMPARATORS: readonly Comparator[] = [BY_LENGTH];

/** How a sample store is opened: nothing clean is kept in memory. */
export const SAMPLE_OPEN = { cacheBytes: 0, comparators: SAMPLE_COMPARATORS } as const;

const MKFS = { blockSize: KIB, nodeSize: KIB, journalBytes: 64 * KIB, label: 'sample' } as const;

/** Bytes of the image. */
export const SAMPLE_SIZE = 1216 * KIB;

/** Turns of the event loop, of 5 ms or more, in which the mark must have come. */
const MARK_TURNS = 1000;

export interface Sample {
  /** The image: ends in a group of transactions that no mark says was durable. */
  readonly bytes: Uint8Array;
  /** The same behind its mark. */
  readonly marked: Uint8Array;
  /** Images of before: [0] at the last checkpoint, [i] when i more transactions were durable. */
  readonly states: readonly Uint8Array[];
  /** Images from the whole life of the store, for blocks that come back. */
  readonly history: readonly Uint8Array[];
}

/** The size of the image, and how often metadata is kept. */
export interface SampleShape {
  /** Bytes. */
  readonly size: number;
  readonly metadataCopies: number;
}

const SAMPLE_SHAPE: SampleShape = { size: SAMPLE_SIZE, metadataCopies: 1 };

/** Makes the store; `seed` chooses the contents of data and values. */
export async function sampleStore(seed: number, shape = SAMPLE_SHAPE): Promise<Sample> {
  const maker = new Maker(new Prng(seed), shape);
  maker.fill();
  maker.share();
  maker.churn();
  maker.drop();
  const states = [maker.image()];
  for (const step of TAIL) {
    maker.commit((tx) => step(tx, maker.prng));
    states.push(maker.image());
  }
  const marked = await maker.marked();
  return { bytes: maker.last, marked, states, history: maker.history };
}

const pad = (index: number): string => String(index).padStart(3, '0');

/** The transactions behind the checkpoint. */
const TAIL: readonly ((tx: Transaction, prng: Prng) => void)[] = [
  (tx, prng) => tx.write('alpha', 'object-003', 700, prng.bytes(300)).create('alpha', 'tail'),
  (tx, prng) => tx.write('alpha', 'ahead', 0, prng.bytes(33 * KIB)),
  (tx) => tx.mapSet('alpha', 'map', [['key-010/x', 'tail']]).clone('alpha', 'plain', 'plain-2'),
  (tx, prng) => {
    for (let i = 0; i < 4; i++) tx.write('alpha', 'body', i * 2500, prng.bytes(2500));
  },
  (tx, prng) =>
    tx.remove('alpha', 'object-004').setAttribute('hash', 'h1', 'large', prng.bytes(1500)),
  (tx, prng) => tx.write('beta', 'object-005', 100, prng.bytes(50)).cancelReservation('r-003'),
];

class Maker {
  readonly prng: Prng;
  readonly history: Uint8Array[] = [];
  /** The image before the mark. */
  last: Uint8Array = new Uint8Array(0);
  readonly #device: ImageDevice;
  readonly #store: Store;

  constructor(prng: Prng, { size, metadataCopies }: SampleShape) {
    this.prng = prng;
    this.#device = new ImageDevice(new Uint8Array(size));
    mkfsOn(this.#device, { ...MKFS, metadataCopies });
    this.#store = Store.openOnSync(this.#device, SAMPLE_OPEN);
  }

  commit(build: (tx: Transaction) => unknown): void {
    const transaction = this.#store.transaction();
    build(transaction);
    this.#store.commitSync(transaction);
  }

  image(): Uint8Array {
    this.last = this.#device.bytes.slice();
    return this.last;
  }

  /** Waits for the mark behind the last record. */
  async marked(): Promise<Uint8Array> {
    for (let turn = 0; Buffer.compare(this.#device.bytes, this.last) === 0; turn++) {
      if (turn === MARK_TURNS) throw new Error('No mark follows the last record');
      await sleep(5);
    }
    return this.#device.bytes.slice();
  }

  /** Collections and objects of all kinds. */
  fill(): void {
    const { prng } = this;
    this.commit((tx) => {
      tx.createCollection('alpha').setCollectionAttribute('alpha', 'about', 'all kinds');
      tx.setCollectionAttribute('alpha', 'large', prng.bytes(1200));
      tx.createCollection('hash', { order: 'hash' });
      for (let i = 0; i < 12; i++) tx.write('hash', `h${i}`, 0, prng.bytes(40 + 90 * i));
    });
    this.commit((tx) => {
      for (let i = 0; i < 110; i++) {
        tx.write('alpha', `object-${pad(i)}`, 0, prng.bytes(i % 3 === 0 ? 20 : 5));
      }
    });
    this.commit((tx) => {
      tx.write('alpha', 'plain', 0, prng.bytes(5000)).setAllocationHint('alpha', 'plain', 9000, 1);
      for (let i = 0; i < 40; i++) tx.write('alpha', 'pieces', i * 700, prng.bytes(600));
      tx.write('alpha', 'holes', 50_000, prng.bytes(300)).zero('alpha', 'holes', 100, 20_000);
      tx.write('alpha', 'cut', 0, prng.bytes(9000)).write('alpha', 'cut', 1000, prng.bytes(1500));
      tx.truncate('alpha', 'cut', 8500);
    });
    this.commit((tx) => {
      tx.touch('alpha', 'attributes');
      for (let i = 0; i < 30; i++) {
        tx.setAttribute('alpha', 'attributes', `a-${pad(i)}`, prng.bytes(60));
      }
      tx.setAttribute('alpha', 'attributes', 'large', prng.bytes(7000));
      tx.touch('alpha', 'map').mapSetHeader('alpha', 'map', 'a header');
      const entries = Array.from({ length: 260 }, (_, i) => pair(`key-${pad(i)}`, prng.bytes(70)));
      tx.mapSet('alpha', 'map', [...entries, pair('key-large', prng.bytes(3000))]);
    });
    this.commit((tx) => {
      tx.touch('alpha', 'map-u64').formatMap('alpha', 'map-u64', { comparator: 'u64', keySize: 8 });
      tx.mapSet('alpha', 'map-u64', numbered(60, prng));
      tx.touch('alpha', 'map-down').formatMap('alpha', 'map-down', { comparator: 'reverse' });
      tx.touch('alpha', 'map-own').formatMap('alpha', 'map-own', { comparator: BY_LENGTH.name });
      for (let i = 0; i < 40; i++) {
        tx.mapSet('alpha', 'map-down', [pair(`down-${pad(i)}`, prng.bytes(40))]);
        tx.mapSet('alpha', 'map-own', [pair('x'.repeat(1 + i), prng.bytes(40))]);
      }
    });
    this.commit((tx) => {
      for (let i = 0; i < 40; i++) {
        tx.reserve(`r-${pad(i)}`, { bytes: 100, operations: i % 2, keys: 0 }, 'an owner of it');
      }
    });
    this.commit((tx) => {
      for (let i = 0; i < 12; i++) tx.createCollection(`empty ${i}`);
    });
    this.checkpoint();
  }

  /** Clones, and changes in what they share. */
  share(): void {
    const { prng } = this;
    this.commit((tx) => {
      tx.clone('alpha', 'map', 'map-clone').mapSet('alpha', 'map-clone', [pair('key-100', 'new')]);
      tx.clone('alpha', 'pieces', 'pieces-clone');
      for (let i = 0; i < 30; i++) {
        tx.cloneRange('alpha', 'pieces', 'ranges', i * 700, 250 + 9 * i, (i % 7) * 4000 + i * 400);
      }
      tx.cloneCollection('alpha', 'beta');
    });
    this.checkpoint();
    this.commit((tx) => {
      tx.write('beta', 'pieces', 3000, prng.bytes(100)).remove('beta', 'object-020');
      for (let i = 0; i < 4; i++) tx.write('alpha', 'pieces-clone', i * 4300, prng.bytes(80));
    });
    this.checkpoint();
  }

  /** Work that fills the ring more than once, and leaves old blocks all over the device. */
  churn(): void {
    const { prng } = this;
    for (let i = 0; i < 80; i++) {
      this.commit((tx) => tx.write('alpha', `object-${pad(i % 9)}`, 0, prng.bytes(1100)));
      if (i % 20 === 19) this.checkpoint();
    }
  }

  /** Leaves a drop list behind. */
  drop(): void {
    const { prng } = this;
    this.commit((tx) => {
      tx.createCollection('gone').touch('gone', 'map');
      tx.mapSet(
        'gone',
        'map',
        Array.from({ length: 700 }, (_, i) => pair(`g-${pad(i)}`, prng.bytes(60))),
      );
      for (let i = 0; i < 20; i++) tx.write('gone', `o-${pad(i)}`, 0, prng.bytes(600));
    });
    this.checkpoint();
    this.commit((tx) => tx.dropCollection('gone'));
    this.checkpoint();
  }

  checkpoint(): void {
    this.#store.checkpointSync();
    this.history.push(this.image());
  }
}

function pair(key: string, value: string | Uint8Array): readonly [string, string | Uint8Array] {
  return [key, value];
}

function numbered(count: number, prng: Prng): (readonly [Uint8Array, Uint8Array])[] {
  return Array.from({ length: count }, (_, i) => {
    const key = new Uint8Array(8);
    new DataView(key.buffer).setBigUint64(0, BigInt(i) ** 5n);
    return [key, prng.bytes(50)] as const;
  });
}
