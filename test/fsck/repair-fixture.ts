/**
 * Repairing stores in the tests of fsck, and looking at what they hold afterwards.
 */

import { createHash } from 'node:crypto';
import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { hasCode, StoreError } from '../../src/errors.js';
import type { Finding } from '../../src/fsck/finding.js';
import { type RepairOptions, type RepairReport, repair } from '../../src/fsck/repair.js';
import { type MapEntry, Store, type StoredObject } from '../../src/index.js';
import { MemoryImage } from '../support/memory-image.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { deepStore, ORDERS, registry } from './fixture.js';

export interface Mended {
  readonly report: RepairReport;
  /** The codes that were found first, each once, sorted. */
  readonly codes: readonly string[];
  readonly left: readonly Finding[];
}

/** Repairs, synchronously. */
export function mend(device: BlockDevice, options: Partial<RepairOptions> = {}): Mended {
  const codes = new Set<string>();
  const left: Finding[] = [];
  const report = runSync(
    repair(device, {
      comparators: registry(),
      onFinding: ({ code }) => codes.add(code),
      onLeft: (finding) => left.push(finding),
      ...options,
    }),
  );
  return { report, codes: [...codes].sort(), left };
}

/** A simulated device with the bytes of `device`, zeros where these can't be read. */
export function simulated(device: BlockDevice): SimulatedDevice {
  const image = new MemoryImage(device.size);
  const bytes = new Uint8Array(1024);
  for (let at = 0; at < device.size; at += bytes.length) {
    const part = bytes.subarray(0, Math.min(bytes.length, device.size - at));
    try {
      device.readSync(at, part);
      image.write(at, part);
    } catch (error) {
      if (!hasCode(error, 'E_IO')) throw error;
    }
  }
  return new SimulatedDevice({ image });
}

/** Bytes of an object that are read at once. */
const PIECE = 1000;

/** What one object holds: pieces of its bytes, and attributes and map entries as text. */
export type Content = readonly string[];

/** What stands for something that cannot be read. */
export const DAMAGED = 'damaged';

/** What all objects of a store hold, by `collection/object`. */
export function contentOf(device: BlockDevice): Map<string, Content> {
  const store = Store.openOnSync(simulated(device), { readOnly: true, comparators: ORDERS });
  const contents = new Map<string, Content>();
  for (const collection of store.listCollectionsSync()) {
    for (const { name } of listed(() => store.collection(collection).listSync())) {
      const key = `${Buffer.from(collection)}/${Buffer.from(name)}`;
      contents.set(key, contentOfObject(store.collection(collection).object(name)));
    }
  }
  return contents;
}

/** What can be listed: nothing where the list is damaged. */
function listed<T>(list: () => readonly T[]): readonly T[] {
  try {
    return list();
  } catch (error) {
    if (hasCode(error, 'E_CORRUPT')) return [];
    throw error;
  }
}

function contentOfObject(object: StoredObject): Content {
  const { size } = object.statSync();
  const content: string[] = [];
  for (let at = 0; at < size; at += PIECE) {
    content.push(`${at} ${readable(() => object.readSync(at, PIECE))}`);
  }
  content.push(...linesOf('attribute', () => object.attributesSync()));
  content.push(...linesOf('map', () => object.mapEntriesSync()));
  return content;
}

function linesOf(what: string, read: () => readonly MapEntry[]): string[] {
  try {
    return read().map(
      ([key, value]) => `${what} ${Buffer.from(key).toString('hex')} ${readable(() => value)}`,
    );
  } catch (error) {
    if (hasCode(error, 'E_CORRUPT')) return [`${what} ${DAMAGED}`];
    throw error;
  }
}

function readable(read: () => Uint8Array): string {
  try {
    return createHash('sha1').update(read()).digest('hex');
  } catch (error) {
    if (hasCode(error, 'E_CORRUPT')) return DAMAGED;
    throw error;
  }
}

/** Lines of what could be read and can't be any more. */
export function worse(
  before: ReadonlyMap<string, Content>,
  after: ReadonlyMap<string, Content>,
): string[] {
  return [...before].flatMap(([name, content]) => {
    const found = new Set([...(after.get(name) ?? []), ...(after.get(`lost+found/${name}`) ?? [])]);
    return content.filter((line) => !line.endsWith(DAMAGED) && !found.has(line));
  });
}

/** A device of its own with the same bytes. */
export function copyOf(device: MemoryDevice): MemoryDevice {
  return shortened(device, device.size);
}

/** A device of its own with the first `size` bytes. */
export function shortened(device: BlockDevice, size: number): MemoryDevice {
  const copy = new MemoryDevice({ size });
  const bytes = new Uint8Array(size);
  device.readSync(0, bytes);
  copy.writeSync(0, [bytes]);
  return copy;
}

let deep: MemoryDevice | undefined;

/** A copy of `deepStore`, which is made once. */
export function deepCopy(): MemoryDevice {
  deep ??= deepStore();
  return copyOf(deep);
}

/** A device on which some blocks cannot be read. */
class FailingDevice extends MemoryDevice {
  bad: readonly { readonly from: number; readonly to: number }[] = [];

  override readSync(offset: number, target: Uint8Array): void {
    if (this.bad.some(({ from, to }) => offset < to && offset + target.length > from)) {
      throw new StoreError('E_IO', `Cannot read ${this.path} at ${offset}: medium error`);
    }
    super.readSync(offset, target);
  }
}

/** A copy of `device` on which the blocks at `addresses` cannot be read. */
export function failing(device: MemoryDevice, ...addresses: number[]): MemoryDevice {
  const copy = new FailingDevice({ size: device.size });
  const bytes = new Uint8Array(device.size);
  device.readSync(0, bytes);
  copy.writeSync(0, [bytes]);
  copy.bad = addresses.map((address) => ({ from: address * 1024, to: address * 1024 + 1024 }));
  return copy;
}
