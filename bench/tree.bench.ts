/**
 * Import and export of a directory tree beside `cp -a` of it, each with a `sync -f` behind it:
 * `npm run bench:tree -- [--quick] [--files COUNT] [DIR]`.
 *
 * - The tree is made of copies of DIR, by default the project's own node_modules, until it has
 *   COUNT files. All processes find it in the page cache.
 * - Every run is a process of its own, its start included, and begins with nothing left to write.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Figure, figureOf, inTemporaryDirectory, machine, show } from './measure.js';
import { readOptions, refuse } from './options.js';

const USAGE = `Import and export of a directory tree beside \`cp -a\` of it, each with a \`sync -f\` behind it

npm run bench:tree -- [--quick] [--files COUNT] [DIR]

  --quick        3 rounds instead of 7
  --files COUNT  files of the tree, at least; by default 20000
  DIR            what the tree is made of, again and again; by default node_modules
`;

const { values, positionals } = readOptions(USAGE, {
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    files: { type: 'string', default: '20000' },
  },
});

const ROUNDS = values.quick ? 3 : 7;
const HOLDFAST = join(import.meta.dirname, '../src/cli/main.js');

/** Seconds of one run: until it had ended, and of the processors. */
interface Times {
  readonly wall: number;
  readonly processors: number;
}

/** Runs a command, then writes back what the file system at `path` holds. */
function timed(path: string, command: readonly string[]): Times {
  spawnSync('sync');
  const script =
    'path="$1"; shift; TIMEFORMAT="%R %U %S"; time { "$@" > /dev/null && sync -f "$path"; }';
  const run = spawnSync('bash', ['-c', script, 'bash', path, ...command], { encoding: 'utf8' });
  const [wall, user, system] = run.stderr.trim().split(' ').map(Number);
  if (run.status !== 0 || wall === undefined || user === undefined || system === undefined) {
    throw new Error(`Cannot trust figures: ${command.join(' ')} ended with ${run.stderr}`);
  }
  return { wall, processors: user + system };
}

function checked(command: string, ...list: string[]): void {
  const { status, stderr } = spawnSync(command, list, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`Cannot prepare: ${command} ${list.join(' ')}: ${stderr}`);
}

function countFiles(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  ).length;
}

/** Copies of `source` in `directory`, so many that there are `count` files. */
function makeTree(source: string, directory: string, count: number): number {
  mkdirSync(directory);
  const each = countFiles(source);
  if (each === 0) throw new Error(`Cannot make tree: ${source} has no files`);
  const copies = Math.ceil(count / each);
  for (let i = 0; i < copies; i++) checked('cp', '-a', source, join(directory, `copy-${i}`));
  return copies * each;
}

function report(what: string, rounds: readonly Times[]): Figure {
  const wall = figureOf(rounds.map((one) => one.wall));
  const processors = figureOf(rounds.map((one) => one.processors));
  console.log(`${what}: ${show(wall, 's')}, of processors ${show(processors, 's')}`);
  return wall;
}

async function main(directory: string): Promise<void> {
  const source = realpathSync(positionals[0] ?? join(import.meta.dirname, '../../node_modules'));
  const tree = join(directory, 'tree');
  const count = Number(values.files);
  if (!Number.isInteger(count) || count < 1) refuse(`Cannot use --files ${values.files}`);
  const files = makeTree(source, tree, count);
  const copy = join(directory, 'copy');
  const store = join(directory, 'store.hf');
  const back = join(directory, 'back');
  const rounds = { copied: [] as Times[], imported: [] as Times[], exported: [] as Times[] };
  for (let round = -1; round < ROUNDS; round++) {
    for (const path of [copy, store, back]) rmSync(path, { recursive: true, force: true });
    checked(process.execPath, HOLDFAST, 'mkfs', store, '--size', '16GiB');
    const copied = timed(directory, ['cp', '-a', tree, copy]);
    const imported = timed(directory, [process.execPath, HOLDFAST, 'import', store, 'tree', tree]);
    const exported = timed(directory, [process.execPath, HOLDFAST, 'export', store, 'tree', back]);
    if (round < 0) {
      checked('diff', '-r', '--no-dereference', tree, back);
      continue;
    }
    rounds.copied.push(copied);
    rounds.imported.push(imported);
    rounds.exported.push(exported);
  }
  console.log(`${machine()}; ${files} files, medians of ${ROUNDS} rounds in turn`);
  const copied = report('cp -a and sync -f', rounds.copied);
  for (const [what, times] of [
    ['holdfast import', rounds.imported],
    ['holdfast export and sync -f', rounds.exported],
  ] as const) {
    const { median } = report(what, times);
    console.log(`  ${(copied.median / median).toFixed(2)} times as fast as cp -a`);
  }
}

await inTemporaryDirectory(main);
