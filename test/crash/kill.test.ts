/**
 * A writer process with 16 transactions in flight is killed at random instants: nothing that it
 * acknowledged is lost, nothing is there in part. (The page cache survives a SIGKILL; that what
 * is acknowledged was flushed is for the simulated device and for strace to show.)
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { mkfsSync, Store } from '../../src/index.js';
import { fsckFileFault } from '../support/crash-fsck.js';
import { IS_MEDIA_FULL } from '../support/media-test.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { temporaryPath } from '../support/temp-directory.js';
import { makeLoopDevice } from '../support/temp-loop-device.js';
import { checkSlots } from '../support/writer-protocol.js';

const KILLS = 200;
const KILLS_ON_BLOCK_DEVICE = IS_MEDIA_FULL ? KILLS : 40;
const FSCK_EVERY = 20;

/** Longest time for which a writer writes at least. */
const DELAY_MS_MAX = 80;

/** Transactions that it says before it is killed, below this many: a loaded machine gives it time. */
const SAID_MAX = 8;

const WRITER = fileURLToPath(new URL('../support/writer.js', import.meta.url));

/** A writer that has started and waits for its word: processes take long to start. */
class Writer {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<NodeJS.Signals | null>;
  #said = '';
  #errors = '';
  #onData: () => void = () => undefined;

  constructor(path: string) {
    this.#child = spawn(process.execPath, [WRITER, path, '--wait'], { stdio: 'pipe' });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (_code, signal) => resolve(signal));
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
      this.#onData();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
  }

  /**
   * Lets it write, and kills it `delayMs` after it has opened the store, or when it has said
   * `least` transactions if that is later; what it said.
   */
  async runAndKill(delayMs: number, least: number): Promise<{ opened: number; last: number }> {
    const killWhenSaid = (): void => {
      if (this.#lines.length > least) this.#child.kill('SIGKILL');
    };
    this.#onData = () => {
      this.#onData = () => undefined;
      setTimeout(() => {
        this.#onData = killWhenSaid;
        killWhenSaid();
      }, delayMs);
    };
    this.#child.stdin.write('go');
    if ((await this.#ended) !== 'SIGKILL') {
      throw new Error(`The writer ended by itself: ${this.#errors}`);
    }
    const lines = this.#lines;
    const opened = Number(/^open (\d+)$/.exec(lines[0] ?? '')?.[1]);
    return { opened, last: Math.max(opened, ...lines.slice(1).map(Number)) };
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Whole lines: the last one may be cut off. */
  get #lines(): string[] {
    return this.#said.split('\n').slice(0, -1);
  }
}

/** Kills writers on the store at `path`, `kills` of them, and checks what they leave. */
async function killLoop(t: ExecutionContext, path: string, kills: number): Promise<void> {
  t.timeout(180_000);
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  mkfsSync(path, { size: 64 * 1024 * 1024, journalBytes: 1024 * 1024 });
  let acknowledged = 0;
  let next = new Writer(path);
  t.teardown(() => next.kill());
  for (let round = 1; round <= kills; round++) {
    // The next writer checks what the last one left: it throws on anything partial.
    const writer = next;
    next = new Writer(path);
    const { opened, last } = await writer.runAndKill(
      prng.below(DELAY_MS_MAX),
      prng.below(SAID_MAX),
    );
    // An assertion each round: the time limit is for one of them.
    t.true(opened >= acknowledged, `${acknowledged} was acknowledged, ${opened} is there`);
    acknowledged = Math.max(acknowledged, last);
    if (round % FSCK_EVERY !== 0) continue;
    t.is(fsckFileFault(path), undefined);
    const store = Store.openSync(path);
    t.true(checkSlots(store) >= acknowledged);
    store.closeSync();
    t.is(fsckFileFault(path), undefined);
  }
  t.log(`${kills} kills, ${acknowledged} transactions acknowledged`);
  t.true(acknowledged > kills);
}

test.serial('SIGKILL at any instant loses nothing acknowledged', async (t) => {
  await killLoop(t, temporaryPath(t), KILLS);
});

test.serial('SIGKILL at any instant loses nothing acknowledged, on a block device', async (t) => {
  const device = makeLoopDevice(64 * 1024 * 1024);
  if (typeof device === 'string') {
    t.log(`Not run: ${device}`);
    t.pass();
    return;
  }
  t.teardown(() => device.close());
  await killLoop(t, device.path, KILLS_ON_BLOCK_DEVICE);
});
