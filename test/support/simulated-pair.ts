/**
 * A store's device and its journal's, each with a volatile cache of its own, and what a power
 * failure leaves of both.
 *
 * - A *moment* is a call of either device that begins or ends: a crash finds both where they were
 *   then.
 */

import type { MemoryImage } from './memory-image.js';
import type { Prng } from './prng.js';
import { SimulatedDevice } from './simulated-device.js';
import type { CrashChoice } from './simulated-log.js';

/** What is on both devices. */
export interface PairImages {
  readonly data: MemoryImage;
  readonly journal: MemoryImage;
}

/** How far the logs of both have come. */
interface Moment {
  readonly data: number;
  readonly journal: number;
}

/** A crash, and what it left. */
export interface PairCrash extends PairImages {
  /** Moments that had passed. */
  readonly point: number;
}

export interface PairOptions {
  /** Bytes of the devices, where no images are given. */
  readonly sizes?: { readonly data: number; readonly journal: number };
  readonly images?: PairImages;
  /** Ends asynchronous calls of either device in a random order. */
  readonly scheduler?: Prng;
}

/** What a device that is not looked at closely may have lost: nothing, or all that it can. */
const NOTHING: CrashChoice = {};

export class SimulatedPair {
  readonly data: SimulatedDevice;
  readonly journal: SimulatedDevice;
  readonly #moments: Moment[] = [];

  constructor({ sizes, images, scheduler }: PairOptions) {
    const common = {
      ...(scheduler !== undefined && { scheduler }),
      moved: () => this.#moments.push({ data: this.data.point, journal: this.journal.point }),
    };
    const of = (which: 'data' | 'journal') => ({
      path: which,
      ...(sizes !== undefined && { size: sizes[which] }),
      ...(images !== undefined && { image: images[which] }),
    });
    this.data = new SimulatedDevice({ ...common, ...of('data') });
    this.journal = new SimulatedDevice({ ...common, ...of('journal') });
  }

  /** Moments that have passed. */
  get point(): number {
    return this.#moments.length;
  }

  get underWayCount(): number {
    return this.data.underWayCount + this.journal.underWayCount;
  }

  powerOff(): void {
    this.data.powerOff();
    this.journal.powerOff();
  }

  /** What reads see now. */
  images(): PairImages {
    return { data: this.data.image(), journal: this.journal.image() };
  }

  /**
   * Crashes at every moment from `from` on: all choices of the device that moved, with the other
   * one losing nothing, or everything that it can lose.
   */
  *crashes(from = 0): Generator<PairCrash> {
    for (let point = Math.max(1, from); point <= this.point; point++) {
      const moment = this.#moments[point - 1] as Moment;
      const moved = moment.data === (this.#moments[point - 2]?.data ?? 0) ? 'journal' : 'data';
      const still = moved === 'data' ? 'journal' : 'data';
      const rests = [NOTHING, lossOf(this[still], moment[still])];
      for (const choice of this[moved].choicesAt(moment[moved])) {
        const one = this[moved].imageAt(moment[moved], choice);
        for (const rest of rests) {
          const other = this[still].imageAt(moment[still], rest);
          yield moved === 'data'
            ? { point, data: one, journal: other }
            : { point, data: other, journal: one };
        }
      }
    }
  }
}

function lossOf(device: SimulatedDevice, point: number): CrashChoice {
  return { drop: new Set(device.unflushedAt(point).map(({ index }) => index)) };
}
