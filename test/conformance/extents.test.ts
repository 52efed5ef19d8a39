/** Conformance, 5: the map of an object's extents. */

import test from 'ava';
import { C, inCollection, object } from './fixture.js';

const A = 'Object 1';
const STEP = 65536;

test('FiemapEmpty', inCollection, (t, bed) => {
  bed.commit((b) => b.touch(C, A).truncate(C, A, 100_000));
  t.deepEqual(object(bed, A).extentsSync(), [
    { offset: 0, length: 100_000, kind: 'hole', deviceOffset: -1 },
  ]);
});

test('FiemapHoles', inCollection, async (t, bed) => {
  const count = 4000;
  bed.commit((b) => {
    for (let i = 0; i < count; i++) b.write(C, A, i * STEP, 'abc');
  });
  const all = object(bed, A).extentsSync();
  const data = all.filter(({ kind }) => kind !== 'hole');
  t.deepEqual(
    data.map(({ offset, length }) => [offset, length]),
    Array.from({ length: count }, (_, i) => [i * STEP, 3]),
  );
  let end = 0;
  for (const { offset, length } of all) {
    t.is(offset, end, 'extents tile the object');
    end = offset + length;
  }
  t.is(end, (count - 1) * STEP + 3);
  const middle = await object(bed, A).extents(STEP, (count - 2) * STEP);
  t.deepEqual(middle, all.slice(2, 2 * count - 2), 'from the offset that was asked for');
});

test('Fiemap of a range cuts extents to it', inCollection, (t, bed) => {
  bed.commit((b) => b.write(C, A, 0, Buffer.alloc(STEP, 'a')).zero(C, A, STEP, STEP));
  const [first, hole] = object(bed, A).extentsSync(100, STEP);
  t.deepEqual([first?.offset, first?.length, first?.kind], [100, STEP - 100, 'data']);
  t.deepEqual([hole?.offset, hole?.length, hole?.kind], [STEP, 100, 'hole']);
  t.deepEqual(object(bed, A).extentsSync(2 * STEP), []);
  t.throws(() => object(bed, A).extentsSync(-1), { code: 'E_INVALID_ARGUMENT' });
});
