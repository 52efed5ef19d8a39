/** A file that grows on a host that is full: the answer is E_NO_SPACE, and nothing breaks. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { mkfsOn, mkfsSync, Store } from '../../src/index.js';
import { fsckFileFault } from '../support/crash-fsck.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { put, remove } from './fixture.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/** A small file system of the test's own, or the reason why there can't be one. */
function mountTmpfs(t: ExecutionContext, size: number): { path: string } | string {
  if (process.getuid?.() !== 0) return 'mounting needs root';
  const path = mkdtempSync(join(tmpdir(), 'holdfast-tmpfs-'));
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    remove();
    return `mount does not work: ${error instanceof Error ? error.message : String(error)}`;
  }
  t.teardown(() => {
    execFileSync('umount', [path], { stdio: 'pipe' });
    remove();
  });
  return { path };
}

/** Writes until the store is full, deletes, and writes again. */
function exercise(t: ExecutionContext, store: Store, prng: Prng): void {
  store.commitSync(store.transaction().createCollection('c'));
  let count = 0;
  while (put(store, `o${count}`, prng.bytes(200 * KiB))) count++;
  t.true(count > 10);
  for (let round = 0; round < 20; round++) {
    remove(store, `o${round % count}`);
    t.true(put(store, `o${round % count}`, prng.bytes(199 * KiB)), `round ${round}`);
  }
}

test('a full host is a full store', (t) => {
  t.timeout(60_000);
  const mounted = mountTmpfs(t, 24 * MiB);
  if (typeof mounted === 'string') {
    t.log(`skipped: ${mounted}`);
    t.pass();
    return;
  }
  const path = join(mounted.path, 'store');
  const ballast = join(mounted.path, 'ballast');
  writeFileSync(ballast, new Uint8Array(4 * MiB));
  mkfsSync(path, { size: 1024 * MiB, journalBytes: MiB });
  const store = Store.openSync(path, { dirtyBytes: 512 * KiB });
  exercise(t, store, new Prng(1));
  store.closeSync();
  t.is(fsckFileFault(path), undefined);

  // Room that the host gets later is taken by the store when it is opened again.
  unlinkSync(ballast);
  const before = statSync(path).size;
  const again = Store.openSync(path, { dirtyBytes: 512 * KiB });
  while (put(again, `more${again.statfsSync().objects}`, new Uint8Array(100 * KiB).fill(1)));
  again.closeSync();
  t.true(statSync(path).size > before);
  t.is(fsckFileFault(path), undefined);
});

test('a growth that fails once is no more than E_NO_SPACE, which says so', (t) => {
  const device = new SimulatedDevice({ size: 0, sizeMax: 64 * MiB, history: false });
  mkfsOn(device, { journalBytes: MiB });
  const store = Store.openOnSync(device, { dirtyBytes: 512 * KiB });
  device.faults.failAt({ kind: 'grow', n: 2, permanent: true });
  exercise(t, store, new Prng(2));
  const big = store.transaction().write('c', 'big', 0, new Uint8Array(40 * MiB));
  const refused = {
    code: 'E_NO_SPACE',
    message: /its file can't grow because the file system is full/,
  };
  t.throws(() => store.commitSync(big), refused);
  store.closeSync();
});
