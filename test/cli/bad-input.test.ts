import {
  chmodSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { openDeviceSync } from '../../src/blockdev/open-device.js';
import { type Comparator, Store } from '../../src/index.js';
import { readSuperblocks, writeSuperblock } from '../../src/txn/superblock-slots.js';
import { makeLoopDevice } from '../support/temp-loop-device.js';
import { Bench, checkFailure, newBench, run } from './fixture.js';

/** Commands that open a store, to read and to write it. */
const READING = ['ls'];
const WRITING = ['attr', 'set'];

async function failsBoth(
  t: Parameters<typeof checkFailure>[0],
  store: string,
  line: RegExp,
  unprivileged = false,
): Promise<void> {
  checkFailure(t, await run([...READING, store], { unprivileged }), 1, line);
  const args = [...WRITING, store, 'c', 'name', 'value'];
  checkFailure(t, await run(args, { unprivileged }), 1, line);
}

test('a path at which nothing is', async (t) => {
  const bench = new Bench(t);
  await failsBoth(
    t,
    bench.path('none'),
    /no such file or directory; check the path, or make a store with mkfs/,
  );
  await failsBoth(t, bench.path('none/none'), /no such file or directory/);
  checkFailure(t, await run(['mkfs', bench.path('none/none')]), 1, /no such file or directory/);
  await bench.fails(8, /no such file/, 'fsck');
});

test('not a store', async (t) => {
  const bench = new Bench(t);
  writeFileSync(bench.store, 'hello, I am a text, and a long one '.repeat(10_000));
  await failsBoth(t, bench.store, /no valid superblock; check the path, or make a store with mkfs/);
  writeFileSync(bench.store, '');
  await failsBoth(t, bench.store, /no valid superblock/);
  await failsBoth(t, bench.directory, /it is a directory/);
  await failsBoth(t, '/dev/null', /neither a file nor a block device/);
  symlinkSync('circle', bench.path('circle'));
  await failsBoth(t, bench.path('circle'), /circle of symbolic links/);
});

test('mkfs refuses what holds anything, unless it is forced', async (t) => {
  const bench = new Bench(t);
  writeFileSync(bench.store, 'precious');
  await bench.fails(1, /it exists and is not empty; .*force/, 'mkfs', '--size', '96MiB');
  t.is(readFileSync(bench.store, 'utf8'), 'precious');
  await bench.ok('mkfs', '--size', '96MiB', '--force');
  await bench.okWith({ input: 'x' }, 'put', 'c', 'o', '-');
  await bench.fails(1, /it holds a Holdfast store; use .*force/, 'mkfs', '--size', '96MiB');
  t.is(await bench.ok('get', 'c', 'o'), 'x');
  checkFailure(t, await run(['mkfs', bench.directory, '--force']), 1, /it is a directory/);
});

test('mkfs refuses a block device that holds a store or something else', async (t) => {
  const loop = makeLoopDevice(64 * 1024 * 1024);
  if (typeof loop === 'string') {
    t.log(loop);
    t.pass();
    return;
  }
  t.teardown(() => loop.close());
  const { path } = loop;
  t.is((await run(['mkfs', path])).code, 0);
  t.is((await run(['put', path, 'c', 'o', '-'], { input: 'on a device' })).code, 0);
  checkFailure(t, await run(['mkfs', path]), 1, /it holds a Holdfast store; use .*force/);
  t.is((await run(['get', path, 'c', 'o'])).text, 'on a device');
  t.is((await run(['mkfs', path, '--force'])).code, 0);
  t.is((await run(['ls', path])).text, '');
  t.is((await run(['fsck', path, '--deep'])).code, 0);
});

test('too small', async (t) => {
  const bench = new Bench(t);
  await bench.fails(
    1,
    /bytes are too small, \d+ are needed; use a larger/,
    'mkfs',
    '--size',
    '64KiB',
  );
  t.throws(() => statSync(bench.store), { code: 'ENOENT' });
});

test('a store whose end is missing', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: Buffer.alloc(5_000_000, 1) }, 'put', 'c', 'o', '-');
  truncateSync(bench.store, 3_000_000);
  const before = readFileSync(bench.store);
  await failsBoth(t, bench.store, /; /);
  const { code } = await run(['fsck', bench.store]);
  t.is(code, 4);
  t.true(before.equals(readFileSync(bench.store)));
});

test('a store of a newer version', async (t) => {
  const bench = await newBench(t);
  const device = openDeviceSync(bench.store);
  const { newest } = runSync(readSuperblocks(device));
  runSync(writeSuperblock(device, { ...newest, number: newest.number + 1, incompat: 2 ** 30 }));
  device.closeSync();
  await failsBoth(t, bench.store, /features 0x[0-9a-f]+ are not known/);
  const { code } = await run(['fsck', bench.store]);
  t.is(code, 8);
});

test('a comparator that only a program knows', async (t) => {
  const bench = await newBench(t);
  const own: Comparator = {
    name: 'own-order',
    version: 1,
    compare: (a, aStart, aEnd, b, bStart, bEnd) =>
      Buffer.compare(a.subarray(aStart, aEnd), b.subarray(bStart, bEnd)),
  };
  const store = Store.openSync(bench.store, { comparators: [own] });
  const transaction = store.transaction().createCollection('c').touch('c', 'o');
  transaction.formatMap('c', 'o', { comparator: 'own-order' }).mapSet('c', 'o', [['k', 'v']]);
  store.commitSync(transaction);
  store.closeSync();
  t.is(await bench.ok('ls', 'c'), 'o\n');
  t.regex(await bench.ok('stat', 'c', 'o'), /^map order:.*own-order/m);
  await bench.fails(1, /own-order.*; /, 'map ls', 'c', 'o');
  await bench.fails(1, /own-order.*; /, 'map set', 'c', 'o', 'k', 'other');
});

test('no permission', async (t) => {
  const bench = await newBench(t);
  chmodSync(bench.store, 0o000);
  await failsBoth(t, bench.store, /permission denied; check its owner and mode/, true);
  chmodSync(bench.store, 0o444);
  const args = ['attr', 'set', bench.store, 'c', 'name', 'value'];
  checkFailure(t, await run(args, { unprivileged: true }), 1, /permission denied/);
  t.is((await run(['ls', bench.store], { unprivileged: true })).code, 0);
});

test('a second opener', async (t) => {
  const bench = await newBench(t);
  const store = Store.openSync(bench.store);
  const line = new RegExp(`process ${process.pid}.*has it open; close it there first`);
  await failsBoth(t, bench.store, line);
  await bench.fails(1, line, 'mkfs', '--force', '--size', '96MiB');
  await bench.fails(8, line, 'fsck');
  store.closeSync();
  t.is(await bench.ok('ls'), '');
});

test('device full', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  await bench.okWith({ input: 'kept' }, 'put', 'c', 'o', '-');
  const input = Buffer.alloc(40 * 1024 * 1024, 1);
  const full = /nothing is free and nothing is being freed; remove something/;
  await bench.failsWith({ input }, 1, full, 'put', 'c', 'large', '-');
  await bench.failsWith({ input }, 1, full, 'put', 'c', 'o', '-');
  t.is(await bench.ok('get', 'c', 'o'), 'kept');
  t.is(await bench.ok('ls', 'c'), 'o\n');
  await bench.okWith({ input: 'fits again' }, 'put', 'c', 'o', '-');
  await bench.ok('fsck', '--deep');
});

test('names and values over the limit', async (t) => {
  const bench = await newBench(t);
  const long = 'n'.repeat(4097);
  const limit = /4097 bytes exceed 4096/;
  await bench.failsWith({ input: 'x' }, 1, limit, 'put', long, 'o', '-');
  await bench.failsWith({ input: 'x' }, 1, limit, 'put', 'c', long, '-');
  await bench.okWith({ input: 'x' }, 'put', 'c', 'n'.repeat(4096), '-');
  await bench.fails(1, limit, 'attr set', 'c', 'n'.repeat(4096), long, 'v');
  await bench.fails(1, limit, 'map set', 'c', 'n'.repeat(4096), long, 'v');
  const input = Buffer.alloc(64 * 1024 * 1024 + 1);
  await bench.failsWith({ input }, 1, /exceed.* 67108864/, 'attr set', 'c', 'name', '-');
  t.is(await bench.ok('attr ls', 'c'), '');
});

test('files that cannot be read or written', async (t) => {
  const bench = await newBench(t);
  mkdirSync(bench.path('directory'));
  await bench.fails(1, /it is a directory; use import/, 'put', 'c', 'o', bench.path('directory'));
  await bench.fails(1, /no such file/, 'put', 'c', 'o', bench.path('none'));
  await bench.okWith({ input: 'x' }, 'put', 'c', 'o', '-');
  await bench.fails(1, /no such file/, 'get', 'c', 'o', bench.path('none/none'));
  await bench.fails(1, /directory/, 'get', 'c', 'o', bench.path('directory'));
  await bench.fails(1, /no such file/, 'import', 'c', bench.path('none'));
  await bench.fails(1, /not a directory; use put/, 'import', 'c', bench.store);
  await bench.fails(1, /Cannot find collection "none"/, 'export', 'none', bench.path('out'));
  t.throws(() => statSync(bench.path('out')), { code: 'ENOENT' });
});

test('objects that are not there', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: 'x' }, 'put', 'c', 'o', '-');
  for (const command of ['get', 'stat', 'attr ls', 'map ls']) {
    await bench.fails(1, /Cannot find object "none".*; ls shows/, command, 'c', 'none');
    await bench.fails(1, /Cannot find collection "none".*; ls shows/, command, 'none', 'o');
  }
  await bench.fails(1, /Cannot find collection "none"/, 'ls', 'none');
  await bench.fails(1, /Cannot find object "none"/, 'attr set', 'c', 'none', 'name', 'value');
  await bench.fails(1, /Cannot find object "none"/, 'map set', 'c', 'none', 'key', 'value');
});
