/**
 * Looks at what crashes leave: every distinct image once.
 *
 * 1. The image is opened. The store must hold the state after some transaction that was accepted,
 *    and not an older one than the last that was acknowledged before the crash.
 * 2. fsck --deep looks at what opening has made of the device.
 * 3. The power fails again at every point of the opening; what this leaves must come back with
 *    the very same state.
 * 4. Of some states the work goes on: commits, a checkpoint, an end, an opening, fsck.
 *
 * - Images are told apart by their digest, from before the opening.
 */

import type { MkfsOptions, OpenOptions } from '../../src/index.js';
import { Store } from '../../src/index.js';
import { fsckFault } from '../support/crash-fsck.js';
import type { MemoryImage } from '../support/memory-image.js';
import type { ModelState } from '../support/model.js';
import { compareStore } from '../support/model-compare.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';
import type { CrashChoice } from '../support/simulated-log.js';
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
  /** Images that a crash left and that had been looked at before. */
  repeated: number;
  /** Distinct images that fsck --deep has checked. */
  checked: number;
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

/** One distinct state of so many is worked on in. */
const CONTINUED_EVERY = 61;

export class CrashChecker {
  readonly counts: CrashCounts = {
    states: 0,
    secondCrashes: 0,
    repeated: 0,
    checked: 0,
    continued: 0,
    replayedMax: 0,
  };
  /** Digests of all images that were opened. */
  readonly seen = new Set<number>();
  readonly #checked = new Set<number>();
  readonly #shape: Shape;

  constructor(shape: Shape) {
    this.#shape = shape;
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
      if (this.seen.size % CONTINUED_EVERY === 0) this.#continue(opened);
      this.#crashAgain(opened);
    } catch (error) {
      throw new Error(`Crash at ${describe(point, choice)}: ${text(error)}`, { cause: error });
    }
  }

  #isNew(image: MemoryImage): boolean {
    const digest = image.digest();
    const { size } = this.seen;
    if (this.seen.add(digest).size > size) {
      this.counts.states++;
      return true;
    }
    this.counts.repeated++;
    return false;
  }

  /** Opens an image, compares, and has fsck look at it. */
  #open(image: MemoryImage, { base, states, least }: Expected): Opened {
    const device = new SimulatedDevice({ image });
    const environment = new SimulatedEnvironment(); // an opening depends on the image alone
    const store = Store.openOnSync(device, { ...this.#shape.open, environment });
    const number = store.info().transaction;
    this.counts.replayedMax = Math.max(this.counts.replayedMax, store.recovery.replayed);
    if (number < least) throw new Error(`transaction ${least} was acknowledged, ${number} is last`);
    const model = states[number - base];
    if (model === undefined) throw new Error(`transaction ${number} was never accepted`);
    compareStore(store, model, { prng: new Prng(number), part: 1 });
    this.#fsck(device.image(), 'after opening');
    return { store, device, number, model };
  }

  /** The power fails again while the image is being opened. */
  #crashAgain({ device, number, model }: Opened): void {
    const expected: Expected = { base: number, states: [model], least: number };
    for (const point of device.crashPoints()) {
      for (const choice of device.choicesAt(point)) {
        const image = device.imageAt(point, choice);
        if (!this.#isNew(image)) continue;
        this.counts.secondCrashes++;
        try {
          this.#open(image, expected);
        } catch (error) {
          const where = `second crash at ${describe(point, choice)} of the opening`;
          throw new Error(`${where}: ${text(error)}`, { cause: error });
        }
      }
    }
  }

  /** Works on in a store that was recovered, ends it, and looks again. */
  #continue({ device, model }: Opened): void {
    this.counts.continued++;
    const { open } = this.#shape;
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
    if (this.counts.continued % 2 === 0) store.closeSync();
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
    const { size } = this.#checked;
    if (this.#checked.add(image.digest()).size === size) return;
    this.counts.checked++;
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

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
