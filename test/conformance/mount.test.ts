/** Conformance, 1: mounting and persistence. */

import test from 'ava';
import { C, filled, object, readText, remount, removeEverything, scenario } from './fixture.js';

test('Trivial', scenario, (t, bed) => {
  t.deepEqual(bed.store.listCollectionsSync(), []);
  t.is(bed.store.statfsSync().objects, 0);
});

test('TrivialRemount', scenario, (t, bed) => {
  bed.reopen();
  t.deepEqual(bed.store.listCollectionsSync(), []);
});

test('TrivialRemountFsck', scenario, (t, bed) => {
  bed.store.closeSync();
  bed.audit();
  bed.reopen();
  t.deepEqual(bed.store.listCollectionsSync(), []);
});

test('collect_metadata', scenario, (t, bed) => {
  const { label, formatVersion, blockSize, uuid } = bed.store.info();
  t.deepEqual(
    { label, formatVersion, blockSize },
    { label: '', formatVersion: 2, blockSize: 4096 },
  );
  t.regex(uuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

test('SimpleRemount', scenario, (t, bed) => {
  bed.commit((b) => b.createCollection(C).write(C, 'Object 1', 0, '1234512345'));
  remount(bed);
  bed.commit((b) => b.write(C, 'Object 2', 0, '1234512345'));
  t.is(readText(bed, 'Object 1'), '1234512345');
  t.is(readText(bed, 'Object 2'), '1234512345');
  bed.commit((b) => b.remove(C, 'Object 1').remove(C, 'Object 2').removeCollection(C));
  remount(bed);
  bed.commit((b) => b.createCollection(C));
  t.false(object(bed, 'Object 1').existsSync());
  bed.commit((b) => b.removeCollection(C));
});

test('IORemount', scenario, (t, bed) => {
  const names = Array.from({ length: 100 }, (_, i) => `Object ${i}`);
  bed.commit((b) => {
    b.createCollection(C);
    for (const name of names) b.write(C, name, 0, '1234512345');
  });
  for (const name of names) bed.commit((b) => b.write(C, name, 1, '1234512345'));
  remount(bed);
  for (const name of names) t.is(readText(bed, name), '11234512345');
  removeEverything(bed);
  t.is(bed.store.statfsSync().objects, 0);
});

test('UnprintableCharsName', scenario, (t, bed) => {
  const every = Uint8Array.from({ length: 256 }, (_, i) => i);
  const name = Buffer.concat([Buffer.from('funnychars_'), every]);
  bed.commit((b) => b.createCollection(C).touch(C, name));
  remount(bed);
  t.true(object(bed, name).existsSync());
  bed.commit((b) => b.remove(C, name).removeCollection(C));
  t.false(bed.store.collection(C).existsSync());
});

test('DeferredReplay', scenario, (t, bed) => {
  bed.commit((b) => b.createCollection(C).write(C, 'a', 0, filled('a', 8192)));
  bed.store.checkpointSync();
  bed.commit((b) => b.write(C, 'a', 100, 'small'));
  bed.kill();
  t.is(bed.store.recovery.replayed, 1);
  t.is(readText(bed, 'a', 99, 7), 'asmalla');
});

test('DeferredReplayInReadOnly', scenario, (t, bed) => {
  bed.commit((b) => b.createCollection(C).write(C, 'a', 0, filled('a', 8192)));
  bed.store.checkpointSync();
  bed.commit((b) => b.write(C, 'a', 100, 'small'));
  for (const readOnly of [true, true, false]) {
    bed.kill({ readOnly });
    t.is(readText(bed, 'a', 99, 7), 'asmalla', 'replayed, and kept for the next');
  }
});
