/** Options and arguments at their edges, and what --json gives. */

import { mkdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { Store } from '../../src/index.js';
import { checkFailure, newBench, run } from './fixture.js';

test('errors under --json are JSON with their code', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  const cases = [
    [1, 'E_NOT_FOUND', 'ls', bench.store, 'none', '--json'],
    [1, 'E_NOT_FOUND', 'ls', bench.path('none'), '--json'],
    [1, 'E_NOT_FOUND', 'put', bench.store, 'c', 'o', bench.path('none'), '--json'],
    [2, 'E_USAGE', 'get', bench.store, 'c', 'o', '--json'],
    [2, 'E_INVALID_ARGUMENT', 'mkfs', bench.path('new'), '--block-size', '3000', '--json'],
    [2, 'E_USAGE', 'frobnicate', '--json'],
    [16, 'E_USAGE', 'fsck', '--frob', '--json'],
  ] as const;
  for (const [code, error, ...args] of cases) {
    const result = await run(args);
    checkFailure(t, result, code, /^\{"error":/);
    t.is(JSON.parse(result.stderr).error.code, error);
  }
  t.regex((await run(['ls', bench.path('--json'), '--', '--json'])).stderr, /^holdfast ls: /);
});

test('writes tell in JSON where they wrote, and in which transaction', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  const input = 'bytes';
  const put = await bench.okWith({ input }, 'put', 'c', 'o', '-', '--json');
  const place = { collection: 'c', object: 'o' };
  t.deepEqual(JSON.parse(put.text), { ...place, size: 5, transaction: 1 });
  const attribute = { name: 'a', size: 1, transaction: 2 };
  t.deepEqual(await bench.json('attr set', 'c', 'o', 'a', 'v'), { ...place, ...attribute });
  const key = { key: 'k', size: 1, transaction: 3 };
  t.deepEqual(await bench.json('map set', 'c', 'o', 'k', 'v'), { ...place, ...key });
  t.deepEqual(await bench.json('map get', 'c', 'o', 'k'), { key: 'k', value: 'v' });
  const copy = { toCollection: 'c', to: 'p', transaction: 4 };
  t.deepEqual(await bench.json('clone', 'c', 'o', 'p'), { ...place, ...copy });
  t.deepEqual(await bench.json('rm', 'c', 'none', '--force'), { collection: 'c', removed: 0 });
  const removed = { collection: 'c', removed: 1, transaction: 5 };
  t.deepEqual(await bench.json('rm', 'c', 'p', 'p', 'none', '--force'), removed);
  const path = bench.path('out');
  const got = { path, offset: 1, length: 3, size: 5 };
  const range = ['--offset', '1', '--length', '3'];
  t.deepEqual(await bench.json('get', 'c', 'o', path, ...range), { ...place, ...got });
  t.is(readFileSync(path, 'utf8'), 'yte');
  await bench.fails(1, /object "none": it does not exist; ls shows/, 'rm', 'c', 'none');
});

test('options that would say nothing are refused', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  await bench.okWith({ input: 'x' }, 'put', 'c', 'o', '-');
  const without = /--to-collection: no OBJECT is named/;
  await bench.fails(2, without, 'clone', 'c', 'd', '--to-collection', 'none');
  await bench.fails(16, /--rebuild-superblock: it needs --repair/, 'fsck', '--rebuild-superblock');
  await bench.fails(2, /ordered by names; leave it out/, 'stat', 'c', 'o', '--hash', '1');
  await bench.fails(2, /no such collection; leave/, 'put', 'd', 'o', '/dev/null', '--hash', '1');
  for (const command of ['stat', 'rm', 'attr ls']) {
    await bench.fails(2, /--hash: no OBJECT is named/, command, 'c', '--hash', '1');
  }
  t.is(await bench.ok('ls'), 'c\n');
});

test('arguments that begin with a dash stand behind --', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  await bench.okWith({ input: 'x' }, 'put', 'c', 'o', '-');
  const hint = /'-5'.*an argument that begins with a dash stands behind --$/m;
  await bench.fails(2, hint, 'attr set', 'c', 'o', 'n', '-5');
  await bench.ok('attr set', 'c', 'o', '--', 'n', '-5');
  t.is(await bench.ok('attr get', 'c', 'o', 'n'), '-5');
  await bench.fails(
    2,
    /--offset has no value; if -1 is meant, write --offset=-1/,
    'get',
    'c',
    'o',
    '--offset',
    '-1',
  );
  t.regex((await run(['attr', 'set', '--help'])).text, /begin with a dash stand behind --/);
});

test('empty names are taken where the store has them', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  const store = Store.openSync(bench.store);
  const transaction = store.transaction().createCollection('pg', { order: 'hash' });
  transaction.write('pg', { name: '', hash: 7 }, 0, 'seven').createCollection('c');
  store.commitSync(transaction.setCollectionAttribute('c', '', 'of no name'));
  store.closeSync();
  t.is(await bench.ok('get', 'pg', '', '--hash', '7'), 'seven');
  await bench.ok('rm', 'pg', '', '--hash', '7');
  t.is(await bench.ok('ls', 'pg'), '');
  t.is(await bench.ok('attr get', 'c', ''), 'of no name');
  await bench.ok('attr rm', 'c', '');
  t.is(await bench.ok('attr ls', 'c'), '');
});

test('stat and info show order and header of a map, reservations and limits', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  const store = Store.openSync(bench.store);
  const transaction = store.transaction().createCollection('c').touch('c', 'o');
  transaction.formatMap('c', 'o', { comparator: 'reverse' }).mapSetHeader('c', 'o', 'header');
  transaction.mapSet('c', 'o', [['k', 'v']]);
  const units = { bytes: 4096, operations: 2, keys: 3 };
  store.commitSync(transaction.reserve('for later', units, 'somebody'));
  store.closeSync();
  const stat = await bench.json<Record<string, unknown>>('stat', 'c', 'o');
  t.deepEqual(stat['mapFormat'], { comparator: 'reverse', comparatorVersion: 1, keySize: 0 });
  t.is(stat['mapHeaderSize'], 6);
  t.regex(await bench.ok('stat', 'c', 'o'), /^map order:\s+reverse, version 1\nmap header:\s+6B$/m);
  const info = await bench.json<Record<string, unknown>>('info');
  t.is(info['total'], 24 * 1024 * 1024);
  t.deepEqual(info['features'], { compat: 0, roCompat: 0, incompat: 0 });
  t.like(info['reservations'], [{ name: 'for later', owner: 'somebody', ...units }]);
  const text = await bench.ok('info');
  t.regex(text, /^size limit:\s+24MiB$/m);
  t.regex(text, /^reservation:\s+for later of somebody: 4KiB, 2 operations, 3 keys, holds back/m);
});

test('help, version and a journal that is too small', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  const { version } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  );
  t.is((await run(['--version'])).text, `holdfast ${version}\n`);
  t.regex((await run(['help', 'mkfs'])).text, /^Usage: holdfast mkfs STORE/);
  t.regex((await run(['help', 'attr'])).text, /Usage: holdfast attr rm/);
  t.is((await run(['help', 'none'])).code, 2);
  const nothing = await run([]);
  t.is(nothing.text, '');
  t.regex(nothing.stderr, /^Usage: holdfast COMMAND/);
  mkdirSync(bench.path('other'));
  const made = await run([
    'mkfs',
    bench.path('small'),
    '--size',
    '24MiB',
    '--journal-size',
    '1KiB',
  ]);
  t.regex(made.text, /, with a journal of 256KiB\n$/);
});
