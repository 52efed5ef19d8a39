import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { COMMANDS } from '../../src/cli/commands.js';
import { Store } from '../../src/index.js';
import { Bench, checkFailure, newBench, run, start } from './fixture.js';

const MIB = 1024 * 1024;

/** Every byte value, as an argument escapes it. */
const ALL_BYTES = Array.from(
  { length: 256 },
  (_, byte) => `\\x${byte.toString(16).padStart(2, '0')}`,
).join('');

function bytes(size: number): Buffer {
  const made = Buffer.allocUnsafe(size);
  for (let i = 0; i < size; i++) made[i] = (i * 31 + (i >> 8)) & 0xff;
  return made;
}

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

test('mkfs makes a store and tells its figures', async (t) => {
  const bench = new Bench(t);
  const made = await bench.json<Record<string, unknown>>('mkfs', '--size', '96MiB', '--label', 'x');
  t.is(made['total'], 96 * MIB);
  t.is(made['blockSize'], 4096);
  const info = await bench.json<Record<string, unknown>>('info');
  t.is(info['label'], 'x');
  t.is(info['uuid'], made['uuid']);
  t.regex(await bench.ok('info'), /^block size:\s+4KiB$/m);
});

test('mkfs takes sizes of blocks, nodes and journal', async (t) => {
  const bench = new Bench(t);
  const sizes = ['--block-size', '8KiB', '--node-size', '16KiB', '--journal-size', '2MiB'];
  await bench.ok('mkfs', '--size', '256MiB', ...sizes);
  const info = await bench.json<Record<string, unknown>>('info');
  t.is(info['blockSize'], 8192);
  t.is(info['nodeSize'], 16384);
  t.is(info['journalBytes'], 2 * MIB);
});

test('mkfs keeps metadata twice where it is asked to', async (t) => {
  const bench = new Bench(t);
  await bench.fails(2, /only 1 or 2/, 'mkfs', '--size', '96MiB', '--metadata-copies', '3');
  await bench.fails(2, /metadata-copies/, 'mkfs', '--size', '96MiB', '--metadata-copies', 'two');
  await bench.ok('mkfs', '--size', '96MiB', '--metadata-copies', '2');
  t.is((await bench.json<Record<string, unknown>>('info'))['metadataCopies'], 2);
  t.regex(await bench.ok('info'), /^metadata copies:\s+2$/m);
});

test('df tells where the space is', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: bytes(100_000) }, 'put', 'c', 'o', '-');
  const df = await bench.json<Record<string, number>>('df');
  t.is(df['stored'], 100_000);
  t.is(df['objects'], 1);
  t.is(df['total'], 96 * MIB);
  t.regex(await bench.ok('df'), /^total:\s+96MiB$/m);
});

test('put and get give back the bytes of stdin', async (t) => {
  const bench = await newBench(t);
  for (const [name, data] of [
    ['empty', bytes(0)],
    ['small', bytes(10)],
    ['middle', bytes(100_000)],
    ['a piece', bytes(MIB)],
    ['a piece and a byte', bytes(MIB + 1)],
    ['large', bytes(5 * MIB + 12345)],
  ] as const) {
    await bench.okWith({ input: data }, 'put', 'c', name, '-');
    const { stdout } = await bench.okWith({}, 'get', 'c', name);
    t.is(digest(stdout), digest(data), name);
  }
  t.deepEqual((await bench.ok('ls')).trim().split('\n'), ['c']);
  await bench.ok('fsck', '--deep');
});

test('put and get give back the bytes of files', async (t) => {
  const bench = await newBench(t);
  const data = bytes(3 * MIB + 1);
  writeFileSync(bench.path('in'), data);
  t.regex(await bench.ok('put', 'c', 'o', bench.path('in')), /^Put 3.00MiB as o$/m);
  writeFileSync(bench.path('out'), 'what was there');
  await bench.ok('get', 'c', 'o', bench.path('out'));
  t.is(digest(readFileSync(bench.path('out'))), digest(data));
  t.deepEqual(readdirSync(bench.directory).sort(), ['in', 'out', 'store']);
});

test('get gives a part', async (t) => {
  const bench = await newBench(t);
  const data = bytes(3 * MIB);
  await bench.okWith({ input: data }, 'put', 'c', 'o', '-');
  const get = async (...range: string[]): Promise<Buffer> =>
    (await bench.okWith({}, 'get', 'c', 'o', ...range)).stdout;
  t.is(digest(await get('--offset', '2MiB')), digest(data.subarray(2 * MIB)));
  t.is(digest(await get('--offset=1000', '--length=3')), digest(data.subarray(1000, 1003)));
  t.is((await get('--length', '0')).length, 0);
  t.is((await get('--offset', '1GiB')).length, 0);
  await bench.fails(2, /size "-1"/, 'get', 'c', 'o', '--offset=-1');
});

test('put replaces the bytes and keeps attributes and map', async (t) => {
  const bench = await newBench(t);
  for (const size of [10, 3 * MIB, 2 * MIB, 5]) {
    await bench.okWith({ input: bytes(size) }, 'put', 'c', 'o', '-');
    if (size === 10) {
      await bench.ok('attr set', 'c', 'o', 'a', 'kept');
      await bench.ok('map set', 'c', 'o', 'k', 'kept too');
    }
    t.is(digest((await bench.okWith({}, 'get', 'c', 'o')).stdout), digest(bytes(size)));
    t.is(await bench.ok('attr get', 'c', 'o', 'a'), 'kept');
    t.is(await bench.ok('map get', 'c', 'o', 'k'), 'kept too');
  }
  await bench.ok('fsck', '--deep');
});

test('a put that is killed leaves what was there', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: 'old' }, 'put', 'c', 'o', '-');
  const child = start(['put', bench.store, 'c', 'o', '-']);
  child.stdin?.on('error', () => undefined); // it is killed while it reads
  child.stdin?.write(bytes(6 * MIB));
  await sleep(1500);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.on('close', resolve));
  t.is(await bench.ok('get', 'c', 'o'), 'old');
  await bench.okWith({ input: 'new' }, 'put', 'c', 'p', '-');
  t.is(await bench.ok('ls'), 'c\n');
  const df = await bench.json<Record<string, number>>('df');
  t.is(df['stored'], 6);
  await bench.ok('fsck', '--deep');
});

test('ls lists collections and objects in order', async (t) => {
  const bench = await newBench(t);
  for (const name of ['b', 'a', 'ab']) await bench.okWith({ input: name }, 'put', 'c', name, '-');
  await bench.okWith({ input: 'x' }, 'put', 'd', 'x', '-');
  t.is(await bench.ok('ls'), 'c\nd\n');
  t.is(await bench.ok('ls', 'c'), 'a\nab\nb\n');
  t.regex(await bench.ok('ls', 'c', '--long'), /^\s+2B\s+1 ab$/m);
  t.regex(await bench.ok('ls', '-l'), /^\s+4B\s+3 c$/m);
  const collections = await bench.json<{ name: string; objects: number }[]>('ls');
  t.deepEqual(
    collections.map(({ name, objects }) => [name, objects]),
    [
      ['c', 3],
      ['d', 1],
    ],
  );
  const objects = await bench.json<{ name: string; size: number; version: number }[]>('ls', 'c');
  t.deepEqual(objects[1], { name: 'ab', size: 2, version: 1 });
});

test('ls of an empty store is an empty list', async (t) => {
  const bench = await newBench(t);
  t.is(await bench.ok('ls'), '');
  t.deepEqual(await bench.json('ls'), []);
});

test('ls goes through more than a page', async (t) => {
  const bench = await newBench(t);
  const store = Store.openSync(bench.store);
  const transaction = store.transaction().createCollection('c');
  for (let i = 0; i < 2500; i++) transaction.touch('c', String(i).padStart(5, '0'));
  store.commitSync(transaction);
  store.closeSync();
  const lines = (await bench.ok('ls', 'c')).trim().split('\n');
  t.is(lines.length, 2500);
  t.is(lines.at(-1), '02499');
});

test('names, keys and values may hold every byte', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: 'data' }, 'put', ALL_BYTES, ALL_BYTES, '-');
  await bench.ok('attr set', ALL_BYTES, ALL_BYTES, ALL_BYTES, ALL_BYTES);
  await bench.ok('map set', ALL_BYTES, ALL_BYTES, ALL_BYTES, ALL_BYTES);
  t.is(await bench.ok('get', ALL_BYTES, ALL_BYTES), 'data');
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const printed = (await bench.ok('ls')).trimEnd();
  t.is(await bench.ok('get', printed, printed), 'data'); // what is printed can be given back
  t.false(/[^ -~\n]/.test(printed));
  const [listed] = await bench.json<{ name: string; nameBase64: string }[]>('ls', ALL_BYTES);
  t.is(listed?.nameBase64, every.toString('base64'));
  t.is(listed?.name, printed);
  for (const command of ['attr get', 'map get']) {
    const { stdout } = await bench.okWith({}, command, ALL_BYTES, ALL_BYTES, ALL_BYTES);
    t.true(stdout.equals(every));
  }
  const [entry] = await bench.json<Record<string, string>[]>('map ls', ALL_BYTES, ALL_BYTES);
  t.is(entry?.['keyBase64'], every.toString('base64'));
  t.is(entry?.['valueBase64'], every.toString('base64'));
});

test('names of UTF-8 are printed as they are', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: '' }, 'put', 'Tang', 'Blasentang ü 🌿', '-');
  t.is(await bench.ok('ls', 'Tang'), 'Blasentang ü 🌿\n');
  t.deepEqual(await bench.json('ls', 'Tang'), [{ name: 'Blasentang ü 🌿', size: 0, version: 1 }]);
});

test('attr works on objects and collections', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: '' }, 'put', 'c', 'o', '-');
  await bench.ok('attr set', 'c', 'o', 'color', 'brown');
  await bench.okWith({ input: bytes(100_000) }, 'attr set', 'c', 'o', 'large', '-');
  await bench.ok('attr set', 'c', 'state', 'clean');
  t.is(await bench.ok('attr get', 'c', 'o', 'color'), 'brown');
  t.is(await bench.ok('attr get', 'c', 'state'), 'clean');
  const { stdout } = await bench.okWith({}, 'attr get', 'c', 'o', 'large');
  t.true(stdout.equals(bytes(100_000)));
  t.is(await bench.ok('attr ls', 'c'), 'state\tclean\n');
  t.deepEqual(await bench.json('attr ls', 'c'), [{ name: 'state', value: 'clean' }]);
  t.deepEqual(await bench.json('attr get', 'c', 'o', 'color'), { name: 'color', value: 'brown' });
  await bench.ok('attr rm', 'c', 'o', 'large');
  t.is(await bench.ok('attr ls', 'c', 'o'), 'color\tbrown\n');
  await bench.ok('attr rm', 'c', 'state');
  t.is(await bench.ok('attr ls', 'c'), '');
  await bench.fails(1, /Cannot find attribute "state"; attr ls/, 'attr get', 'c', 'state');
  await bench.fails(1, /Cannot find attribute "none"; attr ls/, 'attr rm', 'c', 'o', 'none');
});

test('map works on an object', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: '' }, 'put', 'c', 'o', '-');
  for (let i = 0; i < 3; i++) await bench.ok('map set', 'c', 'o', `k${i}`, `v${i}`);
  await bench.ok('map set', 'c', 'o', '', 'the empty key');
  t.is(await bench.ok('map get', 'c', 'o', 'k1'), 'v1');
  t.is(await bench.ok('map get', 'c', 'o', ''), 'the empty key');
  await bench.ok('map rm', 'c', 'o', '');
  t.is(await bench.ok('map ls', 'c', 'o'), 'k0\tv0\nk1\tv1\nk2\tv2\n');
  await bench.ok('map rm', 'c', 'o', 'k1');
  t.deepEqual(await bench.json('map ls', 'c', 'o'), [
    { key: 'k0', value: 'v0' },
    { key: 'k2', value: 'v2' },
  ]);
  await bench.fails(1, /Cannot find key "k1"; map ls/, 'map get', 'c', 'o', 'k1');
  await bench.fails(1, /Cannot find key "k1"; map ls/, 'map rm', 'c', 'o', 'k1');
});

test('stat tells the figures of collections and objects', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: bytes(100_000) }, 'put', 'c', 'o', '-');
  const object = await bench.json<Record<string, unknown>>('stat', 'c', 'o');
  t.is(object['size'], 100_000);
  t.is(object['attributes'], 0);
  t.true((object['allocatedBytes'] as number) >= 100_000);
  const collection = await bench.json<Record<string, unknown>>('stat', 'c');
  t.is(collection['objects'], 1);
  t.is(collection['order'], 'name');
  t.regex(await bench.ok('stat', 'c', 'o'), /^size:\s+97.7KiB \(100000 bytes\)$/m);
});

test('clone makes independent objects and collections', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: 'first' }, 'put', 'c', 'o', '-');
  await bench.ok('attr set', 'c', 'o', 'a', '1');
  await bench.ok('clone', 'c', 'o', 'copy');
  await bench.ok('clone', 'c', 'd');
  await bench.okWith({ input: 'second' }, 'put', 'c', 'o', '-');
  t.is(await bench.ok('get', 'c', 'copy'), 'first');
  t.is(await bench.ok('get', 'd', 'o'), 'first');
  t.is(await bench.ok('attr get', 'd', 'copy', 'a'), '1');
  await bench.ok('clone', 'c', 'o', 'from-c', '--to-collection', 'd');
  t.is(await bench.ok('get', 'd', 'from-c'), 'second');
  await bench.fails(1, /collection "d": it exists already/, 'clone', 'c', 'd');
  await bench.fails(1, /Cannot find object "none"/, 'clone', 'c', 'none', 'x');
});

test('rm removes objects, all or none, and collections', async (t) => {
  const bench = await newBench(t);
  for (const name of ['1', '2', '3']) await bench.okWith({ input: '' }, 'put', 'c', name, '-');
  await bench.fails(1, /rm: /, 'rm', 'c', '1', 'none');
  t.is(await bench.ok('ls', 'c'), '1\n2\n3\n');
  await bench.ok('rm', 'c', '1', '2');
  t.is(await bench.ok('ls', 'c'), '3\n');
  await bench.ok('rm', 'c', 'none', '--force');
  await bench.fails(1, /it holds objects; use --recursive/, 'rm', 'c');
  t.deepEqual(await bench.json('rm', 'c', '--recursive'), {
    collection: 'c',
    removed: 1,
    transaction: 5,
  });
  await bench.fails(1, /no such collection; ls shows/, 'rm', 'c');
  t.is(await bench.ok('ls'), '');
});

test('objects of hash-ordered collections are found by their hash', async (t) => {
  const bench = await newBench(t);
  const store = Store.openSync(bench.store);
  const collection = store.transaction().createCollection('pg', { order: 'hash' });
  store.commitSync(collection.write('pg', { name: 'o', hash: 7 }, 0, 'seven'));
  store.closeSync();
  t.is(await bench.ok('get', 'pg', 'o', '--hash', '7'), 'seven');
  await bench.fails(1, /Cannot find object "o"/, 'get', 'pg', 'o', '--hash', '8');
  await bench.fails(2, /--hash "x"/, 'get', 'pg', 'o', '--hash', 'x');
  t.deepEqual(await bench.json('ls', 'pg'), [{ name: 'o', hash: 7, size: 5, version: 1 }]);
  await bench.ok('clone', 'pg', 'o', 'p', '--hash', '7');
  t.is(await bench.ok('ls', 'pg'), 'o\np\n');
});

test('a reader that goes away ends the command quietly', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: bytes(5 * MIB) }, 'put', 'c', 'o', '-');
  const child = start(['get', bench.store, 'c', 'o']);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdout?.once('data', () => child.stdout?.destroy());
  await new Promise((resolve) => child.on('close', resolve));
  t.is(stderr, '');
  t.true(existsSync(bench.store));
});

test('help is there for every command', async (t) => {
  const overall = await run(['--help']);
  t.is(overall.code, 0);
  const names = [...overall.text.matchAll(/^ {2}(\w+(?: (?:ls|get|set|rm))?) STORE/gm)];
  t.is(names.length, COMMANDS.length);
  for (const [, name = ''] of names) {
    const { code, text } = await run([...name.split(' '), '--help']);
    t.is(code, 0);
    t.true(text.startsWith(`Usage: holdfast ${name} STORE`), name);
    t.regex(text, /--json/);
  }
  t.regex((await run(['attr', '--help'])).text, /Usage: holdfast attr set/);
});

test('usage errors give 2 and one line', async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['frobnicate'], /no such command; there are mkfs,/],
    [['attr', 'frob', 's'], /no such command; there are attr ls,/],
    [['ls'], /STORE is missing; usage: holdfast ls STORE/],
    [['put', 's', 'c', 'o'], /FILE is missing/],
    [['df', 's', 'x'], /"x" is too much/],
    [['df', 's', '--frob'], /'--frob'.*see holdfast df --help/],
    [['mkfs', 's', '--size', '10MB'], /size "10MB": expected whole bytes from 0 on/],
    [['mkfs', 's', '--size', 'large'], /size "large"/],
    [['mkfs', 's', '--block-size', '3000'], /block size 3000/],
    [['get', 's', '', 'o'], /COLLECTION: it is empty/],
    [['get', 's', 'c', ''], /OBJECT: it is empty/],
    [['get', 's', 'c', '\\q'], /\\q is no escape/],
    [['get', 's', 'c', 'o', '--json'], /Cannot print JSON: stdout gets the bytes/],
  ];
  for (const [args, line] of cases) checkFailure(t, await run(args), 2, line);
  const nothing = await run([]);
  t.is(nothing.code, 2);
  t.false(existsSync('s'));
});
