/** The scripts beside the tests say what they take, and refuse the rest in one line. */

import { spawnSync } from 'node:child_process';
import test, { type ExecutionContext } from 'ava';

const SCRIPTS = [
  'sim/sweep',
  'sim/simulate',
  'corruption/flips',
  'corruption/fuzz',
  'mutants/run',
] as const;

function run(script: string, ...args: string[]) {
  const path = new URL(`../${script}.js`, import.meta.url).pathname;
  return spawnSync(process.execPath, [path, ...args], { encoding: 'utf8' });
}

function refuses(t: ExecutionContext, script: string, ...args: string[]): void {
  const { status, stdout, stderr } = run(script, ...args);
  t.is(status, 2);
  t.is(stdout, '');
  t.regex(stderr, /^[^\n]+\n$/);
}

for (const script of SCRIPTS) {
  test(`${script} prints its usage, and refuses an unknown option in one line`, (t) => {
    const { status, stdout } = run(script, '--help');
    t.is(status, 0);
    t.regex(stdout, /^Usage: npm run /);
    refuses(t, script, '--bogus');
  });
}

test('a script refuses values that it cannot use', (t) => {
  refuses(t, 'sim/simulate', '--seed', 'x');
  refuses(t, 'sim/simulate', '--budget', '1x');
  refuses(t, 'mutants/run', '--only', '(');
});
