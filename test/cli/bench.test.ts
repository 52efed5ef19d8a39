import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Store } from '../../src/index.js';
import { makeLoopDevice } from '../support/temp-loop-device.js';
import { checkFailure, newBench, run, start } from './fixture.js';

const SHORT = ['--seconds', '0.03'];

interface Figures {
  readonly name: string;
  readonly median: number;
  readonly raw?: number;
}

test('bench measures beside the plain file and leaves the store as it was', async (t) => {
  const bench = await newBench(t, '--size', '256MiB');
  await bench.okWith({ input: 'kept' }, 'put', 'c', 'o', '-');
  const figures = await bench.json<Figures[]>('bench', ...SHORT);
  t.is(figures.length, 6);
  for (const { name, median } of figures) t.true(median > 0, name);
  t.true(figures.some(({ raw }) => raw !== undefined && raw > 0));
  t.is(await bench.ok('get', 'c', 'o'), 'kept');
  t.is(await bench.ok('ls'), 'c\n');
  t.deepEqual(
    readdirSync(bench.directory).filter((name) => name.includes('holdfast-bench')),
    [],
  );
  t.regex(await bench.ok('bench', ...SHORT), /^put 4KiB, one at a time: +\S+\/s \(.*of raw$/m);
});

test('bench measures a block device by itself and leaves its store as it was', async (t) => {
  const device = makeLoopDevice(128 * 1024 ** 2);
  if (typeof device === 'string') {
    t.log(`Not run: ${device}`);
    t.pass();
    return;
  }
  t.teardown(() => device.close());
  const ok = async (command: string, ...args: string[]): Promise<string> => {
    const { code, text, stderr } = await run([command, device.path, ...args]);
    t.is(code, 0, stderr);
    return text;
  };
  await ok('mkfs');
  const figures: Figures[] = JSON.parse(await ok('bench', ...SHORT, '--json'));
  t.is(figures.length, 6);
  for (const { name, median, raw } of figures) {
    t.true(median > 0, name);
    t.is(raw, undefined, 'there is no plain file beside a block device');
  }
  t.false(readdirSync('/dev').some((name) => name.includes('holdfast-bench')));
  t.is(await ok('ls'), '');
  await ok('fsck', '--deep');
});

test('bench that is interrupted takes its collection away', async (t) => {
  const bench = await newBench(t, '--size', '256MiB');
  const child = start(['bench', bench.store, '--seconds', '3000']);
  const ended = once(child, 'exit');
  while (!readdirSync(bench.directory).some((name) => name.startsWith('.holdfast-bench'))) {
    await sleep(10);
  }
  child.kill('SIGINT');
  const [code] = await ended;
  t.is(code, 1);
  const store = await Store.open(bench.store);
  t.deepEqual(store.listCollectionsSync(), []);
  await store.close();
});

test('bench refuses times that make no sense', async (t) => {
  const bench = await newBench(t);
  for (const seconds of ['0', '-1', 'x', '1e9', '']) {
    checkFailure(t, await run(['bench', bench.store, `--seconds=${seconds}`]), 2, /--seconds/);
  }
});
