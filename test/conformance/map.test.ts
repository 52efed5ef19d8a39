/** Conformance, 8: the ordered map of an object, and its header. */

import test from 'ava';
import { Prng } from '../support/prng.js';
import type { StoreBed } from '../support/store-fixture.js';
import { C, inCollection, object, remount, textOf } from './fixture.js';

const A = 'Object 1';

function entries(bed: StoreBed, range = {}): [string | undefined, string | undefined][] {
  const listed = object(bed, A).mapEntriesSync({ limit: Number.POSITIVE_INFINITY, ...range });
  return listed.map(([key, value]) => [textOf(key), textOf(value)]);
}

function sorted(expected: ReadonlyMap<string, string>): [string, string][] {
  return [...expected].sort(([a], [b]) => (a < b ? -1 : 1));
}

test('OmapSimple', inCollection, async (t, bed) => {
  bed.commit((b) => {
    b.touch(C, A).mapSet(C, A, [
      ['foo', 'value 1'],
      ['bar', 'value 2'],
    ]);
    b.mapSetHeader(C, A, 'this is a header');
  });
  const expected = [
    ['bar', 'value 2'],
    ['foo', 'value 1'],
  ];
  t.is(textOf(await object(bed, A).mapHeader()), 'this is a header');
  t.deepEqual(entries(bed), expected as [string, string][]);
  t.deepEqual(entries(bed, { from: '' }), expected as [string, string][]);
});

test('OMapTest', inCollection, async (t, bed) => {
  bed.commit((b) => b.touch(C, A).mapSet(C, A, []).mapClear(C, A));
  t.deepEqual(entries(bed), []);
  const expected = new Map<string, string>();
  for (let i = 0; i < 100; i++) {
    bed.commit((b) => b.mapSet(C, A, [[`key-${i}`, `value-${i}`]]));
    expected.set(`key-${i}`, `value-${i}`);
    t.deepEqual(entries(bed), sorted(expected));
  }
  remount(bed);
  for (const [key, value] of sorted(expected)) {
    t.is(textOf(await object(bed, A).mapGet(key)), value);
    bed.commit((b) => b.mapRemove(C, A, [key]));
    expected.delete(key);
    t.deepEqual(entries(bed), sorted(expected));
  }
  bed.commit((b) => b.mapSetHeader(C, A, 'header').mapSet(C, A, [['key', 'value']]));
  t.is(textOf(object(bed, A).mapHeaderSync()), 'header');
  t.is(object(bed, A).mapCountSync(), 1);
  bed.commit((b) => {
    b.remove(C, A).touch(C, A).mapSetHeader(C, A, 'header');
    b.mapSet(
      C,
      A,
      Array.from({ length: 10 }, (_, i) => [`${i}`, `v${i}`] as const),
    );
  });
  bed.commit((b) => b.mapRemoveRange(C, A, '3', '7'));
  t.deepEqual(
    entries(bed).map(([key]) => key),
    ['0', '1', '2', '7', '8', '9'],
  );
  t.is(object(bed, A).mapHeaderSync()?.length, 6);
  bed.commit((b) => b.mapClear(C, A));
  t.is(object(bed, A).mapCountSync(), 0);
  t.is(object(bed, A).mapHeaderSync(), undefined);
});

test('OMapIterator', inCollection, async (t, bed) => {
  bed.commit((b) => b.touch(C, A));
  const expected = new Map<string, string>();
  for (let i = 0; i < 100; i++) {
    bed.commit((b) => b.mapSet(C, A, [[`key-${i}`, `value-${i}`]]));
    expected.set(`key-${i}`, `value-${i}`);
    t.deepEqual(entries(bed), sorted(expected));
    t.deepEqual(entries(bed, { reverse: true }), sorted(expected).reverse());
  }
  t.deepEqual(entries(bed, { from: 'key-5', limit: 1 }), [['key-5', 'value-5']]);
  t.deepEqual(entries(bed, { after: 'key-5', limit: 1 }), [['key-50', 'value-50']]);
  const below = sorted(expected).filter(([key]) => key < 'key-5');
  t.deepEqual(entries(bed, { to: 'key-5', reverse: true, limit: 2 }), below.slice(-2).reverse());
  t.deepEqual(entries(bed, { from: 'key-99', to: 'key-5' }), [], 'nothing is between');
});

test('a map is paged in both directions', inCollection, (t, bed) => {
  const keys = Array.from({ length: 1003 }, (_, i) => `${i}`.padStart(4, '0'));
  bed.commit((b) =>
    b.touch(C, A).mapSet(
      C,
      A,
      keys.map((key) => [key, ''] as const),
    ),
  );
  const forwards: (string | undefined)[] = [];
  for (;;) {
    const last = forwards.at(-1);
    const page = entries(bed, { limit: 100, ...(last !== undefined && { after: last }) });
    forwards.push(...page.map(([key]) => key));
    if (page.length < 100) break;
  }
  t.deepEqual(forwards, keys);
  const backwards: (string | undefined)[] = [];
  for (;;) {
    const last = backwards.at(-1);
    const range = { limit: 100, reverse: true, ...(last !== undefined && { to: last }) };
    const page = entries(bed, range);
    backwards.push(...page.map(([key]) => key));
    if (page.length < 100) break;
  }
  t.deepEqual(backwards, [...keys].reverse());
  t.is(object(bed, A).mapEntriesSync().length, 1000, 'a page has 1000 entries by default');
  t.throws(() => object(bed, A).mapEntriesSync({ limit: -1 }), { code: 'E_INVALID_ARGUMENT' });
});

test('OmapUpgrade: maps with and without header survive everything', inCollection, (t, bed) => {
  const prng = new Prng(4);
  const shapes = Array.from({ length: 1000 }, (_, i) => ({
    name: `object ${i}`,
    keys: Array.from({ length: prng.below(21) }, (_k, k) => `key ${String(k).padStart(2, '0')}`),
    header: i % 3 === 0 ? undefined : `header ${i}`,
  }));
  bed.commit((b) => {
    for (const { name, keys, header } of shapes) {
      b.touch(C, name).mapSet(
        C,
        name,
        keys.map((key) => [key, `${name} ${key}`] as const),
      );
      if (header !== undefined) b.mapSetHeader(C, name, header);
    }
  });
  remount(bed);
  for (const { name, keys, header } of shapes) {
    const found = object(bed, name);
    t.is(textOf(found.mapHeaderSync()), header, 'no header is undefined');
    t.deepEqual(
      found.mapEntriesSync().map(([key, value]) => [textOf(key), textOf(value)]),
      keys.map((key) => [key, `${name} ${key}`]),
    );
  }
});

test('the key of a map entry may be empty', inCollection, (t, bed) => {
  bed.commit((b) =>
    b.touch(C, A).mapSet(C, A, [
      ['', 'of nothing'],
      ['a', ''],
      ['\0', 'zero'],
    ]),
  );
  remount(bed);
  t.deepEqual(entries(bed), [
    ['', 'of nothing'],
    ['\0', 'zero'],
    ['a', ''],
  ]);
  t.deepEqual(entries(bed, { after: '' }), [
    ['\0', 'zero'],
    ['a', ''],
  ]);
  t.deepEqual(entries(bed, { to: '' }), []);
  t.is(textOf(object(bed, A).mapGetSync('')), 'of nothing');
  t.is(textOf(object(bed, A).mapGetSync('a')), '', 'an empty value is a value');
  t.is(object(bed, A).mapGetSync('b'), undefined);
  bed.commit((b) => b.mapRemove(C, A, ['', 'none']));
  t.deepEqual(entries(bed), [
    ['\0', 'zero'],
    ['a', ''],
  ]);
});
