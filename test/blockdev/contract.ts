/**
 * What every block device has to do, as a suite that each of them runs.
 *
 * - A fixture makes a device of 1 MiB, all zeros, that may grow to 4 MiB if it can grow.
 * - Every test drives one of the two edges, synchronous or asynchronous, from the same body.
 */

import test, { type ExecutionContext } from 'ava';
import type { BlockDevice, WriteOptions } from '../../src/blockdev/block-device.js';
import { hasCode } from '../../src/errors.js';
import { Prng } from '../support/prng.js';

export const CONTRACT_SIZE = 1024 * 1024;
export const CONTRACT_SIZE_MAX = 4 * CONTRACT_SIZE;

export interface ContractDevice {
  readonly device: BlockDevice;
  readonly canGrow: boolean;
  /** Opens the same bytes read-only after the device has been closed. */
  readonly reopen?: () => BlockDevice;
}

/** Makes the device and sees to its end; undefined, after a `t.log`, where it can't be tested. */
export type Fixture = (t: ExecutionContext) => ContractDevice | undefined;

/** One of the two ways to call a device. */
interface Edge {
  readonly read: (device: BlockDevice, offset: number, target: Uint8Array) => Promise<void>;
  readonly write: (
    device: BlockDevice,
    offset: number,
    sources: readonly Uint8Array[],
    options?: WriteOptions,
  ) => Promise<void>;
  readonly flush: (device: BlockDevice) => Promise<void>;
  readonly grow: (device: BlockDevice, size: number) => Promise<void>;
}

const EDGES: Readonly<Record<string, Edge>> = {
  synchronous: {
    read: async (device, offset, target) => device.readSync(offset, target),
    write: async (device, offset, sources, options) => device.writeSync(offset, sources, options),
    flush: async (device) => device.flushSync(),
    grow: async (device, size) => device.growSync(size),
  },
  asynchronous: {
    read: (device, offset, target) => device.read(offset, target),
    write: (device, offset, sources, options) => device.write(offset, sources, options),
    flush: (device) => device.flush(),
    grow: (device, size) => device.grow(size),
  },
};

type Body = (t: ExecutionContext, edge: Edge, fixture: ContractDevice) => Promise<void>;

const PROMISES: Readonly<Record<string, Body>> = {
  'a new device reads as zeros': async (t, edge, { device }) => {
    const target = new Uint8Array(8192).fill(1);
    await edge.read(device, 0, target);
    t.true(target.every((byte) => byte === 0));
    t.is(device.size, CONTRACT_SIZE);
  },

  'write() is read back, and nothing beside it changes': async (t, edge, { device }) => {
    const bytes = new Prng(1).bytes(4096);
    await edge.write(device, 8192, [bytes]);
    t.deepEqual(await bytesAt(edge, device, 8192, 4096), bytes);
    t.deepEqual(await bytesAt(edge, device, 4096, 4096), new Uint8Array(4096));
    t.deepEqual(await bytesAt(edge, device, 12288, 4096), new Uint8Array(4096));
  },

  'write() puts its sources one behind the other, whatever their lengths': async (
    t,
    edge,
    { device },
  ) => {
    const bytes = new Prng(2).bytes(8192);
    const cuts = [0, 1, 1, 513, 4096, 8191, 8192];
    const sources = cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
    await edge.write(device, 4096, sources);
    t.deepEqual(await bytesAt(edge, device, 4096, 8192), bytes);
  },

  'write() takes more sources than the system does at once': async (t, edge, { device }) => {
    const bytes = new Prng(3).bytes(4096 * 3);
    const sources: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 4) sources.push(bytes.subarray(at, at + 4));
    await edge.write(device, 0, sources, { durable: true });
    t.deepEqual(await bytesAt(edge, device, 0, bytes.length), bytes);
  },

  'write() fills the whole device at once': async (t, edge, { device }) => {
    const bytes = new Prng(4).bytes(device.size);
    await edge.write(device, 0, [bytes]);
    t.is(Buffer.compare(await bytesAt(edge, device, 0, device.size), bytes), 0);
  },

  'durable and buffered writes see each other': async (t, edge, { device }) => {
    const prng = new Prng(5);
    const expected = new Uint8Array(64 * 1024);
    for (let i = 0; i < 50; i++) {
      const offset = prng.below(120) * 512;
      const bytes = prng.bytes(prng.between(1, 8) * 512);
      await edge.write(device, offset, [bytes], { durable: prng.chance(0.3) });
      expected.set(bytes, offset);
    }
    t.deepEqual(await bytesAt(edge, device, 0, expected.length), expected);
  },

  'writes that nobody reads soon are seen by reads and other writes': async (
    t,
    edge,
    { device },
  ) => {
    const prng = new Prng(8);
    const expected = new Uint8Array(256 * 1024);
    for (let i = 0; i < 60; i++) {
      const unit = prng.chance(0.7) ? 4096 : 512;
      const offset = prng.below(32) * 4096 + prng.below(2) * unit;
      const bytes = prng.bytes(prng.between(1, 24) * unit);
      await edge.write(device, offset, [bytes], { durable: true, unread: prng.chance(0.6) });
      expected.set(bytes, offset);
      if (prng.chance(0.3)) t.deepEqual(await bytesAt(edge, device, offset, bytes.length), bytes);
    }
    t.deepEqual(await bytesAt(edge, device, 0, expected.length), expected);
  },

  'empty reads and writes are nothing': async (t, edge, { device }) => {
    await edge.write(device, 0, []);
    await edge.write(device, device.size, [new Uint8Array(0)]);
    await edge.read(device, device.size, new Uint8Array(0));
    t.pass();
  },

  'places that make no sense are misuse': async (t, edge, { device }) => {
    const { size, sectorSize } = device;
    const sector = new Uint8Array(sectorSize);
    for (const offset of [-sectorSize, 1, 0.5, Number.NaN, size, size + sectorSize, 2 ** 53]) {
      await t.throwsAsync(edge.read(device, offset, sector), { code: 'E_INVALID_ARGUMENT' });
      await t.throwsAsync(edge.write(device, offset, [sector]), { code: 'E_INVALID_ARGUMENT' });
    }
    const odd = new Uint8Array(sectorSize + 1);
    await t.throwsAsync(edge.read(device, 0, odd), { code: 'E_INVALID_ARGUMENT' });
    await t.throwsAsync(edge.write(device, 0, [sector, odd]), { code: 'E_INVALID_ARGUMENT' });
    const long = new Uint8Array(2 * sectorSize);
    await t.throwsAsync(edge.read(device, size - sectorSize, long), { code: 'E_INVALID_ARGUMENT' });
  },

  'flush() keeps what was written': async (t, edge, { device }) => {
    const bytes = new Prng(6).bytes(4096);
    await edge.write(device, 0, [bytes]);
    await edge.flush(device);
    t.deepEqual(await bytesAt(edge, device, 0, 4096), bytes);
  },

  'grow() appends zeros and keeps the rest': async (t, edge, { device, canGrow }) => {
    const bytes = new Prng(7).bytes(4096);
    const last = device.size - 4096;
    await edge.write(device, last, [bytes]);
    await edge.grow(device, device.size);
    t.is(device.size, CONTRACT_SIZE);
    if (canGrow) {
      t.is(device.sizeMax, CONTRACT_SIZE_MAX);
      const size = CONTRACT_SIZE * 2 + 8192;
      await edge.grow(device, size);
      t.is(device.size, size);
      t.true((await bytesAt(edge, device, CONTRACT_SIZE, 8192)).every((byte) => byte === 0));
      await edge.write(device, size - 4096, [bytes]);
      t.deepEqual(await bytesAt(edge, device, size - 4096, 4096), bytes);
    }
    t.deepEqual(await bytesAt(edge, device, last, 4096), bytes);
  },

  'grow() stops at the limit': async (t, edge, { device, canGrow }) => {
    const size = device.size;
    await t.throwsAsync(edge.grow(device, device.sizeMax + device.sectorSize), {
      code: 'E_NO_SPACE',
    });
    await t.throwsAsync(edge.grow(device, device.size + 1), { code: 'E_INVALID_ARGUMENT' });
    t.is(device.size, size);
    device.limitTo(size + 4096);
    t.is(device.sizeMax, canGrow ? size + 4096 : size);
    device.limitTo(0);
    t.is(device.sizeMax, size);
  },

  'a closed device answers E_CLOSED': async (t, edge, { device }) => {
    device.closeSync();
    device.closeSync();
    const sector = new Uint8Array(device.sectorSize);
    for (const call of [
      () => edge.read(device, 0, sector),
      () => edge.write(device, 0, [sector]),
      () => edge.flush(device),
      () => edge.grow(device, device.size),
    ]) {
      await t.throwsAsync(call(), { code: 'E_CLOSED' });
    }
  },

  'a read-only device reads and answers writes with E_READ_ONLY': async (t, edge, fixture) => {
    const { device, reopen } = fixture;
    if (reopen === undefined) {
      t.pass('this device is never read-only');
      return;
    }
    const bytes = new Prng(8).bytes(4096);
    await edge.write(device, 4096, [bytes]);
    await edge.flush(device);
    device.closeSync();
    const reader = reopen();
    t.true(reader.readOnly);
    t.is(reader.size, CONTRACT_SIZE);
    t.deepEqual(await bytesAt(edge, reader, 4096, 4096), bytes);
    await t.throwsAsync(edge.write(reader, 0, [bytes]), { code: 'E_READ_ONLY' });
    await edge.flush(reader);
  },
};

export interface ContractOptions {
  /** One test at a time, for fixtures that share something. */
  readonly serial?: boolean;
}

/** Runs the suite with each edge; call it once in the device's test file. */
export function testContract(name: string, make: Fixture, options: ContractOptions = {}): void {
  const declare = options.serial === true ? test.serial : test;
  for (const [edgeName, edge] of Object.entries(EDGES)) {
    for (const [title, body] of Object.entries(PROMISES)) {
      declare(`${name}, ${edgeName}: ${title}`, async (t) => {
        const fixture = make(t);
        if (fixture === undefined) {
          t.pass();
          return;
        }
        await body(t, edge, fixture);
      });
    }
  }

  declare(`${name}: calls under way end well when the device is closed`, async (t) => {
    const fixture = make(t);
    if (fixture === undefined) {
      t.pass();
      return;
    }
    const { device } = fixture;
    const bytes = new Prng(9).bytes(256 * 1024);
    const target = new Uint8Array(256 * 1024);
    const calls = [device.write(0, [bytes]), device.read(512 * 1024, target), device.flush()];
    device.closeSync();
    await Promise.all(calls);
    await t.throwsAsync(device.flush(), { code: 'E_CLOSED' });
  });

  declare(`${name}: many calls at once all end`, async (t) => {
    const fixture = make(t);
    if (fixture === undefined) {
      t.pass();
      return;
    }
    const { device } = fixture;
    const prng = new Prng(10);
    const blocks = Array.from({ length: 64 }, () => prng.bytes(4096));
    await Promise.all(blocks.map((block, i) => device.write(i * 4096, [block])));
    await Promise.all([device.flush(), device.flush()]);
    for (const [i, block] of blocks.entries()) {
      const target = new Uint8Array(4096);
      await device.read(i * 4096, target);
      t.is(Buffer.compare(target, block), 0);
    }
  });
}

/** `open` is refused with E_BUSY and this process's pid, while a device has the same path open. */
export function checkSecondOpener(t: ExecutionContext, open: () => BlockDevice): void {
  const error = t.throws(open, { message: new RegExp(`process ${process.pid}\\b`) });
  t.true(hasCode(error, 'E_BUSY'));
}

async function bytesAt(
  edge: Edge,
  device: BlockDevice,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  await edge.read(device, offset, target);
  return target;
}
