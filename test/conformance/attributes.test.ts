/** Conformance, 7: attributes. */

import test from 'ava';
import { C, filled, inCollection, object, remount, scaled, textOf } from './fixture.js';

const A = 'Object 1';

test('SimpleAttrTest', inCollection, async (t, bed) => {
  const found = object(bed, A);
  t.throws(() => found.getAttributeSync('foo'), { code: 'E_NOT_FOUND' });
  await t.throwsAsync(found.getAttribute('foo'), { code: 'E_NOT_FOUND' });
  t.throws(() => found.attributesSync(), { code: 'E_NOT_FOUND' });
  bed.commit((b) => b.touch(C, A).setAttribute(C, A, 'foo', 'value').setAttribute(C, A, 'bar', ''));
  t.is(found.getAttributeSync('nofoo'), undefined, 'no such attribute of an object that exists');
  t.is(await found.getAttribute('nofoo'), undefined);
  t.is(textOf(found.getAttributeSync('foo')), 'value');
  t.is(textOf(await found.getAttribute('bar')), '');
  t.deepEqual(
    found.attributesSync().map(([name]) => textOf(name)),
    ['bar', 'foo'],
  );
});

test('XattrTest', inCollection, async (t, bed) => {
  const big = filled(0, 10_000);
  const small = filled(0, 10);
  bed.commit((b) => {
    b.touch(C, A).setAttribute(C, A, 'attr1', small).setAttribute(C, A, 'attr2', big);
    b.setAttribute(C, A, 'attr3', small).setAttribute(C, A, 'attr1', small);
    b.setAttribute(C, A, 'attr4', big).setAttribute(C, A, 'attr3', big);
  });
  const sizes = (): [string | undefined, number][] =>
    object(bed, A)
      .attributesSync()
      .map(([name, value]) => [textOf(name), value.length]);
  const expected: [string, number][] = [
    ['attr1', 10],
    ['attr2', 10_000],
    ['attr3', 10_000],
    ['attr4', 10_000],
  ];
  t.deepEqual(sizes(), expected);
  bed.commit((b) => b.removeAttribute(C, A, 'attr2'));
  for (const again of [false, true]) {
    if (again) remount(bed);
    t.deepEqual(
      sizes(),
      expected.filter(([name]) => name !== 'attr2'),
    );
    t.is(object(bed, A).getAttributeSync('attr2'), undefined);
    t.is(textOf(await object(bed, A).getAttribute('attr3')), textOf(big));
  }
  bed.commit((b) => b.removeAttribute(C, A, 'attr2'));
  bed.commit((b) => b.removeAttributes(C, A));
  t.deepEqual(sizes(), []);
});

test(
  'SpilloverLegacyTest: objects with 1024 attributes each',
  inCollection,
  (t, bed) => {
    const objects = scaled(256, 6);
    const nameOf = (i: number): string => `${i}`.padEnd(64, 'n');
    for (let o = 0; o < objects; o++) {
      bed.commit((b) => {
        b.touch(C, `${o}`);
        for (let i = 0; i < 1024; i++) b.setAttribute(C, `${o}`, nameOf(i), filled(i, 4096));
      });
    }
    remount(bed);
    for (const o of [0, objects - 1]) {
      t.is(object(bed, `${o}`).attributesSync().length, 1024);
      t.is(textOf(object(bed, `${o}`).getAttributeSync(nameOf(1023))), textOf(filled(1023, 4096)));
    }
  },
  { size: scaled(4096, 128) * 2 ** 20 },
);

test('the name of an attribute may be empty', inCollection, (t, bed) => {
  bed.commit((b) => b.touch(C, A).setAttribute(C, A, '', 'of nothing').setAttribute(C, A, 'a', ''));
  bed.commit((b) => b.setCollectionAttribute(C, '', 'of nothing'));
  remount(bed);
  t.deepEqual(
    object(bed, A)
      .attributesSync()
      .map(([name]) => textOf(name)),
    ['', 'a'],
  );
  t.is(textOf(object(bed, A).getAttributeSync('')), 'of nothing');
  t.is(textOf(bed.store.collection(C).getAttributeSync('')), 'of nothing');
  bed.commit((b) => b.removeAttribute(C, A, '').removeCollectionAttribute(C, ''));
  t.is(object(bed, A).getAttributeSync(''), undefined);
  t.deepEqual(bed.store.collection(C).attributeNamesSync(), []);
  t.is(object(bed, A).attributesSync().length, 1);
});
