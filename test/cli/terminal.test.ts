/** What a person sees at a terminal: a line of progress, with a share, a rate and the time left. */

import { execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { newBench } from './fixture.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** Why there is no pseudo-terminal here, if there is none. */
function reasonToSkip(): string | undefined {
  try {
    execFileSync('script', ['-qec', 'true', '/dev/null'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `script does not work: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Runs our command, with what a shell makes of `rest`, under a terminal. */
async function typed(rest: string): Promise<{ code: number | null; text: string }> {
  const args = ['-qec', `${process.execPath} ${MAIN} ${rest}`, '/dev/null'];
  const child = spawn('script', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, text };
}

test('progress is shown at a terminal, with rate and time left', async (t) => {
  const reason = reasonToSkip();
  if (reason !== undefined) {
    t.log(`skipped: ${reason}`);
    t.pass();
    return;
  }
  const bench = await newBench(t, '--size', '24MiB');
  await bench.okWith({ input: Buffer.alloc(4 * 1024 * 1024, 1) }, 'put', 'c', 'o', '-');
  // The reader stops for a while once there is something, so the work takes long enough to be shown.
  const slow = await typed(
    `get ${bench.store} c o | (head -c 1000; sleep 2; cat) > ${bench.path('o')}`,
  );
  t.is(slow.code, 0);
  t.regex(slow.text, /\rget: \d+ % of 4MiB, \S+\/s, \S+s left/);
  t.true(slow.text.endsWith('\r\x1b[K'), 'the line is taken away');
  const checked = await typed(`fsck ${bench.store} --deep`);
  t.is(checked.code, 0, checked.text);
  t.regex(checked.text, /: clean; 1 collections, 1 objects/);
  const made = await typed(`mkfs ${bench.path('full')} --size 24MiB --preallocate`);
  t.is(made.code, 0, made.text);
  t.regex(made.text, /Made store/);
});
