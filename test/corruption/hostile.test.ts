/**
 * Places and figures that no writer made, behind right checksums: what fuzzing has found, each by
 * itself. They are errors of the store's own, and nothing is allocated by them.
 */

import test from 'ava';
import { ByteWriter, setU48 } from '../../src/format/bytes.js';
import { writeHash } from '../../src/format/checksum.js';
import { RECORD } from '../../src/format/journal-record.js';
import { POINTER } from '../../src/format/pointer.js';
import { ROLE } from '../../src/format/role.js';
import { Store } from '../../src/store/store.js';
import { decodeTransactionRecords, encodeChoices } from '../../src/txn/transaction-record.js';
import { checkpoint, commit, deepStore, newStore, open } from '../fsck/fixture.js';
import { Planter } from '../fsck/planter.js';

/** Far behind the end of any device here. */
const FAR = 2 ** 40;

const CORRUPT = { code: 'E_CORRUPT' };

/** The third entry of the first leaf of the blob stream of the object `large`. */
function extentOf(planter: Planter): { leaf: number; value: Uint8Array } {
  const leaf = planter.nodes(ROLE.blob, 0)[0] as number;
  return { leaf, value: planter.entries(leaf)[2]?.value ?? new Uint8Array(0) };
}

test('a pointer to a node behind the end of the device is E_CORRUPT', async (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const branch = planter.nodes(ROLE.map, 1)[0] as number;
  const pointer = planter.entries(branch)[1]?.value ?? new Uint8Array(0);
  setU48(pointer, POINTER.address, FAR);
  planter.seal(branch);
  planter.write();
  const store = Store.openOnSync(device, { readOnly: true });
  const object = store.collection('c').object('map');
  t.throws(() => object.mapEntriesSync(), CORRUPT);
  await t.throwsAsync(object.mapEntries(), CORRUPT);
});

test('an extent behind the end of the device is E_CORRUPT', async (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const { leaf, value } = extentOf(planter);
  setU48(value, 7, FAR);
  planter.seal(leaf);
  planter.write();
  const object = Store.openOnSync(device, { readOnly: true }).collection('c').object('large');
  t.throws(() => object.readSync(), CORRUPT);
  await t.throwsAsync(object.read(), CORRUPT);
});

test('an extent that has other blocks than its chunks need is E_CORRUPT', (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const { leaf, value } = extentOf(planter);
  value[6] = 127;
  planter.seal(leaf);
  planter.write();
  const object = Store.openOnSync(device, { readOnly: true }).collection('c').object('large');
  t.throws(() => object.readSync(), { ...CORRUPT, message: /127 blocks, and should have/ });
});

test('a gap between the entries of an object is E_CORRUPT, and no zeros', (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const { leaf } = extentOf(planter);
  const key = planter.entries(leaf)[2]?.key ?? new Uint8Array(0);
  key[7] = (key[7] as number) + 1;
  planter.seal(leaf);
  planter.write();
  const object = Store.openOnSync(device, { readOnly: true }).collection('c').object('large');
  t.throws(() => object.readSync(), CORRUPT);
});

test('a journal record that claims blocks behind the end of the device is E_CORRUPT', (t) => {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  checkpoint(engine);
  commit(engine, (tx) => tx.write('c', 'o', 0, new Uint8Array(9000)));
  const planter = new Planter(device);
  const { image, superblock } = planter;
  const record = image.subarray(superblock.journalOffset + superblock.journalStart.head);
  const length = new DataView(record.buffer, record.byteOffset).getUint32(RECORD.bodyLength, true);
  const body = record.subarray(RECORD.size, RECORD.size + length);
  setU48(body, length - 7, FAR); // the last run of the last placement: address, blocks
  writeHash(record, RECORD.bodyChecksum, body, 0, length);
  writeHash(record, RECORD.checksum, record, RECORD.magic, RECORD.size);
  planter.write();
  t.throws(() => Store.openOnSync(device), { ...CORRUPT, message: /not free/ });
});

test('data of a journal record that is longer than its extents is E_CORRUPT', (t) => {
  const extent = { address: 7, blocks: 4, length: 4000, shift: 12, checksums: new Uint8Array(8) };
  const choices = { firstObject: 1, firstCollection: 1, placements: [] };
  const bodyOf = (length: number): Uint8Array => {
    const writer = new ByteWriter(64);
    writer.lengthPrefixed(Uint8Array.of(1, 2, 3));
    const tail = new Uint8Array(0);
    encodeChoices(writer, [{ length, extents: [extent], tail }], choices);
    return writer.copy();
  };
  t.is([...decodeTransactionRecords(bodyOf(4000))].length, 1);
  for (const length of [3999, 4001, 2 ** 40]) {
    t.throws(() => [...decodeTransactionRecords(bodyOf(length))], CORRUPT);
  }
});
