/**
 * Random work on stores of random configurations: two copies, stripes, a journal of its own,
 * erasing, hardly any memory, a tiny ring, in every combination; scrubs, erasing, resizing and
 * snapshots side by side; crashed, closed and shrunk in between.
 *
 * `SEED=1 OPS=100 npx ava test/store/configurations.test.ts` looks at a hundred stores.
 */

import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { fsck } from '../../src/fsck/fsck.js';
import { hasCode, type Snapshot, Store, StoreError } from '../../src/index.js';
import { resizeOn } from '../../src/resize/resize.js';
import { TrackedStore } from '../sim/tracked-store.js';
import { EMPTY_MODEL, type ModelState } from '../support/model.js';
import { compareStore, compareView, compareViewAsync } from '../support/model-compare.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { type Rig, randomMemory, randomStore } from '../support/random-configuration.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';
import { SMALL_WORKLOAD, Workload } from '../support/workload.js';

const SEED = seedFromEnvironment();
const STORES = Number(process.env['OPS'] ?? 3);
const LIVES = 4;
const ACTIONS = 50;
const IN_FLIGHT_MAX = 12;
const MIB = 2 ** 20;

/** What of a crash fsck may find. */
const TOLERATED: ReadonlySet<string> = new Set(['superblock-slot', 'superblock-gap']);

/** One store from its making to its end. */
class Career {
  readonly #prng: Prng;
  readonly #workload: Workload;
  readonly configuration: string;
  #rig: Rig;
  #tracked: TrackedStore<Rig>;
  #environment = new SimulatedEnvironment();
  #snapshots: { snapshot: Snapshot; state: ModelState }[] = [];
  #background = new Set<Promise<void>>();
  #failure: unknown;
  #crashes = 0;
  /** What was done, for messages. */
  readonly done: string[] = [];

  constructor(prng: Prng) {
    this.#prng = prng;
    const { rig, configuration } = randomStore(prng);
    this.configuration = JSON.stringify(configuration);
    const bytesMax = prng.pick([2000, 40_000, 200_000]);
    this.#workload = new Workload(prng.fork(), { ...SMALL_WORKLOAD, large: 0.15, bytesMax });
    this.#rig = rig;
    this.#tracked = new TrackedStore(this.#openSync(), rig, EMPTY_MODEL, { mayBeFull: true });
  }

  get #options() {
    const { journal } = this.#rig;
    this.#environment = new SimulatedEnvironment(this.#prng.u32());
    const environment = this.#environment;
    const memory = randomMemory(this.#prng);
    return { ...memory, environment, ...(journal !== undefined && { journalDevice: journal }) };
  }

  #openSync(): Store {
    return Store.openOnSync(this.#rig.data, this.#options);
  }

  async run(): Promise<void> {
    for (let life = 0; life < LIVES; life++) {
      for (let i = 0; i < ACTIONS; i++) await this.#act();
      await this.#end();
    }
    await this.#close();
    this.#fsck();
  }

  get #store(): Store {
    return this.#tracked.store;
  }

  #check(): void {
    this.#tracked.check();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #act(): Promise<void> {
    this.#check();
    const prng = this.#prng;
    const roll = prng.below(100);
    if (roll < 50) await this.#submit();
    else if (roll < 64)
      await this.#tracked.commitSync(this.#workload.transaction(this.#tracked.state));
    else if (roll < 72) for (let left = prng.below(12); left > 0; left--) await turn();
    else if (roll < 76) this.#note('pass', () => this.#environment.pass(prng.pick([3, 12, 600])));
    else if (roll < 79) this.#note('checkpoint', () => this.#tracked.checkpoint());
    else if (roll < 81) this.#note('checkpointSync', () => this.#tracked.checkpointSync());
    else if (roll < 85) this.#snapshot();
    else if (roll < 87) await this.#compare();
    else if (roll < 90) this.#beside('resize', this.#resize());
    else if (roll < 93) this.#beside('scrub', this.#scrub());
    else if (roll < 96) this.#beside('erase', this.#erase());
    else if (roll < 98) this.#readSnapshot();
    else this.#statfs();
  }

  #note(what: string, work: () => void): void {
    this.done.push(what);
    work();
  }

  async #submit(): Promise<void> {
    const { pending } = this.#tracked;
    while (pending.size >= IN_FLIGHT_MAX) {
      await turn();
      this.#check();
    }
    const isPacked = this.#prng.chance(0.3);
    this.#tracked.submit(this.#workload.transaction(this.#tracked.state), { isPacked });
  }

  /** Something that goes on beside the rest. */
  #beside(what: string, work: Promise<unknown>): void {
    this.done.push(what);
    const life = this.#crashes;
    const ended = work.then(
      () => undefined,
      (error: unknown) => {
        const isExcused = hasCode(error, 'E_CLOSED') || hasCode(error, 'E_SNAPSHOT_EXPIRED');
        if (!isExcused && life === this.#crashes) this.#failure ??= error;
      },
    );
    this.#background.add(ended);
    void ended.then(() => this.#background.delete(ended));
  }

  async #resize(): Promise<void> {
    const { total } = this.#store.statfsSync();
    try {
      await this.#store.resize(Math.max(MIB, total + this.#prng.pick([-3, -1, 0, 1, 4]) * MIB));
    } catch (error) {
      if (!hasCode(error, 'E_INVALID')) throw error;
    }
  }

  async #scrub(): Promise<void> {
    const { findings } = await this.#store.scrub({ partBytes: this.#prng.pick([4096, MIB]) });
    if (findings.length > 0) throw new Error(`Scrub finds ${JSON.stringify(findings.slice(0, 3))}`);
  }

  async #erase(): Promise<void> {
    if (!this.#store.info().erasesFreed) return;
    const ends = new AbortController();
    setTimeout(() => ends.abort(), this.#prng.below(20)).unref();
    await this.#store.erase({ signal: ends.signal, all: this.#prng.chance(0.2) });
  }

  #snapshot(): void {
    const { transaction } = this.#store.info();
    const state = this.#tracked.states[transaction - this.#tracked.base];
    this.done.push('snapshot');
    if (state === undefined || this.#snapshots.length === 3) this.#closeSnapshots();
    else this.#snapshots.push({ snapshot: this.#store.snapshot(), state });
  }

  #closeSnapshots(): void {
    for (const { snapshot, state } of this.#snapshots.splice(0)) {
      try {
        compareView(snapshot, state, { prng: this.#prng, part: 0.5 });
      } catch (error) {
        if (!hasCode(error, 'E_SNAPSHOT_EXPIRED')) throw error;
      }
      snapshot.close();
    }
  }

  #readSnapshot(): void {
    if (this.#snapshots.length === 0) return;
    const { snapshot, state } = this.#prng.pick(this.#snapshots);
    const options = { prng: this.#prng.fork(), part: 0.3 };
    this.#beside('read', compareViewAsync(snapshot, state, options));
  }

  async #compare(): Promise<void> {
    await this.#settle();
    compareStore(this.#store, this.#tracked.state, { prng: this.#prng, part: 0.5 });
  }

  async #settle(): Promise<void> {
    while (this.#tracked.pending.size > 0) {
      await turn();
      this.#check();
    }
  }

  #statfs(): void {
    const { total, allocated, available, unerased, reserved, pending } = this.#store.statfsSync();
    const isSound = allocated + available <= total && unerased <= total && reserved >= 0;
    if (isSound && available >= 0 && pending >= 0) return;
    throw new Error(`statfs: ${JSON.stringify(this.#store.statfsSync())}`);
  }

  /** Ends this life, and begins the next one. */
  async #end(): Promise<void> {
    this.#check();
    const isCrash = this.#prng.chance(0.6);
    const { base, states } = this.#tracked;
    let least = base + states.length - 1;
    if (isCrash) {
      this.done.push('crash');
      this.#crashes++;
      this.#tracked.powerOff();
      await turn();
      this.#tracked.check();
      least = this.#tracked.acknowledgedAt(Number.POSITIVE_INFINITY);
      this.#forget();
      this.#rig = this.#rig.crashed(this.#prng);
    } else {
      await this.#close();
      least = base + states.length - 1;
      this.#fsck();
      this.#shrink();
    }
    this.#fsck();
    await this.#open({ base, states, least, isCrash });
  }

  async #open(was: {
    base: number;
    states: readonly ModelState[];
    least: number;
    isCrash: boolean;
  }): Promise<void> {
    const isSync = this.#prng.chance(0.5);
    const { data } = this.#rig;
    const store = isSync ? this.#openSync() : await Store.openOn(data, this.#options);
    const { transaction } = store.info();
    if (transaction < was.least) {
      throw new Error(`transaction ${was.least} was acknowledged, ${transaction} is last`);
    }
    const state = was.states[transaction - was.base];
    if (state === undefined) throw new Error(`transaction ${transaction} was never accepted`);
    if (!was.isCrash && store.recovery.replayed > 0) throw new Error('a closed store is replayed');
    compareStore(store, state, { prng: this.#prng, part: 1 });
    this.#tracked = new TrackedStore(store, this.#rig, state, { mayBeFull: true });
  }

  /** Closes the store in some way, with whatever is under way. */
  async #close(): Promise<void> {
    const { store } = this.#tracked;
    const way = this.#prng.pick(['close', 'closeSync', 'both']);
    this.done.push(way);
    const closing = way === 'closeSync' ? undefined : store.close();
    if (way === 'both') await turn();
    if (way !== 'close') this.#closeSync(store);
    if (closing !== undefined && !(await this.#endsBusy(closing))) await store.close();
    if (way === 'closeSync') await store.close();
    await this.#tracked.settle(); // what was overtaken lands
    await Promise.all(this.#background);
    this.#check();
    this.#forget();
    this.#rig = this.#rig.again(this.#prng);
  }

  #closeSync(store: Store): void {
    try {
      store.closeSync();
    } catch (error) {
      if (!hasCode(error, 'E_BUSY')) throw error;
    }
  }

  /** False when a closeSync() beside it has ended it for want of time. */
  async #endsBusy(closing: Promise<void>): Promise<boolean> {
    try {
      await closing;
      return true;
    } catch (error) {
      if (!hasCode(error, 'E_BUSY')) throw error;
      return false;
    }
  }

  #forget(): void {
    this.#snapshots = [];
    this.#background = new Set();
  }

  /** Makes the closed store smaller, or larger, if that can be. */
  #shrink(): void {
    if (this.#prng.chance(0.5)) return;
    const size = this.#rig.data.size + this.#prng.pick([-8, -4, -2, -1, 1]) * MIB;
    this.done.push(`resize to ${size}`);
    try {
      runSync(resizeOn(this.#rig.data, Math.max(MIB, size), {}, this.#rig.journal));
    } catch (error) {
      if (!hasCode(error, 'E_NO_SPACE')) throw error;
    }
    this.#rig = this.#rig.again(this.#prng);
  }

  #fsck(): void {
    const { data, journal: journalDevice } = this.#rig.again(this.#prng);
    const comparators = new ComparatorRegistry();
    const found: string[] = [];
    runSync(
      fsck(data, {
        deep: true,
        comparators,
        ...(journalDevice !== undefined && { journalDevice }),
        onFinding: ({ severity, code, message }) => {
          if (severity !== 'note' && !TOLERATED.has(code)) found.push(`${code}: ${message}`);
        },
      }),
    );
    if (found.length > 0) throw new Error(`fsck finds ${found.slice(0, 5).join('; ')}`);
  }
}

test('stores of random configurations hold what they should, whatever becomes of them', async (t) => {
  t.timeout(600_000);
  for (let i = 0; i < STORES; i++) {
    const seed = SEED + i;
    const career = new Career(new Prng(seed));
    try {
      await career.run();
    } catch (error) {
      t.log(`SEED=${seed} OPS=1, ${career.configuration}`);
      t.log(career.done.join(', '));
      if (error instanceof StoreError) t.log(error.code, error.message);
      throw error;
    }
  }
  t.log(`SEED=${SEED} OPS=${STORES}`);
  t.pass();
});
