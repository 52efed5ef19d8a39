/**
 * Stores of which not all can be shown: what can be read comes out, and what is missing is said.
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { type Comparator, Store } from '../../src/index.js';
import { type Bench, newBench, run } from './fixture.js';

const COUNT = 600;

function nameOf(index: number): string {
  return `object-${String(index).padStart(4, '0')}`;
}

/** Flips a bit in every place of the file where these bytes stand. */
function damage(path: string, needle: string | Buffer): void {
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) {
    bytes[at] = (bytes[at] ?? 0) ^ 1;
  }
  writeFileSync(path, bytes);
}

/** A collection of many objects, one of them with a damaged extent, one of them in a damaged leaf. */
async function damagedBench(t: Parameters<typeof newBench>[0]): Promise<Bench> {
  const bench = await newBench(t, '--size', '24MiB');
  const store = Store.openSync(bench.store);
  const transaction = store.transaction().createCollection('c');
  for (let i = 0; i < COUNT; i++) transaction.write('c', nameOf(i), 0, `bytes of ${i}, and more`);
  transaction.write('c', nameOf(3), 0, Buffer.alloc(100_000, 'damage me'));
  store.commitSync(transaction);
  store.closeSync();
  damage(bench.store, Buffer.alloc(4096, 'damage me'));
  damage(bench.store, nameOf(300));
  return bench;
}

test('export goes on behind damage, and says what it has left out', async (t) => {
  const bench = await damagedBench(t);
  const out = bench.path('out');
  const { code, text, stderr } = await run(['export', bench.store, 'c', out, '--json']);
  t.is(code, 1);
  const summary = JSON.parse(text);
  t.is(summary.damaged, 1);
  t.deepEqual(summary.damagedObjects, [{ name: nameOf(3) }]);
  t.true(summary.unlisted > 0 && summary.unlisted < COUNT / 4);
  t.is(summary.files, COUNT - 1 - summary.unlisted);
  t.is(readdirSync(out).length, summary.files);
  t.true(existsSync(`${out}/${nameOf(0)}`) && existsSync(`${out}/${nameOf(COUNT - 1)}`));
  t.false(existsSync(`${out}/${nameOf(3)}`));
  t.regex(stderr, new RegExp(`^holdfast export: Cannot export ${nameOf(3)}: .*checksum`, 'm'));
  t.regex(stderr, /^holdfast export: Cannot list all objects: Cannot read/m);
});

test('ls goes on behind damage, and fails in the end', async (t) => {
  const bench = await damagedBench(t);
  const { code, text, stderr } = await run(['ls', bench.store, 'c']);
  t.is(code, 1);
  const names = text.trimEnd().split('\n');
  t.is(names[0], nameOf(0));
  t.is(names.at(-1), nameOf(COUNT - 1));
  t.true(names.length < COUNT && names.length > COUNT / 2);
  t.regex(stderr, /^holdfast ls: Cannot list everything: Cannot read [^\n]*; run fsck\n$/);
});

test('fsck --json lists every finding, and repair those that are left too', async (t) => {
  const bench = await damagedBench(t);
  const checked = await run(['fsck', bench.store, '--deep', '--json']);
  t.is(checked.code, 4);
  const report = JSON.parse(checked.text);
  t.is(report.findings.length, report.counts.error + report.counts.warning + report.counts.note);
  t.true(report.findings.length > 1);
  t.false(report.clean);
  const repaired = await run(['fsck', bench.store, '--repair', '--deep', '--json']);
  t.is(repaired.code, 5);
  const mended = JSON.parse(repaired.text);
  t.is(mended.findings.length, report.findings.length);
  t.true(mended.left.some(({ code }: { code: string }) => code === 'data-damaged'));
});

test('transactions that need an unknown comparator are told of, not passed over', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  const own: Comparator = {
    name: 'own-order',
    version: 1,
    compare: (a, aStart, aEnd, b, bStart, bEnd) =>
      Buffer.compare(a.subarray(aStart, aEnd), b.subarray(bStart, bEnd)),
  };
  const store = Store.openSync(bench.store, { comparators: [own] });
  store.commitSync(store.transaction().createCollection('c').touch('c', 'before'));
  store.checkpointSync();
  const transaction = store.transaction().touch('c', 'pending');
  transaction.formatMap('c', 'pending', { comparator: 'own-order' });
  store.commitSync(transaction.mapSet('c', 'pending', [['k', 'v']]));
  const image = readFileSync(bench.store);
  store.closeSync();
  writeFileSync(bench.store, image); // as a kill leaves it
  const listed = await run(['ls', bench.store, 'c']);
  t.is(listed.code, 0);
  t.is(listed.text, 'before\n');
  t.regex(
    listed.stderr,
    /^holdfast: transactions pending in the journal: 1; [^\n]* not registered\n$/,
  );
  const info = await run(['info', bench.store]);
  t.regex(info.text, /^pending:\s+1 transactions/m);
});

test('a store whose end is missing is told what to do about it, and ends there after a repair', async (t) => {
  const bench = await newBench(t, '--size', '24MiB');
  await bench.okWith({ input: Buffer.alloc(5_000_000, 1) }, 'put', 'c', 'o', '-');
  writeFileSync(bench.store, readFileSync(bench.store).subarray(0, 3_000_000));
  const { code, text } = await run(['fsck', bench.store]);
  t.is(code, 4);
  t.regex(text, /^error device-short at \d+: /);
  t.regex(text, /^What to do: give the device back the length/m);
  t.is((await run(['fsck', bench.store, '--repair'])).code, 1);
  t.is((await run(['fsck', bench.store])).code, 0);
  t.is((await run(['get', bench.store, 'c', 'o', '--offset', '4MiB'])).code, 1);
  await bench.okWith({ input: Buffer.alloc(5000, 2) }, 'put', 'c', 'new', '-');
});
