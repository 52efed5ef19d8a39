/** Pictures of devices: what they count, whatever the size, and how they are drawn. */

import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { openDeviceSync } from '../../src/blockdev/open-device.js';
import { htmlPicture } from '../../src/cli/picture/html.js';
import { SVG_CELLS_MAX, svgPicture } from '../../src/cli/picture/svg.js';
import { TEXT_CELLS_MAX, textPicture } from '../../src/cli/picture/text.js';
import { hasCode } from '../../src/errors.js';
import { ROLE } from '../../src/format/role.js';
import { mkfsOn, Store } from '../../src/index.js';
import { BLOCK_KINDS, type Cells } from '../../src/picture/cells.js';
import { gatherPicture, type ShownObject } from '../../src/picture/device-picture.js';
import { BY_LENGTH } from '../fsck/fixture.js';
import { Planter } from '../fsck/planter.js';
import { deepCopy } from '../fsck/repair-fixture.js';
import { again, agedStore } from '../resize/fixture.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { temporaryDirectory } from '../support/temp-directory.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const TIB = 1024 ** 4;

function usedBlocks(cells: Cells): number {
  const kinds = ['superblock', 'journal', 'metadata', 'data'] as const;
  return kinds.reduce((sum, kind) => sum + cells.total(kind), 0);
}

function gather(device: SimulatedDevice | MemoryDevice, object?: ShownObject) {
  const options = { cellsMax: 500, ...(object !== undefined && { object }) };
  return runSync(gatherPicture(device, options));
}

for (const geometry of [
  { unit: 0, width: 0 },
  { unit: 16 * KIB, width: 64 * KIB },
]) {
  test(`a picture accounts for every block, with stripes of ${geometry.width}`, (t) => {
    const device = agedStore({ bytes: 16 * MIB + 512, geometry, rounds: 15 });
    const object = { collection: Buffer.from('c'), name: Buffer.from('o12') };
    const picture = gather(again(device), object);
    const { cells, scan } = picture;
    const all = BLOCK_KINDS.reduce((sum, kind) => sum + cells.total(kind), 0);
    t.is(all, cells.blocks);
    for (let i = 0; i < cells.count; i++) {
      const counts = BLOCK_KINDS.map((kind) => cells.at(kind, i));
      t.true(counts.every((count) => count >= 0));
      t.is(
        counts.reduce((sum, count) => sum + count, 0),
        cells.sizeOf(i),
      );
    }
    const store = Store.openOnSync(again(device), { readOnly: true, comparators: [BY_LENGTH] });
    t.is(usedBlocks(cells) * 4096, store.statfsSync().allocated);
    const free = cells.total('freeLong') + cells.total('freeShort');
    t.is(
      scan.freeByLength.reduce((sum, blocks) => sum + blocks, 0),
      free,
    );
    const { size } = store.collection('c').object('o12').statSync();
    t.true((picture.object?.dataBlocks ?? 0) * 4096 >= size - 8 * KIB);
    t.is(
      cells.total('object'),
      (picture.object?.dataBlocks ?? 0) + (picture.object?.nodeBlocks ?? 0),
    );
    if (geometry.width > 0) {
      const { full = 0, partial = 0, free: whole = 0 } = scan.stripes ?? {};
      t.true(full > 0 && partial > 0 && whole > 0);
      t.true((full + partial + whole) * 16 <= cells.blocks);
    } else t.is(scan.stripes, undefined);
  });
}

test('limbo is what only the older superblock uses', (t) => {
  const device = new SimulatedDevice({ size: 16 * MIB });
  mkfsOn(device);
  const store = Store.openOnSync(device);
  store.commitSync(
    store.transaction().createCollection('c').write('c', 'o', 0, new Uint8Array(MIB)),
  );
  store.checkpointSync();
  t.true(gather(again(device)).cells.total('limbo') < 20);
  store.commitSync(store.transaction().remove('c', 'o'));
  t.is(gather(again(device)).pendingTransactions, 1);
  store.checkpointSync();
  const held = gather(again(device));
  t.is(held.pendingTransactions, 0);
  t.true(held.cells.total('limbo') >= MIB / 4096);
  store.commitSync(store.transaction().touch('c', 'other'));
  store.checkpointSync();
  t.true(gather(again(device)).cells.total('limbo') < 20);
  store.closeSync();
});

test('a picture of 8 TiB is gathered in the memory of one of 16 MiB', (t) => {
  const path = join(temporaryDirectory(t), 'sparse');
  writeFileSync(path, '');
  truncateSync(path, 8 * TIB);
  const made = openDeviceSync(path);
  mkfsOn(made, { journalBytes: MIB });
  made.closeSync();
  const store = Store.openSync(path);
  store.commitSync(
    store.transaction().createCollection('c').write('c', 'o', 0, new Uint8Array(MIB)),
  );
  store.closeSync();
  const device = openDeviceSync(path, { readOnly: true });
  const picture = runSync(gatherPicture(device, { cellsMax: SVG_CELLS_MAX }));
  device.closeSync();
  t.is(picture.cells.count, SVG_CELLS_MAX);
  t.is(picture.cells.cellBlocks * 4096, 2 * 1024 ** 3);
  const drawn = svgPicture(picture, { shown: undefined });
  t.regex(drawn, />4TiB</);
  t.regex(drawn, /allocation groups by fill/);
});

test('a damaged store is drawn, and what cannot be read is counted', (t) => {
  const device = deepCopy();
  t.is(gather(device).lost, 0);
  const planter = new Planter(device);
  planter.page(planter.nodes(ROLE.objects, 1)[0] as number).fill(0);
  planter.write();
  const picture = gather(device);
  t.is(picture.lost, 1);
  t.regex(textPicture(picture, undefined), /cannot be read: run fsck/);
  t.true(
    hasCode(
      t.throws(() => gather(new MemoryDevice({ size: MIB }))),
      'E_NOT_A_STORE',
    ),
  );
  const nobody = { collection: Buffer.from('c'), name: Buffer.from('nobody') };
  t.true(
    hasCode(
      t.throws(() => gather(deepCopy(), nobody)),
      'E_NOT_FOUND',
    ),
  );
});

test('names are only text in what is drawn', (t) => {
  const device = new SimulatedDevice({ size: 16 * MIB, path: '/tmp/<b>&"\u0001' });
  mkfsOn(device, { label: '<script>' });
  const picture = gather(device);
  for (const drawn of [
    svgPicture(picture, { shown: '</svg><script>' }),
    htmlPicture(picture, '</svg><script>'),
  ]) {
    t.false(drawn.includes('<script>') || drawn.includes('\u0001') || drawn.includes('<b>'));
  }
  const text = textPicture(runSync(gatherPicture(device, { cellsMax: TEXT_CELLS_MAX })), undefined);
  t.true(text.split('\n').every((line) => line.length <= 100));
});
