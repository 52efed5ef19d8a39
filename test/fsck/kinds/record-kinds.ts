/**
 * Planters of faults in records: of objects, their streams, large values and the drop list.
 */

import type { MemoryDevice } from '../../../src/blockdev/memory-device.js';
import { ComparatorRegistry } from '../../../src/btree/comparator.js';
import { getU48 } from '../../../src/format/bytes.js';
import { POINTER } from '../../../src/format/pointer.js';
import type { Where } from '../../../src/fsck/finding.js';
import { decodeOnode, ONODE_FLAG } from '../../../src/onode/onode.js';
import type { Engine } from '../../../src/txn/engine.js';
import { close, commit, newStore, ORDERS, open } from '../fixture.js';
import { flip, type Planter } from '../planter.js';
import { onodeOf } from '../tree-faults.js';
import {
  copiesOf,
  inImage,
  type Kind,
  run,
  SEVERAL,
  SPACE_UNKNOWN,
  UNCOUNTED,
  upTo,
} from './kind.js';
import { editOnode, placeOf, treeStore } from './tree-kinds.js';

const sparse = (i: number): string => `object-${String(5 + 12 * i).padStart(3, '0')}`;

/** A fault in the records of some objects that lie in leaves of their own. */
function inOnodes(edit: (record: Uint8Array) => void, more: Partial<Kind> = {}): Kind {
  return {
    store: treeStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => {
        editOnode(planter, sparse(i), edit);
        return placeOf('objects', sparse(i));
      }),
      ...(more.because !== undefined && { implied: [SPACE_UNKNOWN] }),
    })),
    counts: SEVERAL,
    ...more,
  };
}

/** An entry of a stream in the image, and the leaf that it is in. */
interface StoredEntry {
  readonly leaf: number;
  readonly value: Uint8Array;
}

/** The entries of a kind in the stream of an object, which is one leaf. */
function streamOf(planter: Planter, name: string, kind: number): StoredEntry[] {
  const { record } = onodeOf(planter, name);
  const { blob } = decodeOnode(record, 0, record.length);
  const leaf = getU48(blob, blob.length - POINTER.size);
  const entries = planter.entries(leaf).map(({ value }) => ({ leaf, value }));
  return entries.filter(({ value }) => value[0] === kind);
}

const EXTENT = 1;
const HOLE = 3;

/** Makes an entry longer by some bytes: its length is a varint of two behind kind and birth. */
function stretch(planter: Planter, { leaf, value }: StoredEntry, bytes: number): void {
  value[2] = (value[2] as number) + bytes;
  planter.seal(leaf);
}

/** A fault in the stream of each of some objects. */
function inStreams(
  plant: (planter: Planter, name: string) => Where,
  more: Partial<Kind> = {},
): Kind {
  return {
    store: treeStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => placeOf('blob', `large-${i}`, plant(planter, `large-${i}`))),
    })),
    counts: SEVERAL,
    losses: /^c\/large-/,
    ...more,
  };
}

const EXTENT_BLOCKS = 6; // offset of the number of blocks in an entry as `treeStore` has them
const EXTENT_ADDRESS = 7;

/** Three streams whose orders a program has registered. */
const orderedStore = copiesOf(() => {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  for (const [i, { name, version }] of ORDERS.entries()) {
    const format = { comparator: name, comparatorVersion: version };
    const entries = upTo(60).map((k) => [`k${k}`, new Uint8Array(60)] as const);
    commit(engine, (tx) =>
      tx.touch('c', `o${i}`).formatMap('c', `o${i}`, format).mapSet('c', `o${i}`, entries),
    );
  }
  close(engine);
  return device;
});

/** The first orders are known no more. */
function without(count: number): ComparatorRegistry {
  const known = new ComparatorRegistry();
  for (const order of ORDERS.slice(count)) known.register(order);
  return known;
}

/** A store whose drop list holds the trees of three maps. */
const droppingStore = copiesOf(() => {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').write('c', 'stays', 0, new Uint8Array(5000)));
  for (const i of upTo(3)) {
    const entries = upTo(60).map((k) => [`k${k}`, new Uint8Array(60)] as const);
    commit(engine, (tx) => tx.touch('c', `o${i}`).mapSet('c', `o${i}`, entries));
  }
  for (const i of upTo(3)) commit(engine, (tx) => tx.remove('c', `o${i}`));
  close(engine);
  return device;
});

/** The roots on the drop list of an open store, in order. */
function droppedRoots({ state }: Engine): number[] {
  const roots: number[] = [];
  const cursor = state.trees.drops.cursor();
  for (cursor.seekFirst(); cursor.valid; cursor.next()) {
    roots.push(getU48(cursor.valueBytes, cursor.valueStart + 1 + POINTER.address));
  }
  return roots;
}

function plantDrops(device: MemoryDevice, change: (engine: Engine) => void): number[] {
  const engine = open(device);
  const roots = droppedRoots(engine);
  engine.state.begin();
  change(engine);
  engine.state.commit();
  close(engine);
  return roots;
}

const dropPlace = (root: number): Where => ({ tree: 'drops', offset: root * 1024, length: 1024 });

export const RECORD_KINDS = {
  'root-damaged': {
    store: treeStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => {
        editOnode(planter, `value-${i}`, (record) => {
          // The code of another order than that of attributes.
          const { attributes } = decodeOnode(record, 0, record.length);
          attributes[0] = (attributes[0] as number) | (2 << 2);
        });
        return placeOf('attributes', `value-${i}`);
      }),
      implied: [SPACE_UNKNOWN],
    })),
    counts: SEVERAL,
    because: UNCOUNTED,
    losses: /^c\/value-/,
  },
  'unknown-comparator': {
    store: orderedStore,
    plant: (_device, count) => ({
      places: upTo(count).map((i) => placeOf('map', `o${i}`)),
      comparators: without(count),
    }),
    counts: SEVERAL,
    stays: 'Nothing is wrong with the store; the order has to be registered.',
  },
  'birth-order': inOnodes((record) => {
    record[5] = 99; // flags, id, version, two bytes of size, birth
  }),
  'record-damaged': inOnodes(
    (record) => {
      record[0] = 127;
    },
    { because: UNCOUNTED, losses: /^c\/object-/ },
  ),
  'object-id-twice': {
    store: treeStore,
    plant(device, count) {
      const engine = open(device);
      commit(engine, (tx) => tx.cloneCollection('c', 'd'));
      for (const i of upTo(count)) {
        commit(engine, (tx) => tx.moveRename('c', sparse(i), 'd', `moved-${i}`));
      }
      close(engine);
      const place = { tree: 'objects', collection: '"d"' };
      return { places: upTo(count).map((i) => ({ ...place, object: JSON.stringify(sparse(i)) })) };
    },
    counts: SEVERAL,
    losses: /^c\/object-/,
    stays: 'It is no fault.',
  },
  'large-value-flag': {
    store: treeStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => {
        editOnode(planter, `value-${i}`, (record) => {
          record[0] = (record[0] as number) & ~ONODE_FLAG.largeValues;
        });
        return placeOf('attributes', `value-${i}`, { value: '"v"' });
      }),
    })),
    counts: SEVERAL,
  },
  'blob-tiling': inStreams((planter, name) => {
    // Over its successor. (A gap would stay as a damaged range.)
    stretch(planter, streamOf(planter, name, HOLE)[0] as StoredEntry, 1);
    return {};
  }),
  'blob-size': inStreams((planter, name) => {
    stretch(planter, streamOf(planter, name, HOLE).at(-1) as StoredEntry, -1);
    return {};
  }),
  'extent-shape': {
    store: treeStore,
    plant: inImage((planter, count) => {
      const places = upTo(count).map((i) => {
        const { leaf, value } = streamOf(planter, `large-${i}`, EXTENT)[2] as StoredEntry;
        const blocks = (value[EXTENT_BLOCKS] as number) - 1;
        const address = getU48(value, EXTENT_ADDRESS);
        value[EXTENT_BLOCKS] = blocks;
        planter.seal(leaf);
        return { address, blocks, name: `large-${i}` };
      });
      return {
        places: places.map(({ address, blocks, name }) =>
          placeOf('blob', name, run(planter, address, blocks)),
        ),
        implied: places.map(({ address, blocks }) => ({
          code: 'leaked-blocks',
          ...run(planter, address + blocks, 1),
        })),
      };
    }),
    counts: SEVERAL,
    because: 'The block that an extent does not name is marked, and nothing else names it.',
  },
  'data-damaged': inStreams(
    (planter, name) => {
      const { value } = streamOf(planter, name, EXTENT)[3] as StoredEntry;
      const where = run(planter, getU48(value, EXTENT_ADDRESS), 3);
      flip(planter.image, (where.offset ?? 0) + 2000);
      return { ...where, objectOffset: 9000, objectLength: 3000 };
    },
    { stays: 'Data exists once; a repair makes none up.' },
  ),
  'drop-number': {
    store: droppingStore,
    plant(device, count) {
      const roots = plantDrops(device, ({ state }) => {
        state.counters.nextDrop -= count;
      });
      return { places: roots.slice(-count).map(dropPlace) };
    },
    counts: SEVERAL,
  },
  'drop-parked': {
    store: droppingStore,
    plant(device, count) {
      const roots = plantDrops(device, ({ state }) => {
        for (let i = 0; i < count; i++) state.parkDrop();
      });
      return { places: roots.slice(-count).map(dropPlace) };
    },
    counts: SEVERAL,
  },
} as const satisfies Record<string, Kind>;
