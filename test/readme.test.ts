import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { temporaryDirectory } from './support/temp-directory.js';

const ROOT = new URL('../../', import.meta.url);

test('README program runs as it stands', (t) => {
  const readme = readFileSync(new URL('README.md', ROOT), 'utf8');
  const program = /```js\n(.*?)```/s.exec(readme)?.[1];
  t.assert(program?.includes("from 'holdfast'"), 'the first program imports the package');
  const directory = temporaryDirectory(t);
  const script = join(directory, 'program.mjs');
  const entry = new URL('dist/src/index.js', ROOT).href;
  writeFileSync(script, (program ?? '').replace("'holdfast'", JSON.stringify(entry)));
  const printed = execFileSync(process.execPath, [script], { cwd: directory, encoding: 'utf8' });
  t.is(printed.trim(), String('pretend this is a picture'.length));
});

test('README limits are those of the code', async (t) => {
  const readme = readFileSync(new URL('README.md', ROOT), 'utf8');
  const limits = await import('../src/onode/limits.js');
  const { AHEAD_SIZE_MIN, TRANSACTION_SIZE_MAX } = await import('../src/txn/transaction.js');
  t.true(readme.includes(`1 to ${limits.NAME_SIZE_MAX} bytes, any byte values`));
  t.true(readme.includes(`${limits.VALUE_SIZE_MAX / 1024 ** 2} MiB`));
  t.true(readme.includes(`2^${Math.log2(limits.OBJECT_SIZE_MAX)} bytes, sparse`));
  t.true(readme.includes(`pieces of ${AHEAD_SIZE_MIN / 1024} KiB and more`));
  t.true(readme.includes(`${TRANSACTION_SIZE_MAX / 1024 ** 2} MiB`));
});
