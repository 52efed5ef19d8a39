/**
 * The command on a kernel that fails: strace makes the n-th system call of a kind fail. The command
 * ends with one clean line and exit code 1, or well; the store is intact, and what was there
 * before is there.
 */

import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { mkfsSync, Store } from '../../src/index.js';
import { fsckFileFault } from '../support/crash-fsck.js';
import { temporaryPath } from '../support/temp-directory.js';

const HOLDFAST = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

const KIB = 1024;

/** `OPS=1` tries every call of every kind in every command; else some kinds and calls of each. */
const STEP = Number(process.env['OPS'] ?? 3);

/** Failures to inject: system call and error. */
const FAULTS: readonly (readonly [call: string, error: string])[] = [
  ['fdatasync', 'EIO'],
  ['pwrite64', 'EIO'],
  ['pwrite64', 'ENOSPC'],
  ['pwritev', 'EIO'],
  ['pwritev', 'ENOSPC'],
  ['pread64', 'EIO'],
];

/** What is done to the store at `path`; `data` is a file. */
const COMMANDS: Readonly<Record<string, (path: string, data: string) => readonly string[]>> = {
  'put of a large object': (path, data) => ['put', path, 'c', 'new', data],
  rm: (path) => ['rm', path, 'c', 'gone'],
  clone: (path) => ['clone', path, 'c', 'before', 'copy'],
  'a collection that is cloned': (path) => ['clone', path, 'c', 'd'],
  'a shrink': (path) => ['resize', path, '8MiB'],
};

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
  store.commitSync(tx.write('c', 'gone', 0, Buffer.alloc(300 * KIB)));
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

/** How the command ended whose n-th call of a kind on the store fails, and whether one failed. */
function runFailing(
  path: string,
  [call, error]: readonly [string, string],
  n: number,
  args: readonly string[],
): { readonly status: number | null; readonly stderr: string; readonly isInjected: boolean } {
  const trace = `${path}.trace`;
  // Only calls on the store count: the program's own files are read with these calls too.
  const inject = ['-P', path, '-e', `inject=${call}:error=${error}:when=${n}`];
  const command = [process.execPath, HOLDFAST, ...args];
  const options = { encoding: 'utf8' } as const;
  const ended = spawnSync('strace', ['-f', '-o', trace, ...inject, ...command], options);
  const isInjected = readFileSync(trace, 'utf8').includes('(INJECTED)');
  return { status: ended.status, stderr: ended.stderr, isInjected };
}

for (const [index, [name, argsOf]] of Object.entries(COMMANDS).entries()) {
  test(`the command answers failing system calls with one line, and the store is intact: ${name}`, (t) => {
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
    const counts = { injected: 0, failed: 0 };
    for (const fault of FAULTS.filter((_, i) => (i + index) % STEP === 0)) {
      // strace counts for each thread: no thread has made so many when none has failed.
      for (let n = 1; ; n += STEP) {
        copyFileSync(made, path);
        const { status, stderr, isInjected } = runFailing(path, fault, n, argsOf(path, data));
        const what = `${fault.join(' gives ')}, call ${n}`;
        if (isInjected) counts.injected++;
        if (status !== 0) {
          counts.failed++;
          t.is(status, 1, `${what}: ${stderr}`);
          t.regex(stderr, /^[^\n]+\n$/, what);
          t.notRegex(stderr, /^\s+at |AssertionError|TypeError|RangeError/m, what);
        }
        t.is(storeFault(path), undefined, what);
        if (!isInjected) break;
      }
    }
    t.log(JSON.stringify(counts));
    t.true(counts.failed >= 2, 'failures were injected');
  });
}
