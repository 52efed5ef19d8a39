/** `holdfast resize`. */

import { statSync } from 'node:fs';
import test from 'ava';
import { newBench } from './fixture.js';

const MIB = 1024 * 1024;

test('resize makes a store larger and smaller, and says what it did', async (t) => {
  const bench = await newBench(t, '--size', '64MiB', '--journal-size', '1MiB', '--preallocate');
  await bench.okWith({ input: Buffer.alloc(3 * MIB, 'kelp') }, 'put', 'c', 'a', '-');
  t.regex(await bench.ok('resize', '128MiB'), /: 64MiB before, 128MiB now\n$/);
  const report = await bench.json<Record<string, number>>('resize', '20MiB');
  t.is(report['before'], 128 * MIB);
  t.is(report['after'], 20 * MIB);
  t.is(statSync(bench.store).size, 20 * MIB);
  t.regex(await bench.ok('fsck', '--deep'), /clean/);
  const { stdout } = await bench.okWith({}, 'get', 'c', 'a');
  t.is(Buffer.compare(stdout, Buffer.alloc(3 * MIB, 'kelp')), 0);
});

test('resize refuses what makes no sense', async (t) => {
  const bench = await newBench(t, '--size', '64MiB', '--journal-size', '1MiB');
  await bench.fails(2, /SIZE is missing/, 'resize');
  await bench.fails(2, /Cannot read size "much"/, 'resize', 'much');
  await bench.fails(2, /0 bytes/, 'resize', '0');
  await bench.fails(1, /needs \d+/, 'resize', '1MiB');
  await bench.fails(1, /a file needs a size/, 'resize', 'all');
  await bench.ok('fsck');
});
