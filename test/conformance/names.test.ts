/** Conformance, 9: renames, long names, hints. */

import test from 'ava';
import {
  C,
  inCollection,
  listAll,
  object,
  readText,
  remount,
  removeEverything,
  scenario,
  textOf,
} from './fixture.js';
import { fullName, hashedName } from './object-id.js';

test('Rename', inCollection, (t, bed) => {
  bed.commit((b) => b.write(C, 'src', 0, 'foo'));
  bed.commit((b) => {
    b.moveRename(C, 'src', C, 'dst').write(C, 'src', 0, 'bar').setAttribute(C, 'src', 'a', 'new');
  });
  t.is(readText(bed, 'src'), 'bar');
  t.is(readText(bed, 'dst'), 'foo');
  t.is(object(bed, 'dst').getAttributeSync('a'), undefined);
  bed.commit((b) => b.remove(C, 'dst').moveRename(C, 'src', C, 'dst'));
  remount(bed);
  t.is(readText(bed, 'dst'), 'bar');
  t.is(textOf(object(bed, 'dst').getAttributeSync('a')), 'new');
  t.false(object(bed, 'src').existsSync());
});

test('MoveRename', scenario, (t, bed) => {
  bed.commit((b) => {
    b.createCollection('temp').createCollection(C).write(C, 'target', 0, 'old');
    b.write('temp', 'temp', 0, 'data').setAttribute('temp', 'temp', 'attr', 'value');
    b.mapSet('temp', 'temp', [['omap_key', 'omap value']]).mapSetHeader('temp', 'temp', 'header');
  });
  t.throws(() => bed.commit((b) => b.moveRename('temp', 'temp', C, 'target')), {
    code: 'E_EXISTS',
  });
  bed.commit((b) => b.remove(C, 'target').moveRename('temp', 'temp', C, 'target'));
  remount(bed);
  t.false(object(bed, 'temp', 'temp').existsSync());
  const target = object(bed, 'target');
  t.is(readText(bed, 'target'), 'data');
  t.is(textOf(target.getAttributeSync('attr')), 'value');
  t.is(textOf(target.mapGetSync('omap_key')), 'omap value');
  t.is(textOf(target.mapHeaderSync()), 'header');
});

test('TryMoveRename', inCollection, (t, bed) => {
  bed.commit((b) => b.tryRename(C, 'source', 'target'));
  t.false(object(bed, 'target').existsSync());
  bed.commit((b) => b.touch(C, 'source'));
  bed.commit((b) => b.tryRename(C, 'source', 'target'));
  t.throws(() => object(bed, 'source').statSync(), { code: 'E_NOT_FOUND' });
  t.is(object(bed, 'target').statSync().size, 0);
});

test('BigRGWObjectName', scenario, (t, bed) => {
  const name = 'default.4106.50_'.padEnd(1000, 'aaaaabbbbb');
  const id = { name, hash: 0x81920472, pool: 3 };
  const head = hashedName(id);
  const [old, older] = [17, 15].map((generation) => hashedName({ ...id, generation }));
  if (old === undefined || older === undefined) throw new TypeError('no names');
  bed.commit((b) => {
    b.createCollection(C, { order: 'hash' }).touch(C, head).moveRename(C, head, C, older);
    b.touch(C, head).moveRename(C, head, C, old);
  });
  bed.commit((b) => b.remove(C, older));
  remount(bed);
  const listed = listAll(bed.store.collection(C));
  t.is(listed.length, 1);
  t.true(bed.store.collection(C).object(old).existsSync());
  t.false(bed.store.collection(C).object(head).existsSync());
});

test('SimpleObjectLongnameTest', inCollection, (t, bed) => {
  const name = 'object aaaaaaaaaabbbbbbbbbb'.repeat(11);
  bed.commit((b) => b.touch(C, name));
  remount(bed);
  t.true(object(bed, name).existsSync());
  bed.commit((b) => b.remove(C, name));
  t.false(object(bed, name).existsSync());
});

test('LongnameSplitTest', inCollection, (t, bed) => {
  const base = 'a'.repeat(500);
  const idOf = (i: number) => ({ name: `${base}${i}`, hash: 0, pool: 0 });
  for (let i = 0; i < 320; i++) bed.commit((b) => b.touch(C, fullName(idOf(i))));
  const renamed = fullName({ ...idOf(3), generation: 0 });
  bed.commit((b) => b.moveRename(C, fullName(idOf(3)), C, renamed));
  remount(bed);
  t.true(object(bed, renamed).existsSync());
  t.is(bed.store.collection(C).statSync().objects, 320);
  removeEverything(bed);
});

test('SetAllocHint', inCollection, (t, bed) => {
  bed.commit((b) => b.touch(C, 'a').setAllocationHint(C, 'a', 4 * 2 ** 20, 2 ** 20));
  t.true(object(bed, 'a').existsSync());
  bed.commit((b) => b.remove(C, 'a').setAllocationHint(C, 'a', 4 * 2 ** 20, 2 ** 20));
  t.false(object(bed, 'a').existsSync());
});
