import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { temporaryDirectory } from '../support/temp-directory.js';

const DEMO = fileURLToPath(new URL('../../src/cli/demo.js', import.meta.url));

async function runDemo(
  args: readonly string[],
  temporary: string,
): Promise<{ code: number | null; text: string }> {
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(process.execPath, [DEMO, ...args], { stdio: 'pipe', env });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, text };
}

test('the main job holds on a small tree and leaves nothing behind', async (t) => {
  const directory = temporaryDirectory(t);
  const temporary = temporaryDirectory(t);
  for (let i = 0; i < 300; i++) {
    if (i % 50 === 0) mkdirSync(join(directory, `${i}`));
    writeFileSync(join(directory, `${i - (i % 50)}/file-${i}`), Buffer.alloc(i * 200, i));
  }
  writeFileSync(join(directory, 'large'), Buffer.alloc(5_000_000, 'large'));
  symlinkSync('large', join(directory, 'link'));
  const { code, text } = await runDemo([directory], temporary);
  t.is(code, 0, text);
  t.regex(text, /301 files, 6 directories, 1 symlinks/);
  t.regex(text, /SIGKILL/);
  t.regex(text, /none in part/);
  t.regex(text, /--deep says clean/);
  t.regex(text, /^Everything held\./m);
  t.deepEqual(readdirSync(temporary), []);
});

test('the main job refuses what it cannot work on', async (t) => {
  const temporary = temporaryDirectory(t);
  const none = await runDemo([join(temporary, 'none')], temporary);
  t.is(none.code, 2);
  t.regex(none.text, /none: no such file or directory; usage: npm start/);
  const inside = await runDemo([temporary], temporary);
  t.is(inside.code, 2);
  t.regex(inside.text, /set TMPDIR elsewhere/);
  t.is((await runDemo(['a', 'b'], temporary)).code, 2);
  t.deepEqual(readdirSync(temporary), []);
});
