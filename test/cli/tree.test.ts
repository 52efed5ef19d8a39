import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Store } from '../../src/index.js';
import { type Bench, checkFailure, newBench, run, start } from './fixture.js';

const MIB = 1024 * 1024;

function bytes(size: number, seed = 0): Buffer {
  const made = Buffer.allocUnsafe(size);
  for (let i = 0; i < size; i++) made[i] = (i * 31 + (i >> 8) + seed) & 0xff;
  return made;
}

/** A tree with everything that an import may meet. */
function makeTree(top: string): void {
  const at = (name: string): string => join(top, name);
  mkdirSync(at('empty/deep/deeper'), { recursive: true });
  mkdirSync(at('a'));
  for (const [name, size] of [
    ['empty file', 0],
    ['a/one byte', 1],
    ['a/inline', 500],
    ['a/small', 20_000],
    ['a.txt', 40_000],
    ['a/block', 4096],
    ['a/large', 3 * MIB + 17],
    ['a/piece', MIB],
    ['ü 🌿', 3],
    ['new\nline\\and backslash', 5],
  ] as const) {
    writeFileSync(at(name), bytes(size));
  }
  // Every byte that a file system takes in a name: all but zero and the slash.
  for (let byte = 1; byte < 256; byte++) {
    if (byte === 0x2f || byte === 0x2e) continue;
    writeFileSync(Buffer.concat([Buffer.from(at('a/')), Buffer.of(byte)]), bytes(10, byte));
  }
  symlinkSync('a/small', at('link'));
  symlinkSync('/nowhere/at all', at('a/dangling'));
  symlinkSync('../..', at('a/upwards'));
  chmodSync(at('a/one byte'), 0o400);
  chmodSync(at('a/small'), 0o755);
  chmodSync(at('a/block'), 0o666);
  utimesSync(at('a/small'), 1_000_000_000.123456, 1_000_000_000.123456);
  utimesSync(at('a/block'), new Date(-1_000_500), new Date(-1_000_500));
  lutimesSync(at('link'), 1_100_000_000, 1_100_000_000);
  utimesSync(at('empty/deep'), 1_200_000_000, 1_200_000_000);
  chmodSync(at('empty/deep'), 0o555);
  chmodSync(top, 0o750);
}

/** What there is to know about a file. */
interface Facts {
  readonly text: string;
  readonly mtimeNs: bigint;
}

/** What there is to know about a tree, by its names. */
function describe(top: Buffer, name = Buffer.alloc(0)): Map<string, Facts> {
  const found = new Map<string, Facts>();
  const path = Buffer.concat([top, Buffer.from('/'), name]);
  const stats = lstatSync(path, { bigint: true });
  let text = stats.mode.toString(8);
  if (stats.isSymbolicLink()) text += ` to ${readlinkSync(path)}`;
  if (stats.isFile()) text += ` ${stats.size} ${digest(readFileSync(path))}`;
  found.set(name.toString('latin1'), { text, mtimeNs: stats.mtimeNs });
  if (!stats.isDirectory()) return found;
  for (const entry of readdirSync(path, { encoding: 'buffer' })) {
    const below = name.length === 0 ? entry : Buffer.concat([name, Buffer.from('/'), entry]);
    for (const [one, facts] of describe(top, below)) found.set(one, facts);
  }
  return found;
}

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex').slice(0, 16);
}

/** What differs; times may by a microsecond, which is how finely they can be set. */
function differences(a: string, b: string): string[] {
  const left = describe(Buffer.from(a));
  const right = describe(Buffer.from(b));
  return [...new Set([...left.keys(), ...right.keys()])].flatMap((key) => {
    const [one, two] = [left.get(key), right.get(key)];
    if (one === undefined || two === undefined) return [`${key} is in one only`];
    const apart = one.mtimeNs - two.mtimeNs;
    if (one.text === two.text && apart < 1000n && apart > -1000n) return [];
    return [`${key}: ${one.text} ${one.mtimeNs}, ${two.text} ${two.mtimeNs}`];
  });
}

interface Summary {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly bytes: number;
  readonly unchanged: number;
  readonly removed: number;
  readonly skipped: number;
}

async function treeBench(
  t: Parameters<typeof newBench>[0],
): Promise<{ bench: Bench; tree: string }> {
  const bench = await newBench(t);
  const tree = bench.path('tree');
  mkdirSync(tree);
  makeTree(tree);
  t.teardown(() => chmodSync(join(tree, 'empty/deep'), 0o755));
  return { bench, tree };
}

test('import and export give back an equal tree', async (t) => {
  const { bench, tree } = await treeBench(t);
  const imported = await bench.json<Summary>('import', 'c', tree);
  t.is(imported.files, 263);
  t.is(imported.directories, 4);
  t.is(imported.symlinks, 3);
  t.is(imported.skipped, 0);
  const out = bench.path('out');
  const exported = await bench.json<Summary>('export', 'c', out);
  t.teardown(() => chmodSync(join(out, 'empty/deep'), 0o755));
  t.is(exported.files, imported.files);
  t.is(exported.bytes, imported.bytes);
  t.deepEqual(differences(tree, out), []);
  t.is(await bench.ok('attr get', 'c', 'a/small', 'file.mode'), '100755');
  t.is(await bench.ok('attr get', 'c', 'link', 'file.target'), 'a/small');
  t.regex(await bench.ok('attr get', 'c', 'a/block', 'file.mtime'), /^-1001\.5/);
  t.is(await bench.ok('ls'), 'c\n');
  await bench.ok('fsck', '--deep');
});

test('import leaves alone what is stored, and takes what changed', async (t) => {
  const { bench, tree } = await treeBench(t);
  const first = await bench.json<Summary>('import', 'c', tree);
  const again = await bench.json<Summary>('import', 'c', tree);
  t.is(again.unchanged, first.files + first.directories + first.symlinks);
  t.is(again.files + again.directories + again.symlinks, 0);
  writeFileSync(join(tree, 'a/small'), bytes(20_001, 5));
  chmodSync(join(tree, 'a/block'), 0o600);
  utimesSync(join(tree, 'a.txt'), 5, 5);
  rmSync(join(tree, 'link'));
  writeFileSync(join(tree, 'link'), 'a file now');
  rmSync(join(tree, 'a/large'));
  symlinkSync('a link now', join(tree, 'a/large'));
  rmSync(join(tree, 'empty file'));
  const changed = await bench.json<Summary>('import', 'c', tree);
  t.is(changed.files, 4);
  t.is(changed.symlinks, 1);
  t.is(changed.removed, 0);
  t.is(await bench.ok('get', 'c', 'empty file'), '');
  const removed = await bench.json<Summary>('import', 'c', tree, '--delete');
  t.is(removed.removed, 1);
  const out = bench.path('out');
  await bench.ok('export', 'c', out);
  t.teardown(() => chmodSync(join(out, 'empty/deep'), 0o755));
  t.deepEqual(differences(tree, out), []);
  await bench.ok('fsck', '--deep');
});

test('an import that is killed goes on where it was', async (t) => {
  const bench = await newBench(t, '--size', '512MiB');
  const tree = bench.path('tree');
  mkdirSync(tree);
  for (let d = 0; d < 20; d++) {
    mkdirSync(join(tree, `${d}`));
    for (let f = 0; f < 100; f++) writeFileSync(join(tree, `${d}/${f}`), bytes(f * 300, d));
  }
  writeFileSync(join(tree, '9/large'), bytes(30 * MIB));
  let stored = 0;
  for (const delay of [400, 600, 800]) {
    const child = start(['import', bench.store, 'c', tree]);
    await sleep(delay);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.on('close', resolve));
    const { objects } = await bench.json<{ objects: number }>('df');
    t.true(objects >= stored);
    stored = objects;
    const large = await run(['stat', bench.store, 'c', '9/large', '--json']);
    if (large.code === 0) t.is((JSON.parse(large.text) as { size: number }).size, 30 * MIB);
  }
  const last = await bench.json<Summary>('import', 'c', tree);
  t.is(last.unchanged + last.files + last.directories, 2021);
  const out = bench.path('out');
  await bench.ok('export', 'c', out);
  t.deepEqual(differences(tree, out), []);
  t.is(await bench.ok('ls'), 'c\n');
  await bench.ok('fsck', '--deep');
});

test('import passes over what it cannot store, and says so', async (t) => {
  const { bench, tree } = await treeBench(t);
  writeFileSync(join(tree, 'secret'), 'x');
  chmodSync(join(tree, 'secret'), 0);
  chmodSync(tree, 0o755);
  chmodSync(bench.store, 0o666);
  chmodSync(bench.directory, 0o777);
  const result = await run(['import', bench.store, 'c', tree, '--json'], { unprivileged: true });
  t.is(result.code, 1);
  t.regex(result.stderr, /Cannot import .*secret: permission denied/);
  const summary = JSON.parse(result.text) as Summary;
  t.is(summary.skipped, 2); // and the file of mode 400
  t.is(summary.files, 262);
});

test('import of a directory with its own store leaves the store out', async (t) => {
  const bench = await newBench(t);
  writeFileSync(bench.path('file'), 'x');
  const result = await run(['import', bench.store, 'c', bench.directory]);
  t.is(result.code, 0);
  t.regex(result.stderr, /Left out .*store: it is the store itself/);
  t.regex(await bench.ok('ls', 'c'), /^file\n(store\.owner\n)?$/m);
});

test('export never leaves its directory', async (t) => {
  const bench = await newBench(t);
  const store = Store.openSync(bench.store);
  const outside = bench.path('outside');
  mkdirSync(outside);
  const transaction = store.transaction().createCollection('c');
  for (const name of [
    '../up',
    '/abs',
    'a/../../up',
    './dot',
    'a//b',
    'a/',
    'zero\0byte',
    '..',
    '.',
  ]) {
    transaction.write('c', name, 0, 'evil');
  }
  transaction.touch('c', 'link').setAttribute('c', 'link', 'file.mode', '120777');
  transaction.setAttribute('c', 'link', 'file.target', outside);
  transaction.write('c', 'link/inside', 0, 'evil');
  transaction.write('c', 'plain', 0, 'a file').write('c', 'plain/below', 0, 'evil');
  transaction.touch('c', 'untargeted').setAttribute('c', 'untargeted', 'file.mode', '120777');
  transaction.touch('c', 'device').setAttribute('c', 'device', 'file.mode', '60644');
  transaction.write('c', 'setuid', 0, 'x').setAttribute('c', 'setuid', 'file.mode', '104755');
  store.commitSync(transaction);
  store.closeSync();
  const out = bench.path('out');
  const result = await run(['export', bench.store, 'c', out, '--json']);
  t.is(result.code, 1);
  const summary = JSON.parse(result.text) as Summary;
  t.is(summary.skipped, 13);
  t.is(result.stderr.trimEnd().split('\n').length, 13);
  t.regex(result.stderr, /Cannot export link\/inside: .*out\/link is a symlink/);
  t.regex(result.stderr, /Cannot export \.\.\/up: .* it has a part \.\./);
  t.deepEqual(readdirSync(outside), []);
  t.deepEqual(readdirSync(bench.directory).sort(), ['out', 'outside', 'store']);
  t.deepEqual(readdirSync(out).sort(), ['link', 'plain', 'setuid']);
  t.is(lstatSync(join(out, 'setuid')).mode & 0o7777, 0o755);
});

test('export refuses a directory that holds something, and replaces files when forced', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: 'from the store' }, 'put', 'c', 'file', '-');
  await bench.okWith({ input: 'through a link' }, 'put', 'c', 'victim', '-');
  await bench.okWith({ input: 'behind a link' }, 'put', 'c', 'sub/file', '-');
  const out = bench.path('out');
  const outside = bench.path('outside');
  mkdirSync(out);
  mkdirSync(outside);
  writeFileSync(join(out, 'file'), 'old');
  writeFileSync(bench.path('precious'), 'precious');
  symlinkSync(bench.path('precious'), join(out, 'victim'));
  symlinkSync(outside, join(out, 'sub'));
  await bench.fails(1, /it is not empty; .*--force/, 'export', 'c', out);
  t.is(readFileSync(join(out, 'file'), 'utf8'), 'old');
  const result = await run(['export', bench.store, 'c', out, '--force']);
  t.is(result.code, 1);
  t.regex(result.stderr, /^holdfast export: Cannot export sub\/file: .* is a symlink$/m);
  t.is(readFileSync(join(out, 'file'), 'utf8'), 'from the store');
  t.is(readFileSync(join(out, 'victim'), 'utf8'), 'through a link');
  t.is(readFileSync(bench.path('precious'), 'utf8'), 'precious');
  t.false(existsSync(join(outside, 'file')));
});

test('fsck finds damaged data when it looks deep', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: bytes(100_000) }, 'put', 'c', 'o', '-');
  const store = Store.openSync(bench.store, { readOnly: true });
  const [extent] = store.collection('c').object('o').extentsSync();
  store.closeSync();
  const image = readFileSync(bench.store);
  const at = extent?.deviceOffset ?? 0;
  image[at] = (image[at] ?? 0) ^ 1;
  writeFileSync(bench.store, image);
  await bench.ok('fsck');
  const deep = await run(['fsck', bench.store, '--deep']);
  t.is(deep.code, 4);
  t.regex(deep.text, new RegExp(`^error data-damaged at ${at} .*"?c"?.*"?o"?`, 'm'));
  const json = await run(['fsck', bench.store, '--deep', '--json']);
  t.is(json.code, 4);
  const report = JSON.parse(json.text) as { clean: boolean; findings: { code: string }[] };
  t.false(report.clean);
  t.is(report.findings[0]?.code, 'data-damaged');
  await bench.fails(1, /checksum.*; run fsck/, 'get', 'c', 'o', bench.path('out'));
  t.false(existsSync(bench.path('out')));
});

test('fsck has the exit codes of fsck(8)', async (t) => {
  const bench = await newBench(t);
  const clean = await bench.json<{ clean: boolean; findings: unknown[] }>('fsck');
  t.true(clean.clean);
  t.deepEqual(clean.findings, []);
  checkFailure(t, await run(['fsck']), 16, /STORE is missing/);
  checkFailure(t, await run(['fsck', bench.store, '--frob']), 16, /'--frob'/);
  checkFailure(t, await run(['fsck', bench.path('none')]), 8, /no such file/);
  writeFileSync(bench.store, 'no store '.repeat(1000));
  t.is((await run(['fsck', bench.store])).code, 8);
});
