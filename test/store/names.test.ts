/** Names, keys and values at their limits, and with every byte there is. */

import test from 'ava';
import { type CollectionOptions, Transaction } from '../../src/txn/transaction.js';
import { type StoreBed, storeBed } from '../support/store-fixture.js';

const NAME_MAX = 4096;
const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, i) => i);

/** Names that a store must take: of every byte, and the longest. */
const NAMES: readonly Uint8Array[] = [
  Uint8Array.of(0),
  Uint8Array.of(0, 0),
  Uint8Array.of(255),
  EVERY_BYTE,
  EVERY_BYTE.slice().reverse(),
  new Uint8Array(NAME_MAX).fill(255),
  new Uint8Array(NAME_MAX).fill(0),
  Buffer.from('ünïcödé/../\n\t'),
  ...Array.from({ length: 256 }, (_, i) => Uint8Array.of(i, 7)),
];

const SORTED = NAMES.map((name) => Buffer.from(name)).sort(Buffer.compare);

function hex(names: readonly Uint8Array[]): string[] {
  return names.map((name) => Buffer.from(name).toString('hex').slice(0, 600));
}

function bothTimes(bed: StoreBed, check: () => void): void {
  check();
  bed.kill();
  check();
  bed.reopen();
  check();
}

test('names of collections, objects, attributes and keys are any 1 to 4096 bytes', (t) => {
  const bed = storeBed(t, { size: 128 * 2 ** 20 });
  bed.commit((b) => {
    for (const name of NAMES) b.createCollection(name);
    for (const name of NAMES) b.write('\x00', name, 0, name);
    b.createCollection('h', { order: 'hash' });
    for (const name of NAMES) b.write('h', name, 0, name);
    b.touch('\x00', 'o');
    for (const name of NAMES) b.setAttribute('\x00', 'o', name, name);
    b.mapSet(
      '\x00',
      'o',
      NAMES.map((name) => [name, name] as const),
    );
    b.setCollectionAttributes(
      '\x00',
      NAMES.map((name) => [name, name] as const),
    );
  });
  bothTimes(bed, () => {
    const { store } = bed;
    const named = store.listCollectionsSync();
    t.deepEqual(
      hex(named.filter((name) => Buffer.compare(name, Buffer.from('h')) !== 0)),
      hex(SORTED),
    );
    const collection = store.collection('\x00');
    const listed = collection.listSync().map(({ name }) => name);
    t.deepEqual(
      hex(listed.filter((name) => Buffer.compare(name, Buffer.from('o')) !== 0)),
      hex(SORTED),
    );
    t.is(store.collection('h').statSync().objects, NAMES.length);
    const object = collection.object('o');
    t.deepEqual(hex(object.attributesSync().map(([name]) => name)), hex(SORTED));
    t.deepEqual(hex(object.mapEntriesSync().map(([key]) => key)), hex(SORTED));
    t.deepEqual(hex(collection.attributeNamesSync()), hex(SORTED));
    for (const name of NAMES) {
      const expected = new Uint8Array(name);
      t.deepEqual(collection.object(name).readSync(), expected);
      t.deepEqual(store.collection('h').object(name).readSync(), expected);
      t.deepEqual(object.getAttributeSync(name), expected);
      t.deepEqual(object.mapGetSync(name), expected);
      t.deepEqual(collection.getAttributeSync(name), expected);
    }
  });
  bed.commit((b) => {
    for (const name of NAMES) b.remove('\x00', name).remove('h', name);
    b.mapRemove('\x00', 'o', NAMES).removeCollection('h');
  });
  t.is(bed.store.collection('\x00').object('o').mapCountSync(), 0);
  t.is(bed.store.statfsSync().objects, 1);
});

test('an empty name is E_INVALID, except beside a hash', (t) => {
  const transaction = new Transaction();
  const empty = { code: 'E_INVALID' };
  t.throws(() => transaction.createCollection(''), empty);
  t.throws(() => transaction.touch('c', ''), empty);
  t.throws(() => transaction.renameCollection('c', ''), empty);
  t.throws(() => transaction.clone('c', 'o', new Uint8Array(0)), empty);
  t.throws(() => transaction.reserve('', { bytes: 0, operations: 0, keys: 0 }), empty);
  t.throws(() => transaction.cancelReservation(''), empty);
  t.is(transaction.operationCount, 0);
  const bed = storeBed(t);
  bed.commit((b) => b.createCollection('h', { order: 'hash' }).touch('h', { name: '', hash: 7 }));
  t.true(bed.store.collection('h').object({ name: '', hash: 7 }).existsSync());
});

test('a name or key of 4097 bytes is E_TOO_BIG', (t) => {
  const long = new Uint8Array(NAME_MAX + 1);
  const transaction = new Transaction();
  const tooBig = { code: 'E_TOO_BIG' };
  t.throws(() => transaction.createCollection(long), tooBig);
  t.throws(() => transaction.renameCollection('c', long), tooBig);
  t.throws(() => transaction.touch('c', long), tooBig);
  t.throws(() => transaction.touch('c', { name: long, hash: 1 }), tooBig);
  t.throws(() => transaction.clone('c', 'o', long), tooBig);
  t.throws(() => transaction.setAttribute('c', 'o', long, '\x00'), tooBig);
  t.throws(() => transaction.mapSet('c', 'o', [[long, '\x00']]), tooBig);
  t.throws(() => transaction.mapRemove('c', 'o', [long]), tooBig);
  t.throws(() => transaction.mapRemoveRange('c', 'o', long), tooBig);
  t.throws(() => transaction.setCollectionAttribute('c', long, '\x00'), tooBig);
  t.throws(() => transaction.reserve(long, { bytes: 0, operations: 0, keys: 0 }), tooBig);
  t.is(transaction.operationCount, 0);
});

test('a value of 64 MiB is stored, one byte more is E_TOO_BIG', (t) => {
  const bed = storeBed(t, { size: 512 * 2 ** 20 });
  const value = Buffer.alloc(64 * 1024 * 1024, 'value');
  const more = new Uint8Array(value.length + 1);
  bed.commit((b) => {
    b.createCollection('c')
      .touch('c', 'o')
      .mapSet('c', 'o', [['k', value]]);
    t.throws(() => b.mapSet('c', 'o', [['l', more]]), { code: 'E_TOO_BIG' });
    t.throws(() => b.setAttribute('c', 'o', 'a', more), { code: 'E_TOO_BIG' });
    t.throws(() => b.mapSetHeader('c', 'o', more), { code: 'E_TOO_BIG' });
  });
  const found = bed.store.collection('c').object('o').mapGetSync('k');
  t.is(Buffer.compare(found ?? new Uint8Array(0), value), 0);
});

test('a transaction larger than a part of the ring takes blocks of its own', async (t) => {
  const bed = storeBed(t, { journalBytes: 2 ** 20 });
  bed.commit((b) => b.createCollection('c'));
  const fill = (b: Transaction, round: number): Transaction => {
    for (let i = 0; i < 400; i++) b.write('c', `${round} ${i}`, 0, Buffer.alloc(3000, i));
    return b;
  };
  for (let round = 0; round < 4; round++) bed.commit((b) => fill(b, round));
  await Promise.all([4, 5, 6].map((round) => bed.store.commit(fill(new Transaction(), round))));
  bed.kill();
  t.is(bed.store.statfsSync().objects, 2800);
  const bytes = bed.store.collection('c').object('6 399').readSync();
  t.is(Buffer.compare(bytes, Buffer.alloc(3000, 399)), 0);
});

test('names that are neither text nor bytes are E_INVALID_ARGUMENT', (t) => {
  const transaction = new Transaction();
  const wrong = 7 as unknown as string;
  t.throws(() => transaction.createCollection(wrong), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => transaction.write('c', 'o', 0, wrong), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => transaction.mapSet('c', 'o', [['k', wrong]]), { code: 'E_INVALID_ARGUMENT' });
});

test('an unknown order of a collection is E_INVALID_ARGUMENT', (t) => {
  const wrong = { order: 'hashed' } as unknown as CollectionOptions;
  const range = { code: 'E_INVALID_ARGUMENT' };
  t.throws(() => new Transaction().createCollection('c', wrong), range);
  t.throws(() => new Transaction().createCollection('c', { bits: 1 }), range);
  t.throws(() => new Transaction().createCollection('c', { order: 'hash', bits: 33 }), range);
});

test('a hash that is no u32 is E_INVALID_ARGUMENT, in transactions and in reads', (t) => {
  const bed = storeBed(t);
  bed.commit((b) => b.createCollection('h', { order: 'hash' }).touch('h', { name: 'o', hash: 7 }));
  const collection = bed.store.collection('h');
  for (const hash of [-1, 2 ** 32, 0.5, Number.NaN]) {
    const name = { name: 'o', hash };
    t.throws(() => new Transaction().touch('h', name), { code: 'E_INVALID_ARGUMENT' });
    t.throws(() => collection.object(name).existsSync(), { code: 'E_INVALID_ARGUMENT' });
    t.throws(() => collection.listSync({ from: name }), { code: 'E_INVALID_ARGUMENT' });
  }
  t.throws(() => collection.object(7 as unknown as string).readSync(), {
    code: 'E_INVALID_ARGUMENT',
  });
});
