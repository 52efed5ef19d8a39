/**
 * What the table of planters is made of: for each kind of finding a sound store, and a way to
 * plant a number of faults in it of which the places are known.
 */

import type { BlockDevice } from '../../../src/blockdev/block-device.js';
import type { MemoryDevice } from '../../../src/blockdev/memory-device.js';
import type { ComparatorRegistry } from '../../../src/btree/comparator.js';
import type { FindingCode, Where } from '../../../src/fsck/finding.js';
import type { RepairOptions } from '../../../src/fsck/repair.js';
import { Planter } from '../planter.js';
import { copyOf } from '../repair-fixture.js';

/** A finding that must be made: its code and all that it says of its place. */
export interface Expected extends Where {
  readonly code: FindingCode;
}

/** What planting has done. */
export interface Planted {
  /** Where the faults are, each once. */
  readonly places: readonly Where[];
  /** What the faults rightly bring with them. */
  readonly implied?: readonly Expected[];
  /** The device to look at, where it is another one. */
  readonly device?: BlockDevice;
  /** The orders that are known, where these are not all. */
  readonly comparators?: ComparatorRegistry;
}

export interface Kind {
  /** A sound store, the caller's. */
  store(): MemoryDevice;
  plant(device: MemoryDevice, count: number): Planted;
  /** How many faults are planted; fewer than three only with a reason. */
  readonly counts: readonly number[];
  /** Why there can't be three. */
  readonly fewer?: string;
  /** Why a fault rightly brings another finding with it. */
  readonly because?: string;
  /** Objects that a fault damages; all others stay as they are. */
  readonly losses?: RegExp;
  /** Why no repair can heal it: the findings stay, and nothing is written. */
  readonly stays?: string;
  /** Where repair puts what it brings back, if not under its own name. */
  readonly moved?: (name: string) => string;
  /** Options without which repair would leave it. */
  readonly asked?: Partial<RepairOptions>;
}

/** One, and three. */
export const SEVERAL = [1, 3] as const;

/** What follows from a node that can't be walked. */
export const SPACE_UNKNOWN: Expected = { code: 'space-unknown' };
export const UNCOUNTED =
  'What is below cannot be walked, so leaks cannot be told: one note for all.';

/** A function that makes a store once and gives copies of it. */
export function copiesOf(make: () => MemoryDevice): () => MemoryDevice {
  let made: MemoryDevice | undefined;
  return () => {
    made ??= make();
    return copyOf(made);
  };
}

/** Plants in the image of a store, which is written back. */
export function inImage(
  plant: (planter: Planter, count: number) => Planted,
): (device: MemoryDevice, count: number) => Planted {
  return (device, count) => {
    const planter = new Planter(device);
    planter.forgetOlder();
    const planted = plant(planter, count);
    planter.write();
    return planted;
  };
}

/** Where blocks lie. */
export function run({ superblock }: Planter, start: number, length: number): Where {
  return { offset: start * superblock.blockSize, length: length * superblock.blockSize };
}

/** The numbers from 0 to `count` - 1. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
