/**
 * The reading of a deep check: data is read about once, whatever the order in which its objects
 * are walked, and every chunk that is damaged is found.
 */

import test from 'ava';
import { runAsync, runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import type { Finding } from '../../src/fsck/finding.js';
import { fsck } from '../../src/fsck/fsck.js';
import { close, commit, newStore, open, registry } from './fixture.js';
import { flip } from './planter.js';

const MIB = 1024 * 1024;
const OBJECT_BYTES = 16 * 1024;

/** Counts what is read. */
class CountingDevice extends MemoryDevice {
  bytesRead = 0;

  override readSync(offset: number, target: Uint8Array): void {
    this.bytesRead += target.length;
    super.readSync(offset, target);
  }
}

/** Bytes of all objects: more than are gathered before some are read. */
const STORED = 40 * MIB;

/** A store of objects that are written in the order of their names, or in none. */
function filledStore(isOrdered: boolean): MemoryDevice {
  const device = newStore({ blockSize: 4096, nodeSize: 8192, size: 64 * MIB });
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  for (let at = 0; at < STORED / OBJECT_BYTES; at += 64) {
    commit(engine, (tx) => {
      for (let i = at; i < at + 64; i++) {
        const number = isOrdered ? i : Math.imul(i, 2_654_435_761) >>> 0;
        const data = new Uint8Array(OBJECT_BYTES).fill(i % 251);
        data.set(Buffer.from(`object ${i}.`));
        tx.write('c', String(number).padStart(10, '0'), 0, data);
      }
    });
  }
  close(engine);
  return device;
}

/** The same bytes, with a flipped one in some objects. */
function damaged(device: MemoryDevice, objects: readonly number[]): CountingDevice {
  const bytes = Buffer.alloc(device.size);
  device.readSync(0, bytes);
  for (const i of objects) flip(bytes, bytes.indexOf(`object ${i}.`) + 5000);
  const copy = new CountingDevice({ size: device.size });
  copy.writeSync(0, [bytes]);
  return copy;
}

const OBJECTS = [0, 7, 100, 1500, 1501, 2047, 2559];

for (const isOrdered of [true, false]) {
  const order = isOrdered ? 'the order of their names' : 'no order';
  const source = damaged(filledStore(isOrdered), OBJECTS);
  for (const [edge, run] of Object.entries({ runSync, runAsync })) {
    test(`fsck({ deep }) by ${edge}() reads objects written in ${order} once, and all`, async (t) => {
      const device = damaged(source, []);
      const found: Finding[] = [];
      const onFinding = (finding: Finding): unknown => found.push(finding);
      const options = { comparators: registry(), deep: true, onFinding };
      const report = await run(fsck(device, options));
      t.is(report.bytesVerified, STORED);
      t.true(device.bytesRead < 1.2 * STORED, `${device.bytesRead} bytes are read`);
      t.is(found.length, OBJECTS.length);
      for (const { code, objectOffset, objectLength, object } of found) {
        t.deepEqual([code, objectOffset, objectLength], ['data-damaged', 4096, 4096], object);
      }
    });
  }
}

test('a deep check reads what clones share once, and names each of them where that is damaged', async (t) => {
  const device = newStore({ blockSize: 4096, nodeSize: 8192, size: 64 * MIB });
  const engine = open(device);
  const data = new Uint8Array(MIB).fill(1);
  data.set(Buffer.from('shared by all'), 40_000);
  commit(engine, (tx) => tx.createCollection('c').write('c', 'o00', 0, data));
  const names = Array.from({ length: 50 }, (_, i) => `o${String(i).padStart(2, '0')}`);
  for (const name of names.slice(1)) {
    const own = new Uint8Array(5000).fill(Number(name.slice(1)));
    commit(engine, (tx) => tx.clone('c', 'o00', name).write('c', name, 500_000, own));
  }
  close(engine);
  const found: Finding[] = [];
  const onFinding = (finding: Finding): unknown => found.push(finding);
  const options = { comparators: registry(), deep: true, onFinding };
  const whole = damaged(device, []);
  const { bytesVerified, findings } = await runAsync(fsck(whole, options));
  t.is(findings.error, 0);
  t.true(bytesVerified < 3 * MIB, `${bytesVerified} bytes were verified`);

  const bytes = Buffer.alloc(device.size);
  device.readSync(0, bytes);
  flip(bytes, bytes.indexOf('shared by all'));
  device.writeSync(0, [bytes]);
  await runAsync(fsck(device, options));
  const named = found.map(({ object = '' }) => JSON.parse(object));
  t.deepEqual(named.toSorted(), names);
  t.deepEqual(new Set(found.map(({ code }) => code)), new Set(['data-damaged']));
});
