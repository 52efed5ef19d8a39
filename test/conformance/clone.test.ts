/** Conformance, 6: clones of objects and of ranges. */

import test from 'ava';
import {
  C,
  concat,
  filled,
  inCollection,
  object,
  readText,
  remount,
  Shadow,
  sameBytes,
  scaled,
  textOf,
} from './fixture.js';

const K = 1024;
const M = K * K;

test('SimpleCloneTest', inCollection, (t, bed) => {
  const [one, two] = ['Object 1', 'Object 2'];
  const small = filled('s', 10);
  const large = filled('l', 1000);
  const xlarge = filled('x', 40_000);
  bed.commit((b) => {
    b.touch(C, one);
    b.setAttributes(C, one, [
      ['attr1', small],
      ['attr2', large],
      ['attr3', xlarge],
    ]);
    b.write(C, one, 0, 'small').write(C, one, 10, 'small');
  });
  bed.commit((b) => {
    b.clone(C, one, two).setAttribute(C, two, 'attr2', small).removeAttribute(C, two, 'attr1');
    b.write(C, one, 10, 'large').setAttribute(C, one, 'attr1', large);
    b.setAttribute(C, one, 'attr2', small);
  });
  const check = (): void => {
    t.is(readText(bed, one, 10, 5), 'large');
    t.is(readText(bed, one, 0, 5), 'small');
    t.is(readText(bed, two, 10, 5), 'small');
    t.is(textOf(object(bed, two).getAttributeSync('attr2')), textOf(small));
    t.is(textOf(object(bed, two).getAttributeSync('attr3')), textOf(xlarge));
    t.is(object(bed, two).getAttributeSync('attr1'), undefined);
    t.is(textOf(object(bed, one).getAttributeSync('attr1')), textOf(large));
  };
  check();
  remount(bed);
  check();
});

test('SimpleCloneTest: base, clone and write in one transaction', inCollection, (t, bed) => {
  const shapes = [
    { base: 16 * K, size: 4 * K, offset: 16 * K },
    { base: 16 * K, size: 4 * K, offset: 20 * K },
    { base: 16_000, size: 8000, offset: 17_000 },
    { base: M, size: 64 * K, offset: 64 * K },
    { base: 64 * K, size: 4 * K, offset: 32_768 },
    { base: 64 * K, size: 4 * K, offset: 33_768 },
  ];
  const expected = shapes.map(({ base, size, offset }, i) => {
    const source = filled('b', base);
    bed.commit((b) => {
      b.write(C, `source ${i}`, 0, source).clone(C, `source ${i}`, `clone ${i}`);
      b.write(C, `source ${i}`, offset, filled('w', size));
    });
    const bytes = new Uint8Array(Math.max(base, offset + size));
    bytes.set(source);
    bytes.fill(0x77, offset, offset + size);
    return { source, bytes };
  });
  for (const again of [false, true]) {
    if (again) remount(bed);
    expected.forEach(({ source, bytes }, i) => {
      sameBytes(t, object(bed, `source ${i}`).readSync(), bytes);
      sameBytes(t, object(bed, `clone ${i}`).readSync(), source);
    });
  }
});

test(
  'SimpleCloneTest: a refused removal of the collection leaves everything',
  inCollection,
  (t, bed) => {
    bed.commit((b) => b.write(C, '1', 0, 'one').clone(C, '1', '2'));
    remount(bed);
    t.throws(() => bed.commit((b) => b.removeCollection(C)), { code: 'E_NOT_EMPTY' });
    bed.commit((b) => b.touch(C, '3'));
    remount(bed);
    t.throws(() => bed.commit((b) => b.remove(C, '1').remove(C, '2').removeCollection(C)), {
      code: 'E_NOT_EMPTY',
    });
    t.is(readText(bed, '1'), 'one');
    t.is(readText(bed, '2'), 'one');
    bed.commit((b) => b.remove(C, '1').remove(C, '2').remove(C, '3').removeCollection(C));
    t.false(bed.store.collection(C).existsSync());
  },
);

test('OmapCloneTest', inCollection, (t, bed) => {
  bed.commit((b) => {
    b.touch(C, 'a').mapSet(C, 'a', [
      ['foo', 'foovalue'],
      ['bar', 'barvalue'],
    ]);
    b.mapSetHeader(C, 'a', 'this is a header').clone(C, 'a', 'b');
  });
  remount(bed);
  const copy = object(bed, 'b');
  t.is(textOf(copy.mapHeaderSync()), 'this is a header');
  t.deepEqual(
    copy.mapEntriesSync().map(([key, value]) => [textOf(key), textOf(value)]),
    [
      ['bar', 'barvalue'],
      ['foo', 'foovalue'],
    ],
  );
});

test('SimpleCloneRangeTest', inCollection, (t, bed) => {
  bed.commit((b) => b.write(C, '1', 10, 'small'));
  bed.commit((b) => b.cloneRange(C, '1', '2', 10, 5, 10));
  t.is(readText(bed, '2', 10, 5), 'small');
  t.is(object(bed, '2').statSync().size, 15);
  bed.commit((b) => b.truncate(C, '1', M).cloneRange(C, '1', '2', 0, M, 0));
  t.is(object(bed, '1').statSync().size, M);
  t.is(object(bed, '2').statSync().size, M);
  sameBytes(t, object(bed, '2').readSync(), object(bed, '1').readSync());
  t.throws(() => bed.commit((b) => b.cloneRange(C, '1', '3', M - 1, 2, 0)), { code: 'E_INVALID' });
  t.false(object(bed, '3').existsSync());
});

test('DeferredAndClone', inCollection, async (t, bed) => {
  const { store } = bed;
  await store.commit(store.transaction().touch(C, '1'));
  const write = store.submit(store.transaction().write(C, '1', 0, 'zzz'));
  await store.commit(store.transaction().cloneRange(C, '1', '2', 0, 3, 0));
  t.is(readText(bed, '2'), 'zzz');
  await write.committed;
  bed.kill();
  t.is(readText(bed, '2'), 'zzz');
});

test('DeferredAndClone2', inCollection, (t, bed) => {
  bed.commit((b) => b.write(C, '1', 0, filled('h', 64 * K)));
  bed.commit((b) => b.write(C, '1', 0, filled('z', K)).cloneRange(C, '1', '2', 0, 64 * K, 0));
  const expected = concat(filled('z', K), filled('h', 63 * K));
  sameBytes(t, object(bed, '2').readSync(), expected);
  remount(bed);
  sameBytes(t, object(bed, '2').readSync(), expected);
});

test(
  'ReproNoBlobMultiTest',
  inCollection,
  (t, bed) => {
    const rounds = scaled(513, 33);
    const places = scaled(256, 64);
    for (let round = 0; round < rounds; round++) {
      bed.commit((b) => {
        for (let k = 0; k < places; k++) {
          b.write(C, 'head', round * 256 + k * 512 * K, filled((round % 255) + 1, 256));
        }
        b.clone(C, 'head', `snapshot ${round + 1}`);
      });
    }
    const most = rounds * places * 16 * K + 16 * M; // two nodes a write; the field allows 72 KiB
    const { allocated } = bed.store.statfsSync();
    t.true(allocated < most, `${allocated} bytes in ${rounds} clones`);
    for (const round of [0, Math.floor(rounds / 2), rounds - 1]) {
      const snapshot = object(bed, `snapshot ${round + 1}`);
      for (const k of [0, 1, places - 1]) {
        const piece = snapshot.readSync(k * 512 * K, (round + 1) * 256);
        for (let i = 0; i <= round; i++) t.is(piece[i * 256 + 255], (i % 255) + 1);
      }
    }
  },
  { size: scaled(4096, 512) * M },
);

test('BlueStoreUnshareBlobSimple', inCollection, (t, bed) => {
  const shadow = new Shadow(t, bed, 'a').write([0, filled('a', 2 * M)]);
  const { allocatedBytes } = object(bed, 'a').statSync();
  for (let round = 0; round < 2; round++) {
    bed.commit((b) => b.clone(C, 'a', 'a generation 5'));
    sameBytes(t, object(bed, 'a generation 5').readSync(), shadow.bytes);
    bed.commit((b) => b.remove(C, 'a generation 5'));
    remount(bed);
  }
  shadow.check();
  t.is(object(bed, 'a').statSync().allocatedBytes, allocatedBytes);
});

for (const title of ['BlueStoreUnshareBlobTest', 'BlueStoreUnshareBlobBugTest']) {
  const offset = title === 'BlueStoreUnshareBlobTest' ? 0 : 4 * K + 5;
  test(title, inCollection, (t, bed) => {
    const shadow = new Shadow(t, bed, 'a').write([0, filled('a', 16 * K)]);
    bed.commit((b) => b.cloneRange(C, 'a', 'generation', offset, 4 * K, offset));
    shadow.write([offset, filled('b', 4 * K)]).check();
    remount(bed);
    sameBytes(t, object(bed, 'generation').readSync(offset), filled('a', 4 * K));
    bed.commit((b) => b.remove(C, 'generation'));
    remount(bed);
    shadow.check(); // the teardown finds that no count of references is left behind
  });
}
