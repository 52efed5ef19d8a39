/**
 * Crash runs: a store works, the power fails, and every image that this can leave is looked at.
 *
 * 1. A segment opens the store (the first one makes it), works, and ends with a power failure.
 * 2. Of all points of the device's log and all that a crash there can leave, a sample is opened:
 *    the state must be that after some prefix of the accepted transactions which contains all
 *    that were acknowledged before the point.
 * 3. Some images work on, are closed, and are opened and checked again; some crash a second time
 *    while they are being opened; some lose the newest superblock.
 * 4. The next segment begins with one of the images, so that its log begins with a recovery.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { checksum, hash } from '../../src/format/checksum.js';
import { superblockNumber } from '../../src/format/superblock.js';
import { hasCode, type MkfsOptions, mkfsOn, type OpenOptions, Store } from '../../src/index.js';
import { fsckFault } from './crash-fsck.js';
import { EMPTY_MODEL, ModelDraft, type ModelState, storeDifference } from './crash-model.js';
import { CrashWorkload } from './crash-workload.js';
import type { MemoryImage } from './memory-image.js';
import type { Prng } from './prng.js';
import { SimulatedDevice } from './simulated-device.js';
import type { CrashChoice } from './simulated-log.js';

export interface CrashRunOptions {
  readonly prng: Prng;
  /** Bytes of the device. */
  readonly size: number;
  readonly mkfs: MkfsOptions;
  readonly open: OpenOptions;
  /** Transactions of a segment. */
  readonly transactions: number;
  /** Crash states of a segment that are looked at, about. */
  readonly states: number;
}

/** What a run has looked at. */
export interface CrashCounts {
  segments: number;
  transactions: number;
  /** Epoch of the last segment's newest checkpoint. */
  epoch: number;
  /** Distinct images that were opened, those of crashes during a recovery included. */
  states: number;
  recoveryStates: number;
  lostSuperblocks: number;
  /** States in which the work went on. */
  continued: number;
  /** Images that fsck has checked. */
  checked: number;
  /** Most transactions that a recovery replayed. */
  replayedMax: number;
}

/** What an image may hold: the transactions up to one of these. */
interface Expected {
  readonly base: number;
  readonly states: readonly ModelState[];
  readonly least: number;
  /** A store may not be there yet. */
  readonly isYoung: boolean;
}

export class CrashRun {
  readonly counts: CrashCounts = {
    segments: 0,
    transactions: 0,
    epoch: 0,
    states: 0,
    recoveryStates: 0,
    lostSuperblocks: 0,
    continued: 0,
    checked: 0,
    replayedMax: 0,
  };
  readonly #options: CrashRunOptions;
  readonly #prng: Prng;
  readonly #seen = new Set<string>();
  /** Where the next segment begins. */
  #image: MemoryImage | undefined;
  #model: ModelState = EMPTY_MODEL;

  constructor(options: CrashRunOptions) {
    this.#options = options;
    this.#prng = options.prng;
  }

  /** One segment, and the crash states of it. */
  async segment(): Promise<void> {
    const { size, mkfs, open, transactions, states } = this.#options;
    const prng = this.#prng;
    const device = new SimulatedDevice({
      size,
      path: `segment ${this.counts.segments}`,
      ...(this.#image !== undefined && { image: this.#image }),
      ...(prng.chance(0.7) && { scheduler: prng.fork() }),
    });
    if (this.#image === undefined) mkfsOn(device, mkfs);
    const made = this.#image === undefined ? device.point : 0;
    const store = prng.chance(0.5)
      ? Store.openOnSync(device, open)
      : await Store.openOn(device, open);
    const workload = new CrashWorkload(store, device, this.#model, prng.fork());
    await workload.run(transactions);
    if (prng.chance(0.2)) await workload.settle();
    this.counts.epoch = store.info().epoch;
    workload.powerOff();
    await turn();
    this.counts.segments++;
    this.counts.transactions += workload.states.length - 1;

    const points = [...device.crashPoints(made === 0 ? 0 : 1)];
    const chance = states / (2 * points.length);
    let left = 0;
    for (const point of points) {
      const least = workload.acknowledgedAt(point);
      const expected = {
        base: workload.base,
        states: workload.states,
        least,
        isYoung: point < made,
      };
      for (const choice of this.#choices(device, point, chance)) {
        this.#look(device, point, choice, expected);
        if (++left % 64 === 0) await turn();
      }
    }
    this.#goOn(device, workload);
  }

  /** Of what a crash at `point` can leave, a few. */
  #choices(device: SimulatedDevice, point: number, chance: number): CrashChoice[] {
    const prng = this.#prng;
    const choices: CrashChoice[] = [];
    for (let rest = chance; rest > 0; rest--) {
      if (!prng.chance(Math.min(1, rest))) continue;
      choices.push(device.randomCrash(prng, point).choice);
      const all = [...device.choicesAt(point)];
      choices.push(prng.pick(all));
    }
    return choices;
  }

  /** The next segment begins with one of the images that this one can leave. */
  #goOn(device: SimulatedDevice, workload: CrashWorkload): void {
    const prng = this.#prng;
    const first = this.#image === undefined ? device.point >> 1 : 0;
    const point = prng.between(first, device.point + 1);
    const { choice } = device.randomCrash(prng, point);
    const image = device.imageAt(point, choice);
    const store = Store.openOnSync(new SimulatedDevice({ image }), this.#options.open);
    this.#model = workload.states[store.info().transaction - workload.base] as ModelState;
    this.#image = image;
  }

  #look(device: SimulatedDevice, point: number, choice: CrashChoice, expected: Expected): void {
    const image = device.imageAt(point, choice);
    if (!this.#isNew(image)) return;
    this.counts.states++;
    try {
      const prng = this.#prng;
      const found = this.#check(image, expected);
      if (found === undefined) return;
      if (prng.chance(0.1)) this.#fsck(image, 'as it was left');
      if (prng.chance(0.1)) this.#crashRecovery(image, expected, found.number);
      if (prng.chance(0.1)) this.#loseSuperblock(image, expected);
      if (prng.chance(0.25)) this.#continue(found.store, found.device, found.model);
    } catch (error) {
      const dropped = [...(choice.drop ?? [])];
      const tears = (choice.tears ?? []).map(({ entry }) => entry);
      throw new Error(
        `Crash in ${device.path} at point ${point}, dropped [${dropped}], torn [${tears}], reversed ${choice.reversed === true}: ${String(error)}`,
        { cause: error },
      );
    }
  }

  #isNew(image: MemoryImage): boolean {
    const bytes = image.bytes();
    hash(bytes, 0, bytes.length);
    const key = `${checksum.low}/${checksum.high}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  /** Opens an image and compares; gives the open store, or nothing where there is none yet. */
  #check(image: MemoryImage, expected: Expected) {
    const { base, states, least, isYoung } = expected;
    const device = new SimulatedDevice({ image });
    let store: Store;
    try {
      store = Store.openOnSync(device, this.#options.open);
    } catch (error) {
      if (isYoung && hasCode(error, 'E_NOT_A_STORE')) return undefined;
      throw error;
    }
    const number = store.info().transaction;
    this.counts.replayedMax = Math.max(this.counts.replayedMax, store.recovery.replayed);
    if (number < least) throw new Error(`transaction ${least} was acknowledged, ${number} is last`);
    const model = states[number - base];
    if (model === undefined) throw new Error(`transaction ${number} was never accepted`);
    const fault = storeDifference(store, model);
    if (fault !== undefined) throw new Error(`state after transaction ${number}: ${fault}`);
    return { store, device, number, model };
  }

  /** The power fails again while the image is being opened. */
  #crashRecovery(image: MemoryImage, expected: Expected, number: number): void {
    const { base, states } = expected;
    const device = new SimulatedDevice({ image });
    Store.openOnSync(device, this.#options.open);
    const model = states[number - base] as ModelState;
    const again: Expected = { base: number, states: [model], least: number, isYoung: false };
    for (const point of device.crashPoints()) {
      const all = [...device.choicesAt(point), device.randomCrash(this.#prng, point).choice];
      for (const choice of this.#prng.shuffle(all).slice(0, 2)) {
        const second = device.imageAt(point, choice);
        if (!this.#isNew(second)) continue;
        this.counts.states++;
        this.counts.recoveryStates++;
        try {
          this.#check(second, again);
        } catch (error) {
          throw new Error(`second crash at point ${point} of opening: ${String(error)}`, {
            cause: error,
          });
        }
      }
    }
  }

  /** The device has lost the newest superblock, one slot of it or both: the older one serves. */
  #loseSuperblock(image: MemoryImage, expected: Expected): void {
    const damaged = image.fork();
    const slots = slotsOf(damaged);
    const newest = Math.max(...slots.map(({ number }) => number));
    const pair = slots.filter(({ number }) => number === newest);
    const lost = this.#prng.chance(0.5) ? pair : [this.#prng.pick(pair)];
    for (const { offset } of lost) damaged.write(offset, new Uint8Array(4096));
    if (!this.#isNew(damaged)) return;
    this.counts.states++;
    this.counts.lostSuperblocks++;
    try {
      this.#check(damaged, expected);
    } catch (error) {
      throw new Error(`superblock ${newest} lost in ${lost.length} slots: ${String(error)}`, {
        cause: error,
      });
    }
  }

  #fsck(image: MemoryImage, when: string): void {
    this.counts.checked++;
    const fault = fsckFault(image);
    if (fault !== undefined) throw new Error(`${when}: ${fault}`);
  }

  /** Works on in a store that was recovered, closes it, and looks again. */
  #continue(store: Store, device: SimulatedDevice, model: ModelState): void {
    const prng = this.#prng;
    this.counts.continued++;
    let state = model;
    for (let i = prng.between(1, 4); i > 0; i--) {
      const draft = new ModelDraft(state);
      const bytes = prng.bytes(prng.pick([30, 3000, 40_000]));
      const transaction = store.transaction();
      if (!state.collections.has('a')) {
        transaction.createCollection('a');
        draft.createCollection('a');
      }
      transaction.write('a', 'continued', 0, bytes).remove('a', 'o1');
      draft.write('a', 'continued', 0, bytes);
      draft.remove('a', 'o1');
      store.commitSync(transaction);
      if (prng.chance(0.3)) store.checkpointSync();
      state = draft.done();
    }
    if (prng.chance(0.5)) store.closeSync();
    const again = new SimulatedDevice({ image: device.image() });
    const reopened = Store.openOnSync(again, this.#options.open);
    const fault = storeDifference(reopened, state);
    if (fault !== undefined) throw new Error(`after working on and reopening: ${fault}`);
    reopened.closeSync();
    this.#fsck(again.image(), 'after working on');
  }
}

/** Superblocks of an image, wherever they lie. */
function slotsOf(image: MemoryImage): { offset: number; number: number }[] {
  const slots: { offset: number; number: number }[] = [];
  const bytes = new Uint8Array(4096);
  for (let offset = 0; offset + 4096 <= image.size; offset += 64 * 1024) {
    image.read(offset, bytes);
    const number = superblockNumber(bytes);
    if (number !== undefined) slots.push({ offset, number });
  }
  return slots;
}
