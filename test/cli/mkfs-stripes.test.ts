/** Stripes of `holdfast mkfs`. */

import { existsSync } from 'node:fs';
import test from 'ava';
import { Bench } from './fixture.js';

const SIZE = ['--size', '64MiB', '--journal-size', '1MiB'] as const;

test('mkfs says which stripes it uses', async (t) => {
  const bench = new Bench(t);
  const asked = ['--stripe-unit', '64KiB', '--stripe-width', '256KiB'];
  const text = await bench.ok('mkfs', ...SIZE, ...asked);
  t.regex(text, /\nStripes of 256KiB in units of 64KiB, as asked\n$/);
  const json = await bench.json<Record<string, unknown>>('info');
  t.is(json['stripeWidth'], 256 * 1024);
  t.notRegex(await bench.ok('mkfs', ...SIZE, '--force'), /tripes/);
});

test('mkfs refuses stripes that make no sense before it touches anything', async (t) => {
  const bench = new Bench(t);
  const wrong = [
    [['--stripe-unit', '1000'], /unit 1000 is not whole blocks/],
    [['--stripe-unit', '64KiB', '--stripe-width', '100KiB'], /not whole units of 65536/],
    [['--stripe-unit', '0', '--stripe-width', '64KiB'], /unit 0/],
    [['--stripe-unit', '64KiB', '--stripe-width', '0'], /0 bytes/],
    [['--stripe-unit', '64KiB', '--stripe-width', '1GiB'], /width 1073741824 is over/],
    [['--stripe-unit', 'much'], /Cannot read size/],
  ] as const;
  for (const [args, line] of wrong) await bench.fails(2, line, 'mkfs', ...SIZE, ...args);
  t.false(existsSync(bench.store));
});
