/**
 * The kinds of steps that sequences are made of: each with arguments that are bounded and chosen
 * for a store as `PREPARATION` leaves it, so that three of them in a row meet each other.
 */

import type { ModelOperation } from '../support/model-operation.js';

/** Transactions, or something else that a store does. */
export type StepKind =
  /** `i` is the step's place in its sequence. */
  | { readonly transactions: (i: number) => readonly (readonly ModelOperation[])[] }
  | { readonly act: 'checkpoint' | 'idle' };

const A = 'a';
const O1 = { name: 'o1' };
const O2 = { name: 'o2' };
const O3 = { name: 'o3' };

function fill(length: number, i: number): Uint8Array {
  return new Uint8Array(length).fill(0x41 + i);
}

function keys(count: number, length: number, i: number): [string, Uint8Array][] {
  return Array.from({ length: count }, (_, k) => [
    `k${String(k).padStart(3, '0')}`,
    fill(length, i),
  ]);
}

/** What is there before a sequence begins. */
export const PREPARATION: readonly ModelOperation[][] = [
  [
    { op: 'createCollection', c: A, order: 'name', bits: 0 },
    { op: 'write', c: A, o: O1, offset: 0, data: fill(700, 0) },
    { op: 'setAttribute', c: A, o: O1, name: 'size', value: fill(20, 0) },
    { op: 'mapSet', c: A, o: O1, entries: keys(6, 40, 0) },
    { op: 'write', c: A, o: O2, offset: 0, data: fill(3000, 0) },
  ],
  [
    { op: 'createCollection', c: 'b', order: 'name', bits: 0 },
    { op: 'write', c: 'b', o: O2, offset: 0, data: fill(100, 0) },
    { op: 'createCollection', c: 'h', order: 'hash', bits: 0 },
    { op: 'write', c: 'h', o: { name: 'even', hash: 2 }, offset: 0, data: fill(50, 0) },
    { op: 'write', c: 'h', o: { name: 'odd', hash: 1 }, offset: 0, data: fill(1500, 0) },
    { op: 'createCollection', c: 'split', order: 'hash', bits: 1 },
  ],
  [{ op: 'reserve', name: 'r', owner: 'pg', units: { bytes: 4000, operations: 3, keys: 3 } }],
];

const one = (operation: ModelOperation): StepKind => ({ transactions: () => [[operation]] });

const many = (operations: (i: number) => ModelOperation[]): StepKind => ({
  transactions: (i) => [operations(i)],
});

const write = (length: number, offset: number, o = O2): StepKind =>
  many((i) => [{ op: 'write', c: A, o, offset, data: fill(length, i) }]);

export const STEP_KINDS: Readonly<Record<string, StepKind>> = {
  create: one({ op: 'create', c: A, o: O3 }),
  'write a few bytes': write(100, 50, O1),
  'write a block': write(1024, 1024),
  'write across blocks': write(900, 700),
  append: write(600, 3000),
  'write behind the end': write(10, 6000),
  'write ahead': write(33 * 1024, 0, O3),
  zero: one({ op: 'zero', c: A, o: O2, offset: 512, length: 1600 }),
  shrink: one({ op: 'truncate', c: A, o: O2, size: 1000 }),
  extend: one({ op: 'truncate', c: A, o: O2, size: 5000 }),
  remove: one({ op: 'remove', c: A, o: O2 }),
  'set attribute': many((i) => [
    { op: 'setAttribute', c: A, o: O1, name: 'size', value: fill(60, i) },
  ]),
  'remove attribute': one({ op: 'removeAttribute', c: A, o: O1, name: 'size' }),
  'set keys': many((i) => [{ op: 'mapSet', c: A, o: O1, entries: keys(3, 80, i) }]),
  'set many keys': many((i) => [{ op: 'mapSet', c: A, o: O1, entries: keys(60, 70, i) }]),
  'remove keys': one({ op: 'mapRemove', c: A, o: O1, keys: ['k001', 'k004'] }),
  'remove range': one({ op: 'mapRemoveRange', c: A, o: O1, from: 'k002', to: 'k050' }),
  'clear map': one({ op: 'mapClear', c: A, o: O1 }),
  'record of its own': many((i) => [{ op: 'mapSet', c: A, o: O1, entries: keys(1, 12_000, i) }]),
  clone: one({ op: 'clone', c: A, o: O2, toC: A, toO: O3 }),
  'clone range': one({
    op: 'cloneRange',
    c: A,
    o: O2,
    toC: A,
    toO: O1,
    from: 100,
    length: 900,
    offset: 1024,
  }),
  rename: one({ op: 'tryRename', c: A, o: O2, toO: O3 }),
  move: one({ op: 'moveRename', c: A, o: O1, toC: 'b', toO: O1 }),
  'create collection': one({ op: 'createCollection', c: 'n', order: 'name', bits: 0 }),
  'clone collection': one({ op: 'cloneCollection', c: A, to: 'x' }),
  'drop collection': one({ op: 'dropCollection', c: A }),
  'drop clone': one({ op: 'dropCollection', c: 'x' }),
  'rename collection': one({ op: 'renameCollection', c: 'b', to: 'd' }),
  split: one({ op: 'splitCollection', c: 'h', to: 'split', bits: 1, remainder: 1 }),
  merge: one({ op: 'mergeCollection', c: 'split', to: 'h', bits: 0 }),
  reserve: one({
    op: 'reserve',
    name: 's',
    owner: 'pg',
    units: { bytes: 2000, operations: 1, keys: 1 },
  }),
  redeem: many((i) => [
    { op: 'redeem', name: 'r', units: { bytes: 600, operations: 1, keys: 1 } },
    { op: 'write', c: A, o: O3, offset: 0, data: fill(600, i) },
  ]),
  'cancel reservation': one({ op: 'cancelReservation', name: 'r' }),
  'everywhere at once': many((i) => [
    { op: 'write', c: A, o: O1, offset: 600, data: fill(500, i) },
    { op: 'write', c: 'b', o: O2, offset: 0, data: fill(1200, i) },
    { op: 'clone', c: 'b', o: O2, toC: A, toO: O3 },
    { op: 'setCollectionAttribute', c: 'h', name: 'i', value: fill(8, i) },
    { op: 'remove', c: A, o: O2 },
  ]),
  'guard that fails': many((i) => [
    { op: 'write', c: A, o: O1, offset: 0, data: fill(90, i) },
    { op: 'mustExist', c: A, o: { name: 'nobody' } },
  ]),
  /** More than the journal holds. */
  burst: {
    transactions: (i) =>
      Array.from({ length: 12 }, (_, n) => [
        { op: 'mapSet', c: A, o: { name: `burst${n % 3}` }, entries: keys(1, 6000, i + n) },
      ]),
  },
  checkpoint: { act: 'checkpoint' },
  idle: { act: 'idle' },
};
