/** `holdfast map`: the picture of a device. */

import { readFileSync } from 'node:fs';
import test from 'ava';
import { newBench, run } from './fixture.js';

test('map draws a store as text, SVG, HTML and figures', async (t) => {
  const bench = await newBench(t, '--size', '64MiB', '--journal-size', '1MiB', '--label', 'kelp');
  await bench.okWith({ input: Buffer.alloc(2 * 1024 * 1024, 'kelp') }, 'put', 'c', 'a', '-');
  t.regex(await bench.ok('map'), /object data +2MiB/);
  t.regex(await bench.ok('map', '--text', 'c', 'a'), /c\/a: 2MiB of data in 1 runs?\n/);
  t.regex(await bench.ok('map', '--svg'), /^<svg .*<\/svg>\n$/s);
  await bench.ok('map', '--html', '-o', bench.path('page.html'));
  t.regex(readFileSync(bench.path('page.html'), 'utf8'), /^<!DOCTYPE html>.*<title>kelp - /s);
  const { kinds } = await bench.json<{ kinds: Record<string, number> }>('map');
  t.is(kinds['data'], 2 * 1024 * 1024);
  t.regex((await run(['map', '--help'])).text, /--html/);
  t.is(await bench.ok('map ls', 'c', 'a'), '');
});

test('map refuses what makes no sense', async (t) => {
  const bench = await newBench(t, '--size', '64MiB', '--journal-size', '1MiB');
  await bench.fails(2, /several formats/, 'map', '--svg', '--text');
  await bench.fails(2, /name an object/, 'map', 'c');
  await bench.fails(1, /none/, 'map', 'c', 'a');
  const missing = await run(['map', bench.path('nothing')]);
  t.is(missing.code, 1);
  t.regex(missing.stderr, /no such file/);
});
