/**
 * Files and directories beside the store: what get and put do to them, and what is said when the
 * host says no.
 */

import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import test from 'ava';
import { checkFailure, newBench, run, start } from './fixture.js';

test('no command reads or writes the store itself as a file beside it', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  const { store } = bench;
  await bench.okWith({ input: 'short' }, 'put', 'c', basename(store), '-');
  symlinkSync(store, bench.path('link'));
  linkSync(store, bench.path('hard link'));
  const refused = /it is the store itself/;
  await bench.fails(1, refused, 'get', 'c', basename(store), bench.path('hard link'));
  await bench.fails(1, refused, 'get', 'c', basename(store), bench.path('link'));
  await bench.fails(1, refused, 'put', 'c', 'copy', store);
  await bench.fails(1, refused, 'map', '--svg', '--output', store);
  const exported = await run(['export', store, 'c', dirname(store), '--force']);
  t.is(exported.code, 1);
  t.regex(exported.stderr, /the store itself is in its place/);
  await bench.ok('fsck', '--deep');
});

test('get through a symlink replaces the file behind it, and keeps its mode', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  await bench.okWith({ input: 'short' }, 'put', 'c', 'o', '-');
  mkdirSync(bench.path('elsewhere'));
  const target = bench.path('elsewhere/file');
  writeFileSync(target, 'something that is longer', { mode: 0o600 });
  symlinkSync('elsewhere/file', bench.path('link'));
  symlinkSync('link', bench.path('link to link'));
  await bench.ok('get', 'c', 'o', bench.path('link to link'));
  t.is(readFileSync(target, 'utf8'), 'short');
  t.is(statSync(target).mode & 0o777, 0o600);
  t.true(lstatSync(bench.path('link to link')).isSymbolicLink());
  t.deepEqual(readdirSync(bench.path('elsewhere')), ['file']);

  symlinkSync('elsewhere/new', bench.path('dangling'));
  await bench.ok('get', 'c', 'o', bench.path('dangling'));
  t.is(readFileSync(bench.path('elsewhere/new'), 'utf8'), 'short');

  const longest = join(bench.directory, 'n'.repeat(255));
  await bench.ok('get', 'c', 'o', longest);
  t.is(readFileSync(longest, 'utf8'), 'short');
  symlinkSync('circle', bench.path('circle'));
  await bench.fails(
    1,
    /Cannot write .*circle: .*; choose another path/,
    'get',
    'c',
    'o',
    bench.path('circle'),
  );
});

test('a get that fails leaves the file as it was, and nothing beside it', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  await bench.okWith({ input: 'bytes' }, 'put', 'c', 'o', '-');
  mkdirSync(bench.path('closed'));
  writeFileSync(bench.path('closed/file'), 'old');
  chmodSync(bench.path('closed'), 0o555);
  const args = ['get', bench.store, 'c', 'o', bench.path('closed/file')];
  const refused = await run(args, { unprivileged: true });
  checkFailure(t, refused, 1, /permission denied; check its owner and mode, and those of its dir/);
  t.is(readFileSync(bench.path('closed/file'), 'utf8'), 'old');
  t.deepEqual(readdirSync(bench.path('closed')), ['file']);
});

test('a put that fails makes no collection', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  const input = Buffer.alloc(3 * 1024 * 1024, 1);
  const long = 'n'.repeat(4097);
  await bench.failsWith({ input }, 1, /4097 bytes exceed 4096/, 'put', 'new', long, '-');
  await bench.fails(1, /Cannot read \/proc\/self\/mem/, 'put', 'new', 'o', '/proc/self/mem');
  await bench.failsWith(
    { input: Buffer.alloc(30 * 1024 * 1024) },
    1,
    /nothing is free/,
    'put',
    'new',
    'o',
    '-',
  );
  t.is(await bench.ok('ls'), '');
  await bench.okWith({ input }, 'put', 'new', 'o', '-');
  t.is((await bench.json<{ size: number }>('stat', 'new', 'o')).size, input.length);
});

test('output that cannot be written is one line, not a stack', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  await bench.okWith({ input: 'bytes' }, 'put', 'c', 'o', '-');
  for (const [code, ...args] of [
    [1, 'ls', bench.store],
    [1, 'get', bench.store, 'c', 'o'],
    [1, 'ls', bench.store, '--json'],
    [8, 'fsck', bench.store],
  ] as const) {
    const child = start(args, {}, openSync('/dev/full', 'w'));
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    t.is(await new Promise((resolve) => child.on('close', resolve)), code);
    t.regex(stderr, /Cannot write to stdout: no space left on device; [^\n]*\n$/);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
  }
});

test('what is wrong with a path is told with advice that fits it', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  const none = bench.path('none');
  await bench.fails(1, /none: no such file or directory; check the path$/m, 'put', 'c', 'o', none);
  await bench.fails(1, /none: no such file or directory; check the path$/m, 'import', 'c', none);
  await bench.okWith({ input: 'x' }, 'put', 'c', 'o', '-');
  const long = bench.path('n'.repeat(256));
  await bench.fails(1, /name too long; choose another path/, 'get', 'c', 'o', long);
  const store = /no such file or directory; check the path, or make a store with mkfs$/m;
  checkFailure(t, await run(['fsck', none]), 8, store);
  checkFailure(t, await run(['scrub', none]), 8, store);
  const made = await run(['mkfs', join(none, 'x')]);
  checkFailure(t, made, 1, /no such file or directory; make its directory first/);
});

test('export below a directory that cannot be written says why', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  await bench.okWith({ input: 'x' }, 'put', 'c', 'o', '-');
  writeFileSync(bench.path('file'), '');
  await bench.fails(
    1,
    /Cannot export .*not a directory/,
    'export',
    'c',
    bench.path('file/below/it'),
  );
  await bench.fails(
    1,
    /Cannot export .*exists; choose another path/,
    'export',
    'c',
    bench.path('file'),
  );
  const out = bench.path('out/deep/deeper');
  await bench.ok('export', 'c', out);
  t.is(readFileSync(join(out, 'o'), 'utf8'), 'x');
});
