/**
 * `holdfast fsck --repair`: exit codes, and what it prints.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { newBench, run } from './fixture.js';

/** Fills some bytes of a file with zeros. */
function wipe(path: string, from: number, length: number): void {
  const bytes = readFileSync(path);
  bytes.fill(0, from, from + length);
  writeFileSync(path, bytes);
}

test('fsck --repair corrects a lost superblock slot, and finds nothing the second time', async (t) => {
  const bench = await newBench(t, '--size', '32MiB');
  await bench.okWith({ input: Buffer.alloc(300_000, 1) }, 'put', 'c', 'o', '-');
  wipe(bench.store, 0, 4096);
  const before = readFileSync(bench.store);
  t.is((await run(['fsck', bench.store])).code, 0, 'a lost slot is a warning');
  t.true(before.equals(readFileSync(bench.store)), 'a check writes nothing');
  const repaired = await run(['fsck', bench.store, '--repair']);
  t.is(repaired.code, 1);
  t.regex(repaired.text, /^warning superblock-slot at 0/);
  const again = await run(['fsck', bench.store, '--repair', '--json']);
  t.is(again.code, 0);
  const { repaired: isRepaired, findings, left } = JSON.parse(again.text);
  t.deepEqual([isRepaired, findings, left], [false, [], []]);
  t.deepEqual((await run(['get', bench.store, 'c', 'o'])).stdout, Buffer.alloc(300_000, 1));
});

test('fsck --repair --deep leaves damaged data, and says so', async (t) => {
  const bench = await newBench(t, '--size', '32MiB');
  await bench.okWith({ input: Buffer.alloc(300_000, 'damage me') }, 'put', 'c', 'o', '-');
  const at = readFileSync(bench.store).lastIndexOf('damage me');
  wipe(bench.store, at, 4);
  const repaired = await run(['fsck', bench.store, '--repair', '--deep', '--json']);
  t.is(repaired.code, 4);
  const { clean, findings } = JSON.parse(repaired.text);
  t.false(clean);
  t.deepEqual(
    findings.map(({ code, remedy }: { code: string; remedy: string }) => [code, remedy]),
    [['data-damaged', 'none']],
  );
});

test('fsck --repair makes a superblock only when it is told to', async (t) => {
  const bench = await newBench(t, '--size', '32MiB');
  await bench.okWith({ input: Buffer.alloc(300_000, 1) }, 'put', 'c', 'o', '-');
  const bytes = readFileSync(bench.store);
  for (let at = bytes.indexOf('HOLDFAST'); at >= 0; at = bytes.indexOf('HOLDFAST', at)) {
    bytes.fill(0, at - 8, at + 4088);
  }
  writeFileSync(bench.store, bytes);
  t.is((await run(['fsck', bench.store, '--repair'])).code, 8);
  const rebuilt = await run(['fsck', bench.store, '--repair', '--rebuild-superblock']);
  t.is(rebuilt.code, 1, rebuilt.text + rebuilt.stderr);
  t.is((await run(['fsck', bench.store, '--deep'])).code, 0);
});
