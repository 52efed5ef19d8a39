/**
 * Looks at what crashes leave: every distinct image once.
 *
 * 1. The image is opened. The store must hold the state after some transaction that was accepted,
 *    and not an older one than the last that was acknowledged before the crash.
 * 2. fsck --deep looks at what opening has made of the device.
 * 3. The power fails again at every point of the opening; what this leaves must come back with
 *    the very same state; of some of these openings it fails a third time.
 * 4. Some lose the newest superblock, one slot of it or both: the twin or the older one serves.
 * 5. Of some states the work goes on: commits, a checkpoint, an end, an opening, fsck.
 *
 * - Images are told apart by their digest, from before the opening.
 */

import { type MkfsOptions, type OpenOptions, Store } from '../../src/index.js';
import { fsckFault } from '../support/crash-fsck.js';
import type { MemoryImage } from '../support/memory-image.js';
import type { ModelState } from '../support/model.js';
import { compareStore } from '../support/model-compare.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';
import type { CrashChoice } from '../support/simulated-log.js';
import { superblockLosses, withoutSlots } from './superblock-loss.js';
import { TrackedStore } from './tracked-store.js';

/** A kind of store: how it is made and opened. */
export interface Shape {
  /** Bytes of the device. */
  readonly size: number;
  readonly mkfs: MkfsOptions;
  readonly open: OpenOptions;
}

/** What was looked at. */
export interface CrashCounts {
  /** Distinct images that were opened. */
  states: number;
  /** Those of them that a crash during an opening left. */
  secondCrashes: number;
  /** Those that a crash during the opening after a second crash left. */
  thirdCrashes: number;
  /** Images that a crash left and that had been looked at before. */
  repeated: number;
  /** Distinct images that fsck --deep has checked. */
  checked: number;
  /** Images that lost the newest superblock as well. */
  lostSuperblocks: number;
  /** States in which the work went on. */
  continued: number;
  /** Most transactions that an opening replayed. */
  replayedMax: number;
}

/** What an image may hold: the state after one of these transactions. */
export interface Expected {
  readonly base: number;
  readonly states: readonly ModelState[];
  /** Last transaction that was acknowledged. */
  readonly least: number;
}

interface Opened {
  readonly store: Store;
  readonly device: SimulatedDevice;
  readonly number: number;
  readonly model: ModelState;
}

/**
 * Of so many distinct states one loses its superblock, or is worked on in; of so many that a second
 * crash has left one crashes again.
 */
const LOST_EVERY = 5;
const THIRD_EVERY = 23;
const CONTINUED_EVERY = 61;

/** What several checkers have looked at together. */
export class CrashTally {
  readonly counts: CrashCounts = {
    states: 0,
    secondCrashes: 0,
    thirdCrashes: 0,
    repeated: 0,
    checked: 0,
    lostSuperblocks: 0,
    continued: 0,
    replayedMax: 0,
  };
  /** Digests of all images that were opened. */
  readonly seen = new Set<number>();
  /** Digests of all images that fsck has checked. */
  readonly checked = new Set<number>();
}

export interface CheckOptions {
  /** How the images are opened. */
  readonly open: OpenOptions;
  readonly tally: CrashTally;
  /** False leaves out second crashes and working on. */
  readonly isThorough?: boolean;
}

export class CrashChecker {
  readonly #options: OpenOptions;
  readonly #tally: CrashTally;
  readonly #isThorough: boolean;

  constructor({ open, tally, isThorough = true }: CheckOptions) {
    this.#options = open;
    this.#tally = tally;
    this.#isThorough = isThorough;
  }

  /** Looks at every crash in [from, to] of the device of `tracked`. */
  checkAll(tracked: TrackedStore, from: number, to: number): void {
    const { device, base, states } = tracked;
    for (const point of device.crashPoints(from, to)) {
      const least = tracked.acknowledgedAt(point);
      for (const choice of device.choicesAt(point)) {
        this.checkOne(device, point, choice, { base, states, least });
      }
    }
  }

  /** Looks at one crash. @throws Error that says which, with what is wrong as its cause */
  checkOne(device: SimulatedDevice, point: number, choice: CrashChoice, expected: Expected): void {
    const image = device.imageAt(point, choice);
    if (!this.#isNew(image)) return;
    try {
      const opened = this.#open(image, expected);
      if (!this.#isThorough) return;
      if (image.digest() % LOST_EVERY === 0) this.#loseSuperblock(image, expected);
      if (image.digest() % CONTINUED_EVERY === 0) this.#continue(opened);
      this.#crashAgain(opened, 'second');
    } catch (error) {
      throw new Error(`Crash at ${describe(point, choice)}: ${messageOf(error)}`, { cause: error });
    }
  }

  #isNew(image: MemoryImage): boolean {
    const { counts, seen } = this.#tally;
    const { size } = seen;
    const isNew = seen.add(image.digest()).size > size;
    counts[isNew ? 'states' : 'repeated']++;
    return isNew;
  }

  /** Opens an image, compares, and has fsck look at it. */
  #open(image: MemoryImage, { base, states, least }: Expected): Opened {
    const device = new SimulatedDevice({ image });
    const environment = new SimulatedEnvironment(); // an opening depends on the image alone
    const store = Store.openOnSync(device, { ...this.#options, environment });
    const number = store.info().transaction;
    this.#tally.counts.replayedMax = Math.max(
      this.#tally.counts.replayedMax,
      store.recovery.replayed,
    );
    if (number < least) throw new Error(`transaction ${least} was acknowledged, ${number} is last`);
    const model = states[number - base];
    if (model === undefined) throw new Error(`transaction ${number} was never accepted`);
    compareStore(store, model, { prng: new Prng(number), part: 1 });
    this.#fsck(device.image(), 'after opening');
    return { store, device, number, model };
  }

  /** The power fails again while the image is being opened. */
  #crashAgain({ device, number, model }: Opened, which: 'second' | 'third'): void {
    const expected: Expected = { base: number, states: [model], least: number };
    for (const point of device.crashPoints()) {
      for (const choice of device.choicesAt(point)) {
        const image = device.imageAt(point, choice);
        if (!this.#isNew(image)) continue;
        this.#tally.counts[`${which}Crashes`]++;
        try {
          const opened = this.#open(image, expected);
          const isThird = which === 'second' && image.digest() % THIRD_EVERY === 0;
          if (isThird) this.#crashAgain(opened, 'third');
        } catch (error) {
          const where = `${which} crash at ${describe(point, choice)} of the opening`;
          throw new Error(`${where}: ${messageOf(error)}`, { cause: error });
        }
      }
    }
  }

  /** The device loses the newest superblock as well. */
  #loseSuperblock(image: MemoryImage, expected: Expected): void {
    for (const lost of superblockLosses(image)) {
      const damaged = withoutSlots(image, lost);
      if (!this.#isNew(damaged)) continue;
      this.#tally.counts.lostSuperblocks++;
      try {
        this.#open(damaged, expected);
      } catch (error) {
        const text = `newest superblock lost at [${lost}]: ${messageOf(error)}`;
        throw new Error(text, { cause: error });
      }
    }
  }

  /** Works on in a store that was recovered, ends it, and looks again. */
  #continue({ device, model }: Opened): void {
    this.#tally.counts.continued++;
    const open = this.#options;
    const copy = new SimulatedDevice({ image: device.image() });
    const environment = new SimulatedEnvironment();
    const tracked = TrackedStore.openSync(copy, model, { ...open, environment });
    const { store } = tracked;
    const write = (i: number, length: number): void => {
      const transaction = store.transaction();
      if (i === 0) transaction.createCollection('on');
      store.commitSync(transaction.write('on', `o${i}`, 0, new Uint8Array(length).fill(i + 1)));
    };
    write(0, 30);
    write(1, 3000);
    store.checkpointSync();
    write(2, 200);
    if (this.#tally.counts.continued % 2 === 0) store.closeSync();
    const again = new SimulatedDevice({ image: copy.image() });
    const reopened = Store.openOnSync(again, { ...open, environment });
    for (const [i, length] of [30, 3000, 200].entries()) {
      const data = reopened.collection('on').object(`o${i}`).readSync();
      if (data.length !== length || data.some((byte) => byte !== i + 1)) {
        throw new Error(`object ${i} of those written after recovery differs`);
      }
    }
    reopened.commitSync(reopened.transaction().dropCollection('on'));
    reopened.closeSync();
    this.#fsck(again.image(), 'after working on');
  }

  #fsck(image: MemoryImage, when: string): void {
    const { size } = this.#tally.checked;
    if (this.#tally.checked.add(image.digest()).size === size) return;
    this.#tally.counts.checked++;
    const fault = fsckFault(image);
    if (fault !== undefined) throw new Error(`${when}: ${fault}`);
  }
}

function describe(point: number, { drop, tears = [], reversed = false }: CrashChoice): string {
  const torn = tears.map(({ entry, sectors }) => {
    return `${entry} after ${typeof sectors === 'number' ? sectors : [...sectors].join('+')} sectors`;
  });
  return `point ${point}, lost [${[...(drop ?? [])]}], torn [${torn}]${reversed ? ', reversed' : ''}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
