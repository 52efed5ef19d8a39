/** Map streams: comparators, key sizes, ranges, and what is there when a comparator isn't. */

import test from 'ava';
import { BY_LENGTH, type StoreBed, storeBed } from '../support/store-fixture.js';

function keys(bed: StoreBed, range = {}): string[] {
  const entries = bed.store.collection('c').object('o').mapEntriesSync(range);
  return entries.map(([key]) => Buffer.from(key).toString());
}

function made(t: Parameters<typeof storeBed>[0], comparator?: string): StoreBed {
  const bed = storeBed(t, { comparators: [BY_LENGTH] });
  bed.commit((b) => {
    b.createCollection('c').touch('c', 'o');
    if (comparator !== undefined) b.formatMap('c', 'o', { comparator });
    b.mapSet(
      'c',
      'o',
      ['b', 'a', 'ccc', 'bb', 'aa', ''].map((key) => [key, `of ${key}`] as const),
    );
  });
  return bed;
}

test('a map is in the order of its comparator, forwards and backwards', (t) => {
  const orders: Record<string, string[]> = {
    bytes: ['', 'a', 'aa', 'b', 'bb', 'ccc'],
    reverse: ['ccc', 'bb', 'b', 'aa', 'a', ''],
    [BY_LENGTH.name]: ['', 'a', 'b', 'aa', 'bb', 'ccc'],
  };
  for (const [comparator, order] of Object.entries(orders)) {
    const bed = made(t, comparator);
    for (const again of [false, true]) {
      if (again) bed.reopen();
      t.deepEqual(keys(bed), order, comparator);
      t.deepEqual(keys(bed, { reverse: true }), [...order].reverse());
      const [, second = '', , fourth = ''] = order;
      const range = { from: second, to: fourth };
      t.deepEqual(keys(bed, range), order.slice(1, 3));
      t.deepEqual(keys(bed, { ...range, reverse: true }), order.slice(1, 3).reverse());
      t.deepEqual(keys(bed, { after: second, limit: 2 }), order.slice(2, 4));
    }
    bed.commit((b) => b.mapRemoveRange('c', 'o', order[2] ?? '', order[4]));
    t.deepEqual(keys(bed), [...order.slice(0, 2), ...order.slice(4)], comparator);
  }
});

test('mapRemoveRange() from the empty key begins where the order has it', (t) => {
  const bed = made(t, 'reverse');
  bed.commit((b) => b.mapRemoveRange('c', 'o', ''));
  t.deepEqual(keys(bed), ['ccc', 'bb', 'b', 'aa', 'a']);
  const plain = made(t);
  plain.commit((b) => b.mapRemoveRange('c', 'o', '', 'b'));
  t.deepEqual(keys(plain), ['b', 'bb', 'ccc']);
});

test('mapRemoveRange() of an empty or inverted range removes nothing', (t) => {
  const bed = made(t);
  bed.commit((b) => b.mapRemoveRange('c', 'o', 'b', 'b').mapRemoveRange('c', 'o', 'c', 'a'));
  t.is(keys(bed).length, 6);
});

test('a map of fixed keys refuses others', (t) => {
  const bed = storeBed(t);
  bed.commit((b) => {
    b.createCollection('c').touch('c', 'o').formatMap('c', 'o', { comparator: 'u64' });
    b.touch('c', 'p').formatMap('c', 'p', { keySize: 3 });
    b.mapSet('c', 'o', [['12345678', '']]).mapSet('c', 'p', [['abc', '']]);
  });
  for (const key of ['', '1234567', '123456789']) {
    t.throws(() => bed.commit((b) => b.mapSet('c', 'o', [[key, '']])), { code: 'E_INVALID' });
    t.throws(() => bed.commit((b) => b.mapRemove('c', 'o', [key])), { code: 'E_INVALID' });
  }
  t.throws(() => bed.commit((b) => b.mapSet('c', 'p', [['abcd', '']])), { code: 'E_INVALID' });
  bed.reopen();
  t.throws(() => bed.commit((b) => b.mapSet('c', 'p', [['abcd', '']])), { code: 'E_INVALID' });
  bed.commit((b) => b.mapClear('c', 'p'));
  bed.reopen();
  t.throws(() => bed.commit((b) => b.mapSet('c', 'p', [['abcd', '']])), { code: 'E_INVALID' });
});

test('an unknown comparator is E_COMPARATOR where the map is needed, and nowhere else', (t) => {
  const bed = made(t, BY_LENGTH.name);
  bed.commit((b) =>
    b.write('c', 'o', 0, 'bytes').setAttribute('c', 'o', 'a', 'b').clone('c', 'o', 'p'),
  );
  const store = bed.reopen({ comparators: [] });
  const object = store.collection('c').object('o');
  t.is(Buffer.from(object.readSync()).toString(), 'bytes');
  t.is(object.attributesSync().length, 1);
  t.throws(() => object.mapGetSync('a'), { code: 'E_COMPARATOR', message: /test-by-length/ });
  t.throws(() => object.mapEntriesSync(), { code: 'E_COMPARATOR' });
  t.throws(() => bed.commit((b) => b.mapSet('c', 'o', [['k', 'v']])), { code: 'E_COMPARATOR' });
  bed.commit((b) => b.write('c', 'o', 5, '!').clone('c', 'o', 'q').remove('c', 'p'));
  bed.commit((b) => b.cloneCollection('c', 'd').dropCollection('c'));
  bed.reopen();
  t.is(bed.store.collection('d').object('q').mapCountSync(), 6);
});

test('a comparator of another version is E_COMPARATOR', (t) => {
  const bed = made(t, BY_LENGTH.name);
  const store = bed.reopen({ comparators: [{ ...BY_LENGTH, version: 2 }] });
  t.throws(() => store.collection('c').object('o').mapGetSync('a'), { code: 'E_COMPARATOR' });
  bed.reopen();
});

test('a journal that needs an unknown comparator refuses a writable open', (t) => {
  const bed = made(t, BY_LENGTH.name);
  bed.store.checkpointSync();
  bed.commit((b) => b.write('c', 'o', 0, 'before').mapSet('c', 'o', [['later', '']]));
  t.throws(() => bed.kill({ comparators: [] }), {
    code: 'E_COMPARATOR',
    message: /test-by-length/,
  });
  const shown = bed.kill({ comparators: [], readOnly: true });
  t.is(shown.recovery.pending, 1);
  t.is(shown.collection('c').object('o').readSync().length, 0);
  bed.kill();
  t.is(bed.store.collection('c').object('o').mapCountSync(), 7);
});

test('attributes, header and keys are apart from each other', (t) => {
  const bed = storeBed(t);
  const large = Buffer.alloc(40_000, 'L');
  bed.commit((b) => {
    b.createCollection('c').touch('c', 'o').setAttribute('c', 'o', 'x', 'attribute');
    b.mapSet('c', 'o', [['x', 'key']]).mapSetHeader('c', 'o', large);
  });
  const object = bed.store.collection('c').object('o');
  bed.commit((b) => b.removeAttributes('c', 'o'));
  t.is(object.mapHeaderSync()?.length, large.length);
  t.is(Buffer.from(object.mapGetSync('x') ?? '').toString(), 'key');
  bed.commit((b) => b.setAttribute('c', 'o', 'x', 'again').mapClear('c', 'o'));
  t.is(object.mapHeaderSync(), undefined);
  t.is(object.mapCountSync(), 0);
  t.is(Buffer.from(object.getAttributeSync('x') ?? '').toString(), 'again');
});
