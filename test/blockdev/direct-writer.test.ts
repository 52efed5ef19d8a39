import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { type Descriptor, syncDataSync, writeFullySync } from '../../src/blockdev/descriptor-io.js';
import { DirectWriter } from '../../src/blockdev/direct-writer.js';
import { Prng } from '../support/prng.js';
import { temporaryPath } from '../support/temp-directory.js';

const PAGE = 4096;
const PAGES = 64;

function newFile(t: ExecutionContext): Descriptor {
  const path = temporaryPath(t);
  writeFileSync(path, new Uint8Array(PAGES * PAGE));
  return opened(t, path);
}

function opened(t: ExecutionContext, path: string): Descriptor {
  const fd = openSync(path, 'r+');
  t.teardown(() => closeSync(fd));
  return { fd, path };
}

function newWriter(t: ExecutionContext, file: Descriptor): DirectWriter {
  const writer = new DirectWriter(file);
  t.teardown(() => writer.close());
  return writer;
}

/** False, with a word about it, where the file system has no direct writes. */
function isDirect(t: ExecutionContext, writer: DirectWriter): boolean {
  if (writer.writeSync(0, [new Uint8Array(PAGE)])) return true;
  t.log('skipped: direct writes are refused here');
  t.pass();
  return false;
}

test('write() and writeSync() put their sources one behind the other', async (t) => {
  const file = newFile(t);
  const writer = newWriter(t, file);
  if (!isDirect(t, writer)) return;
  const bytes = new Prng(1).bytes(2 * PAGE);
  const sources = [bytes.subarray(0, 128), bytes.subarray(128, 5000), bytes.subarray(5000)];
  t.true(writer.writeSync(PAGE, sources));
  t.true(await writer.write(8 * PAGE, sources));
  const found = readFileSync(file.path);
  t.deepEqual(found.subarray(PAGE, 3 * PAGE), Buffer.from(bytes));
  t.deepEqual(found.subarray(8 * PAGE, 10 * PAGE), Buffer.from(bytes));
  t.true(found.subarray(3 * PAGE, 8 * PAGE).every((byte) => byte === 0));
});

test('write() called many times at once writes what each call gave it', async (t) => {
  const file = newFile(t);
  const writer = newWriter(t, file);
  if (!isDirect(t, writer)) return;
  const pages = Array.from({ length: PAGES }, (_, i) => new Uint8Array(PAGE).fill(i + 1));
  await Promise.all(pages.map((page, i) => writer.write(i * PAGE, [page])));
  const found = readFileSync(file.path);
  for (let i = 0; i < PAGES; i++) t.is(found[i * PAGE + 7], i + 1);
});

test('a place may be written again while it is being written', async (t) => {
  const file = newFile(t);
  const writer = newWriter(t, file);
  if (!isDirect(t, writer)) return;
  for (let i = 0; i < 100; i++) {
    const page = new Uint8Array(PAGE).fill(i);
    const [, before] = [writer.write(0, [new Uint8Array(PAGE)]), writer.write(PAGE, [page])];
    writer.writeSync(PAGE, [page]);
    await before;
  }
  t.notThrows(() => syncDataSync(file));
  t.is(readFileSync(file.path)[PAGE], 99);
});

test('what was in the page cache before does not come back', async (t) => {
  const file = newFile(t);
  const writer = newWriter(t, file);
  if (!isDirect(t, writer)) return;
  writeFullySync(file, PAGE, [new Uint8Array(PAGE).fill(1)]); // dirty, and read by others
  t.is(readFileSync(file.path)[PAGE], 1);
  writer.writeSync(PAGE, [new Uint8Array(PAGE).fill(2)]);
  syncDataSync(file);
  t.is(readFileSync(file.path)[PAGE], 2);
});

test('what is long, or not of whole pages, is left to others', async (t) => {
  const file = newFile(t);
  const writer = newWriter(t, file);
  for (const length of [512, PAGE - 1, 3 * PAGE + 512, 65 * PAGE]) {
    const bytes = new Uint8Array(length).fill(1);
    t.false(writer.writeSync(0, [bytes]), `${length} bytes`);
    t.false(await writer.write(0, [bytes]), `${length} bytes`);
  }
  t.false(writer.writeSync(512, [new Uint8Array(PAGE)]));
  t.true(readFileSync(file.path).every((byte) => byte === 0));
});

test('a descriptor without direct writes leaves all to others', async (t) => {
  const writer = newWriter(t, opened(t, '/dev/null'));
  t.false(writer.writeSync(0, [new Uint8Array(PAGE)]));
  t.false(await writer.write(0, [new Uint8Array(PAGE)]));
});

test('a failed write says where, and the next one is written', async (t) => {
  const path = temporaryPath(t);
  writeFileSync(path, new Uint8Array(PAGE));
  const fd = openSync(path, 'r+');
  const writer = newWriter(t, { fd, path });
  if (!isDirect(t, writer)) {
    closeSync(fd);
    return;
  }
  closeSync(fd);
  const beyond = 2 ** 52; // larger than a file can be
  t.throws(() => writer.writeSync(beyond, [new Uint8Array(PAGE)]), { code: 'E_IO' });
  await t.throwsAsync(writer.write(beyond, [new Uint8Array(PAGE)]), { code: 'E_IO' });
  t.true(await writer.write(0, [new Uint8Array(PAGE).fill(3)]));
  t.is(readFileSync(path)[0], 3);
});
