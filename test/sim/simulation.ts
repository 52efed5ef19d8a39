/**
 * A whole store in a world of its own: time, timers, names and the order in which the device ends
 * its calls come from a seed, so that the same script with the same seed writes the same log.
 *
 * A script has several lives. Each begins with opening what the crash before it left, goes through
 * transactions in flight, checkpoints, snapshots and faults, and ends with a crash. Of what that
 * crash, and crashes before it, can leave, some is looked at by the checker; the next life begins
 * with one of these images.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { checksum, hash } from '../../src/format/checksum.js';
import { hasCode, mkfsOn, type Snapshot, Store } from '../../src/index.js';
import type { MemoryImage } from '../support/memory-image.js';
import { EMPTY_MODEL, type ModelState } from '../support/model.js';
import { compareStore, compareView } from '../support/model-compare.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice, type SimulatedDeviceOptions } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';
import { CrashChecker, CrashTally } from './crash-checker.js';
import type { Action, SimulationShape } from './script.js';
import { TrackedStore } from './tracked-store.js';

/** Transactions in flight at the same time. */
const IN_FLIGHT_MAX = 8;

const SNAPSHOTS_MAX = 3;

/** Turns in which something in flight must have ended: the device needs one for each call. */
const PATIENCE_TURNS = 20_000;

export interface SimulationOptions {
  readonly seed: number;
  readonly shape: SimulationShape;
  /** Crashes of each life that are looked at, beside the one that ends it. */
  readonly samples: number;
  readonly tally?: CrashTally;
  /** See `CheckOptions`. */
  readonly isThorough?: boolean;
  /** A device of another class, for tests of this file. */
  readonly makeDevice?: (options: SimulatedDeviceOptions) => SimulatedDevice;
}

/** What a simulation has done. */
export interface SimulationOutcome {
  readonly transactions: number;
  readonly refused: number;
  readonly lives: number;
  /** Stands for every entry of the logs of all devices. */
  readonly logDigest: string;
}

interface OpenSnapshot {
  readonly snapshot: Snapshot;
  readonly state: ModelState;
}

/** Plays a script. @throws what goes wrong first */
export async function play(
  script: readonly Action[],
  options: SimulationOptions,
): Promise<SimulationOutcome> {
  const simulation = new Simulation(options);
  await simulation.begin();
  for (const action of script) await simulation.act(action);
  return simulation.end();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #prng: Prng;
  readonly #environment: SimulatedEnvironment;
  readonly #checker: CrashChecker;
  #tracked: TrackedStore | undefined;
  #snapshots: OpenSnapshot[] = [];
  #isFaulty = false;
  #transactions = 0;
  #refused = 0;
  #lives = 0;
  readonly #logDigest = new LogDigest();

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#prng = new Prng(options.seed);
    this.#environment = new SimulatedEnvironment(options.seed);
    const { tally = new CrashTally(), isThorough = true } = options;
    this.#checker = new CrashChecker({ open: options.shape.open, tally, isThorough });
  }

  /** Makes the store and opens it. */
  async begin(): Promise<void> {
    const { size, mkfs } = this.#options.shape;
    const device = this.#device({ size });
    mkfsOn(device, { ...mkfs, environment: this.#environment });
    await this.#open(device, true, () => EMPTY_MODEL);
  }

  end(): SimulationOutcome {
    const tracked = this.#life;
    this.#logDigest.add(tracked.device);
    tracked.powerOff();
    return {
      transactions: this.#transactions + tracked.states.length - 1,
      refused: this.#refused + tracked.refused,
      lives: this.#lives,
      logDigest: this.#logDigest.text,
    };
  }

  async act(action: Action): Promise<void> {
    const tracked = this.#life;
    tracked.check();
    switch (action.do) {
      case 'submit':
        await this.#waitForRoom();
        if (tracked.isUsable) tracked.submit(action.operations);
        break;
      case 'commitSync':
        if (tracked.isUsable) await tracked.commitSync(action.operations);
        break;
      case 'checkpoint':
        if (tracked.isUsable) tracked.checkpoint();
        break;
      case 'checkpointSync':
        if (tracked.isUsable) tracked.checkpointSync();
        break;
      case 'settle':
        await tracked.settle();
        break;
      case 'compare':
        this.#compare();
        break;
      case 'snapshot':
      case 'release':
        this.#snapshot(action.do);
        break;
      case 'turns':
        for (let left = action.count; left > 0; left--) await turn();
        break;
      case 'pass':
        this.#environment.pass(action.ms);
        break;
      case 'fault':
        this.#fault(action);
        break;
      case 'crash':
        await this.#crash(action.seed, action.isOpenedSync);
    }
  }

  get #life(): TrackedStore {
    if (this.#tracked === undefined) throw new Error('The store is not open');
    return this.#tracked;
  }

  async #waitForRoom(): Promise<void> {
    for (let left = PATIENCE_TURNS; this.#life.pending.size >= IN_FLIGHT_MAX; left--) {
      if (left === 0) throw new Error('Nothing in flight ends');
      await turn();
    }
  }

  #compare(): void {
    const tracked = this.#life;
    if (this.#isFaulty || tracked.pending.size > 0) return;
    compareStore(tracked.store, tracked.state, { prng: this.#prng.fork(), part: 1 });
  }

  #snapshot(what: 'snapshot' | 'release'): void {
    if (this.#isFaulty) return;
    const tracked = this.#life;
    if (what === 'snapshot' && this.#snapshots.length < SNAPSHOTS_MAX) {
      const { transaction } = tracked.store.info();
      const state = tracked.states[transaction - tracked.base];
      if (state === undefined) return; // accepted, and not heard of yet
      this.#snapshots.push({ snapshot: tracked.store.snapshot(), state });
      return;
    }
    const open = this.#snapshots.shift();
    if (open === undefined) return;
    try {
      compareView(open.snapshot, open.state, { prng: this.#prng.fork(), part: 1 });
    } catch (error) {
      const mayExpire = this.#options.shape.mayBeFull === true;
      if (!mayExpire || !hasCode(error, 'E_SNAPSHOT_EXPIRED')) throw error;
    }
    open.snapshot.close();
  }

  #fault({ call, n, isPermanent }: Action & { do: 'fault' }): void {
    this.#isFaulty = true;
    this.#life.expectFaults();
    this.#life.device.faults.failAt({ kind: call, n, permanent: isPermanent });
  }

  /** Ends this life, looks at what can be left of it, and begins the next one. */
  async #crash(seed: number, isOpenedSync: boolean): Promise<void> {
    const tracked = this.#life;
    const { device, base, states } = tracked;
    const prng = new Prng(seed);
    tracked.powerOff();
    await turn();
    tracked.check();
    this.#snapshots = [];
    this.#logDigest.add(device);
    this.#transactions += states.length - 1;
    this.#refused += tracked.refused;
    for (let left = this.#options.samples; left > 0; left--) {
      const { point, choice } = device.randomCrash(prng, this.#pointOf(device, prng));
      const least = tracked.acknowledgedAt(point);
      this.#checker.checkOne(device, point, choice, { base, states, least });
    }
    const { point, choice } = device.randomCrash(prng, this.#pointOf(device, prng));
    const least = tracked.acknowledgedAt(point);
    this.#checker.checkOne(device, point, choice, { base, states, least });
    const image = device.imageAt(point, choice);
    await this.#open(this.#device({ image }), isOpenedSync, (transaction) => {
      const state = states[transaction - base];
      if (state === undefined) throw new Error(`transaction ${transaction} was never accepted`);
      return state;
    });
  }

  /** Mostly the last moment, when most is under way. */
  #pointOf(device: SimulatedDevice, prng: Prng): number {
    const first = this.#lives === 1 ? this.#made : 0;
    return prng.chance(0.3) ? device.point : prng.between(first, device.point + 1);
  }

  /** Point of the first device's log where the store was made. */
  #made = 0;

  async #open(
    device: SimulatedDevice,
    isSync: boolean,
    stateAfter: (transaction: number) => ModelState,
  ): Promise<void> {
    if (this.#lives++ === 0) this.#made = device.point;
    this.#isFaulty = false;
    const options = { ...this.#options.shape.open, environment: this.#environment };
    const store = isSync ? Store.openOnSync(device, options) : await Store.openOn(device, options);
    const { mayBeFull = false } = this.#options.shape;
    const state = stateAfter(store.info().transaction);
    this.#tracked = new TrackedStore(store, device, state, { mayBeFull });
  }

  #device(options: { size: number } | { image: MemoryImage }): SimulatedDevice {
    const { makeDevice = (all) => new SimulatedDevice(all) } = this.#options;
    const path = `life ${this.#lives}`;
    return makeDevice({ ...options, path, scheduler: this.#prng.fork() });
  }
}

/** Stands for everything that devices were asked to do. */
class LogDigest {
  #low = 0;
  #high = 0;

  add(device: SimulatedDevice): void {
    for (const entry of device.log) {
      const bytes = entry.kind === 'write' ? entry.bytes : new Uint8Array(0);
      const head = JSON.stringify([
        entry.kind,
        entry.index,
        'offset' in entry ? entry.offset : 'of' in entry ? entry.of.index : 0,
        this.#low,
        this.#high,
      ]);
      const all = Buffer.concat([Buffer.from(head), bytes]);
      hash(all, 0, all.length);
      this.#low = checksum.low;
      this.#high = checksum.high;
    }
  }

  get text(): string {
    return `${this.#high.toString(16)}-${this.#low.toString(16)}`;
  }
}
