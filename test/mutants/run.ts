/** Plants each mutant in a copy of the tree, compiles it and runs the tests that have to find it. */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ScriptOptions } from '../support/script-options.js';
import { MUTANTS, type Mutant } from './mutants.js';
import { plant } from './plant.js';

const COPIED = ['src', 'test', 'bench', 'docs', 'dist', 'package.json', 'tsconfig.json'];

/** A mutant may leave a name without a use. */
const COMPILE = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];

/** A mutant that hangs is found too. */
const PATIENCE_MS = 15 * 60 * 1000;

const USAGE = `Usage: npm run mutants -- [OPTION]...

Plants bugs in a copy of the tree, and runs the tests that have to find them.

  --only PATTERN  those whose names match this regular expression (all)
  --seed N        of random tests (20261121)

Prints a table; exits with 1 when a mutant survives.
`;

const options = ScriptOptions.read(USAGE, { only: '', seed: '20261121' });

/** A copy of the tree, compiled. */
function makeCopy(): string {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-mutants-'));
  for (const name of COPIED) cpSync(name, join(root, name), { recursive: true });
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
  return root;
}

function run(root: string, command: string, args: readonly string[]) {
  return spawnSync(join(root, 'node_modules/.bin', command), args, {
    cwd: root,
    env: { ...process.env, SEED: String(options.count('seed')) },
    encoding: 'utf8',
    timeout: PATIENCE_MS,
  });
}

/** The test file that finds the mutant; undefined when it survives. @throws when it does not compile */
function findMutant(root: string, { name, edits, tests }: Mutant): string | undefined {
  const restore = plant(root, edits);
  try {
    const compiled = run(root, 'tsc', COMPILE);
    if (compiled.status !== 0) throw new Error(`${name} does not compile: ${compiled.stdout}`);
    return tests.find((file) => run(root, 'ava', ['--fail-fast', file]).status !== 0);
  } finally {
    restore();
  }
}

const only = options.parsed('only', (text) => new RegExp(text));
const chosen = MUTANTS.filter(({ name }) => only.test(name));
const root = makeCopy();
let survivors = 0;
try {
  for (const mutant of chosen) {
    const began = Date.now();
    const found = findMutant(root, mutant);
    if (found === undefined) survivors++;
    const seconds = Math.round((Date.now() - began) / 1000);
    const result = found === undefined ? 'SURVIVES' : `found by ${found}`;
    process.stdout.write(`| ${mutant.name} | ${result} | ${seconds} s |\n`);
  }
} finally {
  rmSync(root, { recursive: true });
}
process.stdout.write(`${chosen.length - survivors} of ${chosen.length} mutants are found\n`);
process.exitCode = survivors > 0 ? 1 : 0;
