/**
 * Large durable puts, one at a time, beside the plain file: what of their time is the growing of the
 * file, and what they write. Part of bench/engine.bench.ts.
 *
 * - *preallocated*: new objects in a file that is there, as the plain file is.
 * - *growing*: new objects in a file that grows for them.
 * - *overwriting*: a few objects again and again; the file grows until enough comes back.
 */

import { closeSync, constants, fdatasyncSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type MkfsOptions, mkfsSync, Store } from '../src/index.js';
import { writtenBytes } from './compare/bench.js';
import { alternate, type Figure, show } from './measure.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** The last does not end at a block. */
const SIZES: readonly number[] = [64 * KIB, MIB, MIB - 100];

/** Bytes that the plain file goes round in. */
const RING_BYTES = 64 * MIB;

/** Bytes of the objects that are overwritten: few, so that the warm-up leaves the state that lasts. */
const OVERWRITTEN_BYTES = 8 * MIB;

export interface LargePutOptions {
  readonly rounds: number;
  readonly quick: boolean;
}

/** Processor time and bytes written of all rounds but the one that warms up. */
interface Cost {
  cpuMicros: number;
  written: number;
  puts: number;
}

/** One way to write a value. */
interface Way {
  readonly path: string;
  readonly cost: Cost;
  readonly put: (index: number, value: Uint8Array) => void;
  readonly close: () => void;
}

export async function largePutSuite(directory: string, options: LargePutOptions): Promise<void> {
  for (const size of SIZES) await compare(directory, size, options);
}

async function compare(
  directory: string,
  size: number,
  { rounds, quick }: LargePutOptions,
): Promise<void> {
  const count = Math.ceil(((quick ? 64 : 256) * MIB) / size);
  const needed = 2 * (rounds + 1) * count * (size + 4 * KIB) + 256 * MIB;
  const at = (name: string): string => join(directory, `${name}-${size}`);
  const overwritten = Math.floor(OVERWRITTEN_BYTES / size);
  const ways: Readonly<Record<string, Way>> = {
    raw: rawFile(at('raw'), size),
    preallocated: store(at('preallocated'), { size: needed, preallocate: true }, Number.MAX_VALUE),
    growing: store(at('growing'), { size: 16 * GIB }, Number.MAX_VALUE),
    overwriting: store(at('overwriting'), { size: 16 * GIB }, overwritten),
  };
  const value = Buffer.alloc(size);
  const cases = Object.entries(ways).map(([name, way]) => {
    return [name, (round: number) => putSome(way, value, count, round)] as const;
  });
  const figures: Record<string, Figure> = await alternate(rounds, Object.fromEntries(cases));
  const raw = figures['raw']?.median ?? Number.NaN;
  console.log(`${size} bytes, ${count} a round`);
  for (const [name, way] of Object.entries(ways)) {
    const figure = figures[name];
    if (figure !== undefined) print(name, way, figure, figure.median / raw, size);
    way.close();
  }
}

/** Puts `count` values, each with other last bytes; how many a second. */
async function putSome(way: Way, value: Buffer, count: number, round: number): Promise<number> {
  const { cost } = way;
  const before = { cpu: process.cpuUsage(), written: writtenBytes(), at: performance.now() };
  for (let i = 0; i < count; i++) {
    const index = count * (round + 1) + i;
    value.writeUInt32LE(index, value.length - 4);
    way.put(index, value);
  }
  const seconds = (performance.now() - before.at) / 1000;
  const { user, system } = process.cpuUsage(before.cpu);
  if (round >= 0) {
    cost.cpuMicros += user + system;
    cost.written += writtenBytes() - before.written;
    cost.puts += count;
  }
  await new Promise(setImmediate); // what runs in the background gets its turn
  return count / seconds;
}

function print(
  name: string,
  { path, cost }: Way,
  figure: Figure,
  ratio: number,
  size: number,
): void {
  const micros = Math.round(cost.cpuMicros / cost.puts);
  const amplification = (cost.written / cost.puts / size).toFixed(2);
  const megabytes = Math.round(statSync(path).size / MIB);
  console.log(
    `  ${name}: ${show(figure, '/s')}, ${ratio.toFixed(2)} of raw, ${micros} us of processor time, ${amplification} bytes written a byte, file ${megabytes} MiB`,
  );
}

function noCost(): Cost {
  return { cpuMicros: 0, written: 0, puts: 0 };
}

function rawFile(path: string, size: number): Way {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT);
  const places = Math.floor(RING_BYTES / size);
  for (let i = 0; i < places; i++) writeSync(fd, Buffer.alloc(size, i), 0, size, i * size);
  fdatasyncSync(fd);
  const put = (index: number, value: Uint8Array): void => {
    writeSync(fd, value, 0, size, (index % places) * size);
    fdatasyncSync(fd);
  };
  return { path, cost: noCost(), put, close: () => closeSync(fd) };
}

/** A store in which puts go round in `objects` objects. */
function store(path: string, options: MkfsOptions, objects: number): Way {
  mkfsSync(path, options);
  const opened = Store.openSync(path, { cacheBytes: 64 * MIB });
  opened.commitSync(opened.transaction().createCollection('c'));
  const put = (index: number, value: Uint8Array): void => {
    opened.commitSync(opened.transaction().write('c', `o${index % objects}`, 0, value));
  };
  return { path, cost: noCost(), put, close: () => opened.closeSync() };
}
