/**
 * `holdfast scrub`: what it prints, and its exit codes.
 */

import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import test from 'ava';
import { Store } from '../../src/index.js';
import { newBench, run } from './fixture.js';

interface Report {
  readonly clean: boolean;
  readonly isComplete: boolean;
  readonly objects: number;
  readonly errors: number;
  readonly findings: readonly { readonly code: string; readonly object?: string }[];
}

/** Changes a byte of an object of the store, behind its back. */
function damage(path: string, collection: string, object: string): number {
  const store = Store.openSync(path, { readOnly: true });
  const [extent] = store.collection(collection).object(object).extentsSync();
  store.closeSync();
  const offset = extent?.deviceOffset ?? -1;
  const fd = openSync(path, 'r+');
  const byte = new Uint8Array(1);
  readSync(fd, byte, 0, 1, offset);
  writeSync(fd, Uint8Array.of(~(byte[0] as number)), 0, 1, offset);
  closeSync(fd);
  return offset;
}

test('scrub of a clean store ends with 0, of a damaged one with 4 and a line for each place', async (t) => {
  const bench = await newBench(t);
  for (const name of ['one', 'two']) {
    await bench.okWith({ input: name.repeat(9000) }, 'put', 'c', name, '-');
  }
  t.regex(await bench.ok('scrub'), /: clean; 1 collections, 2 objects, \d+ nodes, .* read; /);
  const report = await bench.json<Report>('scrub', '--rate', '1GiB/s');
  t.like(report, { clean: true, isComplete: true, objects: 2, errors: 0, findings: [] });
  const offset = damage(bench.store, 'c', 'two');
  const { code, text, stderr } = await run(['scrub', bench.store]);
  t.is(code, 4);
  t.is(stderr, '');
  const [line = '', account = ''] = text.split('\n');
  const where = `at ${offset} in blob of collection "c", object "two"`;
  t.is(line, `error data-damaged ${where}: Bytes [0, 4096) differ from their checksum`);
  t.regex(account, /: 1 errors; 1 collections, 2 objects/);
  const json = await run(['scrub', bench.store, '--json']);
  t.is(json.code, 4);
  const damaged = JSON.parse(json.text) as Report;
  t.like(damaged, { clean: false, errors: 1 });
  t.like(damaged.findings[0], { code: 'data-damaged', object: '"two"', objectOffset: 0 });
});

test('scrub goes on from a position, and refuses what is none', async (t) => {
  const bench = await newBench(t);
  await bench.okWith({ input: 'first' }, 'put', 'c', 'one', '-');
  await bench.okWith({ input: 'second' }, 'put', 'd', 'two', '-');
  const from = `1.100.1-${Buffer.from('d').toString('hex')}`;
  const report = await bench.json<Report>('scrub', '--from', from);
  t.like(report, { clean: true, collections: 1, objects: 1 });
  await bench.fails(
    16,
    /Cannot go on with scrub from "here": it is no position/,
    'scrub',
    '--from',
    'here',
  );
  await bench.fails(16, /Cannot read size "fast"/, 'scrub', '--rate', 'fast');
});

test('scrub of what is no store ends with 8', async (t) => {
  const bench = await newBench(t);
  const other = bench.path('other');
  writeFileSync(other, 'no store at all');
  t.is((await run(['scrub', other])).code, 8);
  t.is((await run(['scrub', bench.path('missing')])).code, 8);
});
