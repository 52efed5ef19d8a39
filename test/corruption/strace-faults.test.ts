/**
 * The command on a kernel that fails: strace makes the n-th system call of a kind fail. The command
 * ends with one clean line and exit code 1, or well; the store is intact, and what was there
 * before is there.
 */

import { spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { mkfsSync, Store } from '../../src/index.js';
import { fsckFileFault } from '../support/crash-fsck.js';
import { temporaryPath } from '../support/temp-directory.js';

const HOLDFAST = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

const KIB = 1024;

/** Failures to inject: system call, error, and the first few calls of which each fails in turn. */
const FAULTS: readonly (readonly [call: string, error: string, calls: readonly number[]])[] = [
  ['fdatasync', 'EIO', [1, 2]],
  ['pwrite64', 'EIO', [1, 3]],
  ['pwrite64', 'ENOSPC', [2]],
  ['pwritev', 'EIO', [1, 2]],
  ['pwritev', 'ENOSPC', [1]],
  ['pread64', 'EIO', [2, 12]],
];

/** Why strace can't inject faults here, if it can't. */
function reasonToSkip(): string | undefined {
  const inject = ['-f', '-o', '/dev/null', '-e', 'inject=fdatasync:error=EIO:when=1', 'true'];
  const { status, error, stderr } = spawnSync('strace', inject, { encoding: 'utf8' });
  if (status === 0) return undefined;
  return `strace does not work: ${error?.message ?? stderr}`;
}

/** A store with an object in it, that was closed. */
function makeStore(path: string): void {
  mkfsSync(path, { size: 64 * 1024 * KIB, journalBytes: 1024 * KIB });
  const store = Store.openSync(path);
  const tx = store.transaction().createCollection('c').write('c', 'before', 0, 'was here');
  store.commitSync(tx);
  store.closeSync();
}

/** What is wrong with the store at `path`, if anything. */
function storeFault(path: string): string | undefined {
  const found = fsckFileFault(path);
  if (found !== undefined) return found;
  const store = Store.openSync(path);
  try {
    const before = Buffer.from(store.collection('c').object('before').readSync()).toString();
    return before === 'was here' ? undefined : `the object holds ${before}`;
  } finally {
    store.closeSync();
  }
}

test('the command answers failing system calls with one line, and the store is intact', (t) => {
  t.timeout(600_000);
  const reason = reasonToSkip();
  if (reason !== undefined) {
    t.log(`skipped: ${reason}`);
    t.pass();
    return;
  }
  const made = temporaryPath(t);
  makeStore(made);
  const path = `${made}.copy`;
  const data = `${made}.data`;
  writeFileSync(data, Buffer.alloc(200 * KIB, 'x'));
  let failed = 0;
  for (const [call, error, calls] of FAULTS) {
    for (const n of calls) {
      copyFileSync(made, path);
      // Only calls on the store count: the program's own files are read with these calls too.
      const inject = [
        '-f',
        '-o',
        '/dev/null',
        '-P',
        path,
        '-e',
        `inject=${call}:error=${error}:when=${n}`,
      ];
      const command = [process.execPath, HOLDFAST, 'put', path, 'c', 'new', data];
      const { status, stderr } = spawnSync('strace', [...inject, ...command], { encoding: 'utf8' });
      const what = `${call} ${n} gives ${error}`;
      if (status !== 0) {
        failed++;
        t.is(status, 1, `${what}: ${stderr}`);
        t.regex(stderr, /^[^\n]+\n$/, what);
        t.notRegex(stderr, /^\s+at |AssertionError|TypeError|RangeError/m, what);
      }
      t.is(storeFault(path), undefined, what);
    }
  }
  t.log(`${failed} commands failed`);
  t.true(failed >= 4, 'failures were injected');
});
