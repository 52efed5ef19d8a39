/** `holdfast erase` on a store that was made for it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { temporaryDirectory } from '../support/temp-directory.js';
import { run } from './fixture.js';

test('erase --wait overwrites what was removed', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  const made = await run(['mkfs', store, '--size', '64MiB', '--erase-freed']);
  t.is(made.code, 0, made.stderr);
  const input = 'a secret that stands nowhere else';
  t.is((await run(['put', store, 'c', 'o', '-'], { input })).code, 0);
  t.true(readFileSync(store).includes(input));
  t.is((await run(['rm', store, 'c', 'o'])).code, 0);
  const erased = await run(['erase', store, '--wait']);
  t.is(erased.code, 0, erased.stderr);
  t.false(readFileSync(store).includes(input));
  t.regex((await run(['erase', store])).text, /^0B are waiting/);
  t.is((await run(['fsck', store, '--deep'])).code, 0);
});

test('erase --wait keeps its rate, and the process lives until it is done', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  await run(['mkfs', store, '--size', '64MiB', '--erase-freed']);
  await run(['put', store, 'c', 'o', '-'], { input: 'x'.repeat(400_000) });
  await run(['rm', store, 'c', 'o']);
  const erased = await run(['erase', store, '--wait', '--rate', '2MiB/s']);
  t.is(erased.code, 0, erased.stderr);
  t.regex(erased.text, /overwritten/);
});

test('erase --wait is refused for a store that was made without it', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  await run(['mkfs', store, '--size', '64MiB']);
  const refused = await run(['erase', store, '--wait']);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /was not made with eraseFreed/);
});
