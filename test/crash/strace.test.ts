/**
 * What the operating system is asked to do before a transaction is acknowledged: every byte that
 * was written is covered by an fdatasync that came later, or was written through O_DSYNC. With one
 * transaction in flight at a time this can be said of all writes. The same of the command itself.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { mkfsSync } from '../../src/index.js';
import { temporaryPath } from '../support/temp-directory.js';

const WRITER = fileURLToPath(new URL('../support/writer.js', import.meta.url));
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const COUNT = 40;

/** Why strace can't be used here, if it can't. */
function reasonToSkip(): string | undefined {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `strace does not work: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** System calls of the trace in the order in which they ended. */
function callsOf(trace: string): string[] {
  const begun = new Map<string, string>();
  const calls: string[] = [];
  for (const line of trace.split('\n')) {
    const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (text.endsWith('<unfinished ...>')) {
      begun.set(thread, text.slice(0, -'<unfinished ...>'.length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    calls.push(resumed === null ? text : `${begun.get(thread) ?? ''}${resumed[1] ?? ''}`);
  }
  return calls;
}

/** Writes to the store that were neither durable by themselves nor flushed, per descriptor. */
class Unflushed {
  readonly #store: string;
  readonly #plain = new Set<string>();
  readonly #durable = new Set<string>();
  #writes = 0;
  /** Writes and flushes so far. */
  seen = 0;

  constructor(store: string) {
    this.#store = store;
  }

  get count(): number {
    return this.#writes;
  }

  take(call: string): void {
    const opened = /^openat\(.*?"([^"]*)", ([^)]*)\)\s+= (\d+)/.exec(call);
    if (opened !== null && opened[1] === this.#store) {
      const isDurable = /O_D?SYNC/.test(opened[2] ?? '');
      (isDurable ? this.#durable : this.#plain).add(opened[3] ?? '');
    }
    const [, name = '', fd = ''] = /^(pwrite64|pwritev|fdatasync|fsync)\((\d+)/.exec(call) ?? [];
    if (name.startsWith('pwrite') && this.#plain.has(fd)) this.#writes++;
    if (name.endsWith('sync')) this.#writes = 0;
    if (name !== '') this.seen++;
  }
}

/** System calls of a program of ours that matter here. */
function traced(program: readonly string[], output: string): string[] {
  const which = 'trace=openat,pwrite64,pwritev,fdatasync,fsync,write';
  const args = ['-f', '-e', which, '-s', '16', '-o', output, process.execPath, ...program];
  execFileSync('strace', args, { stdio: 'pipe' });
  return callsOf(readFileSync(output, 'utf8'));
}

test('an acknowledgement follows the flush of all that was written', (t) => {
  t.timeout(120_000);
  const reason = reasonToSkip();
  if (reason !== undefined) {
    t.log(`skipped: ${reason}`);
    t.pass();
    return;
  }
  const path = temporaryPath(t);
  const output = `${path}.trace`;
  mkfsSync(path, { size: 64 * 1024 * 1024, journalBytes: 1024 * 1024 });
  const calls = traced([WRITER, path, '--serial', '--count', `${COUNT}`], output);

  const unflushed = new Unflushed(path);
  let acknowledged = 0;
  for (const call of calls) {
    unflushed.take(call);
    if (!/^write\(1, "\d+\\n"/.test(call)) continue;
    acknowledged++;
    t.is(unflushed.count, 0, `${call} follows a flush`);
  }
  t.is(acknowledged, COUNT);
  t.true(unflushed.seen > COUNT / 16, 'writes and flushes were seen');
  t.log(`${acknowledged} acknowledgements, ${unflushed.seen} writes and flushes before them`);
});

for (const size of [1000, 3 * 1024 * 1024]) {
  test(`holdfast put of ${size} bytes says so when all of them are flushed`, (t) => {
    t.timeout(120_000);
    const reason = reasonToSkip();
    if (reason !== undefined) {
      t.log(`skipped: ${reason}`);
      t.pass();
      return;
    }
    const path = temporaryPath(t);
    writeFileSync(`${path}.source`, Buffer.alloc(size, 1));
    mkfsSync(path, { size: 64 * 1024 * 1024, journalBytes: 1024 * 1024 });
    const args = [MAIN, 'put', path, 'c', 'o', `${path}.source`];
    const unflushed = new Unflushed(path);
    let acknowledged = 0;
    for (const call of traced(args, `${path}.trace`)) {
      unflushed.take(call);
      if (!/^write\(1, "Put /.test(call)) continue;
      acknowledged++;
      t.is(unflushed.count, 0, `${call} follows a flush`);
      t.true(unflushed.seen > 2, 'writes and flushes were seen');
    }
    t.is(acknowledged, 1);
  });
}
