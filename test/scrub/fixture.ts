/**
 * Stores in memory for the tests of scrub, and devices that read their medium in ways of their own.
 */

import {
  MemoryDevice,
  mkfsOn,
  type ScrubOptions,
  type ScrubReport,
  Store,
  StoreError,
} from '../../src/index.js';

export const BLOCK = 1024;

const MIB = 1024 * 1024;

/** What a device tells of its reads, and may do to them. */
export interface ReadHook {
  /** Before `target` is filled with the bytes at `offset`. May throw. */
  before?(offset: number, length: number): void;
  /** Afterwards. */
  after?(offset: number, target: Uint8Array): void;
}

/** A device in memory whose medium is read by a way of its own, as that of a file is. */
export class HookedDevice extends MemoryDevice {
  hook: ReadHook = {};

  /** What a device throws that can't read. */
  static failure(offset: number): StoreError {
    return new StoreError('E_IO', `Cannot read at offset ${offset} of memory: EIO`);
  }

  readMediaSync(offset: number, target: Uint8Array): void {
    this.hook.before?.(offset, target.length);
    this.readSync(offset, target);
    this.hook.after?.(offset, target);
  }

  async readMedia(offset: number, target: Uint8Array): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // as from a thread: others go on
    this.readMediaSync(offset, target);
  }
}

export function newDevice(size = 24 * MIB): HookedDevice {
  const device = new HookedDevice({ size });
  mkfsOn(device, { blockSize: BLOCK, nodeSize: BLOCK });
  return device;
}

/** A device with the same bytes. */
export function copyOf(device: MemoryDevice): HookedDevice {
  const bytes = new Uint8Array(device.size);
  device.readSync(0, bytes);
  const copy = new HookedDevice({ size: device.size });
  copy.writeSync(0, [bytes]);
  return copy;
}

/** Changes a byte of a device by its complement. */
export function flipByte(device: MemoryDevice, offset: number): void {
  const sector = new Uint8Array(512);
  const at = offset - (offset % 512);
  device.readSync(at, sector);
  sector[offset - at] = ~(sector[offset - at] as number);
  device.writeSync(at, [sector]);
}

/** What a scrub of a store on `device` says that is opened read-only, as it is on the device. */
export async function scrubOf(
  device: HookedDevice,
  options: ScrubOptions = {},
): Promise<ScrubReport> {
  const store = Store.openOnSync(device, { readOnly: true });
  return await store.scrub(options);
}

const pad = (index: number): string => String(index).padStart(3, '0');

/** Data in which no two blocks are equal. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 4 <= length; at += 4) view.setUint32(at, Math.imul(at + seed, 2654435761));
  return bytes;
}

/** A store with trees of several levels of every role, shared blocks and large values. */
export function fill(store: Store): void {
  const tx = store.transaction().createCollection('c').createCollection('other');
  for (let i = 0; i < 40; i++) tx.write('c', `object-${pad(i)}`, 0, pattern(1500, i * 7919));
  for (let i = 0; i < 60; i++) tx.write('c', 'large', i * 3000, pattern(3000, 1e6 + i * 104_729));
  for (let i = 0; i < 300; i++) tx.mapSet('c', 'large', [[`k${pad(i)}`, pattern(50, i)]]);
  tx.setAttribute('c', 'large', 'big', pattern(20_000, 5e6));
  for (let i = 0; i < 60; i++) tx.setAttribute('c', 'large', `a${pad(i)}`, pattern(60, i));
  tx.mapSet('c', 'large', [['k-large', pattern(30_000, 6e6)]]);
  store.commitSync(tx);
  for (let i = 0; i < 30; i++) store.commitSync(store.transaction().createCollection(`x${pad(i)}`));
  const more = store.transaction().cloneCollection('c', 'd');
  for (let i = 0; i < 200; i++) more.reserve(`r${pad(i)}`, { bytes: 1000, operations: 1, keys: 1 });
  store.commitSync(more);
  // Changed in one of the clones: counts of references stand in many runs.
  for (let i = 0; i < 40; i += 2) {
    store.commitSync(store.transaction().write('d', `object-${pad(i)}`, 0, pattern(700, 9e6 + i)));
  }
  for (let i = 0; i < 60; i += 2) {
    store.commitSync(
      store.transaction().cloneRange('c', 'large', 'copy', i * 3000, 1000, i * 1000),
    );
  }
  store.checkpointSync();
}

/** A device with such content, and with trees that were dropped and are not worked off. */
export function filledDevice(): HookedDevice {
  const device = newDevice();
  const store = Store.openOnSync(device);
  fill(store);
  const tx = store.transaction();
  for (let i = 0; i < 160; i++) {
    for (let at = 0; at < 5; at++)
      tx.write('other', `gone-${pad(i)}`, at * 2000, pattern(1100, 11e6 + i * 997));
  }
  store.commitSync(tx);
  const gone = store.transaction();
  for (let i = 0; i < 160; i++) gone.remove('other', `gone-${pad(i)}`);
  store.commitSync(gone);
  store.checkpointSync();
  return copyOf(device);
}
