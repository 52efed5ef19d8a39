/** Commands on a store whose journal has a file of its own. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { temporaryDirectory } from '../support/temp-directory.js';
import { run } from './fixture.js';

test('--journal names the journal, --accept-journal-loss does without it', async (t) => {
  const directory = temporaryDirectory(t);
  const store = join(directory, 'store');
  const journal = join(directory, 'journal');
  const sizes = ['--size', '64MiB', '--journal-size', '1MiB'];
  const made = await run(['mkfs', store, ...sizes, '--journal', journal]);
  t.is(made.code, 0, made.stderr);
  const put = await run(['put', store, 'c', 'o', '-', '--journal', journal], { input: 'hello' });
  t.is(put.code, 0, put.stderr);
  const info = await run(['info', store, '--journal', journal]);
  t.regex(info.text, new RegExp(`journal device: +${journal}`));
  t.is((await run(['fsck', store, '--deep', '--journal', journal])).code, 0);

  const without = await run(['get', store, 'c', 'o']);
  t.is(without.code, 1);
  t.regex(without.stderr, /its journal is not there/);
  t.regex(without.stderr, /accept-journal-loss/);
  const checked = await run(['fsck', store]);
  t.is(checked.code, 4);
  t.regex(checked.text, /journal-lost/);
  rmSync(journal);
  const reading = await run(['get', store, 'c', 'o', '--accept-journal-loss']);
  t.is(reading.text, 'hello');
  t.regex(reading.stderr, /journal is lost/);
  t.is((await run(['fsck', store])).code, 4, 'reading has changed nothing');
  const repaired = await run(['fsck', store, '--repair', '--accept-journal-loss']);
  t.is(repaired.code, 1, repaired.stderr);
  t.is((await run(['fsck', store, '--deep'])).code, 0);
  t.is((await run(['get', store, 'c', 'o'])).text, 'hello');
});
