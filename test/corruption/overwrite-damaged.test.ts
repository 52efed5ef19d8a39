/**
 * Writing over a part of damaged data: the new bytes are there, and the rest of what was damaged
 * stays an error, whatever is done to the object. No byte that differs comes to be believed.
 */

import test from 'ava';
import { hasCode, type StoredObject, type Transaction } from '../../src/index.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { type StoreBed, storeBed } from '../support/store-fixture.js';

const KIB = 1024;

/** Damaged at once: what a medium loses. */
const SECTOR = 4 * KIB;

/** Operations on each store. */
const STEPS = Number(process.env['OPS'] ?? 8);

/** What an object should hold, and which of its bytes are those of damaged sectors still. */
interface Expected {
  bytes: Uint8Array;
  bad: Uint8Array;
}

function resized({ bytes, bad }: Expected, size: number): Expected {
  const [longer, longerBad] = [new Uint8Array(size), new Uint8Array(size)];
  longer.set(bytes.subarray(0, size));
  longerBad.set(bad.subarray(0, size));
  return { bytes: longer, bad: longerBad };
}

/** `expected` with a range put into it. */
function patched(expected: Expected, offset: number, part: Expected): Expected {
  const size = Math.max(expected.bytes.length, offset + part.bytes.length);
  const whole = resized(expected, size);
  whole.bytes.set(part.bytes, offset);
  whole.bad.set(part.bad, offset);
  return whole;
}

function sound(bytes: Uint8Array): Expected {
  return { bytes, bad: new Uint8Array(bytes.length) };
}

/** The bytes of a range, undefined when it is damaged. */
function readOrDamage(
  object: StoredObject,
  offset: number,
  length: number,
): Uint8Array | undefined {
  try {
    return object.readSync(offset, length);
  } catch (error) {
    if (hasCode(error, 'E_CORRUPT')) return undefined;
    throw error;
  }
}

/** What is wrong with an object, read in pieces of `piece` bytes. */
function faultOf(
  object: StoredObject,
  { bytes, bad }: Expected,
  piece: number,
): string | undefined {
  for (let at = 0; at < bytes.length; at += piece) {
    const end = Math.min(bytes.length, at + piece);
    const read = readOrDamage(object, at, end - at);
    const isBad = bad.subarray(at, end).includes(1);
    if (read === undefined && !isBad) return `bytes from ${at} are lost`;
    if (read !== undefined && isBad) return `bytes from ${at} are believed`;
    if (read !== undefined && Buffer.compare(read, bytes.subarray(at, end)) !== 0) {
      return `bytes from ${at} differ`;
    }
  }
  return undefined;
}

class Trial {
  readonly #bed: StoreBed;
  readonly #prng: Prng;
  readonly #objects = new Map<string, Expected>();

  constructor(bed: StoreBed, prng: Prng, size: number) {
    this.#bed = bed;
    this.#prng = prng;
    const bytes = prng.bytes(size);
    bed.commit((tx) => tx.createCollection('c').write('c', 'o', 0, bytes));
    bed.reopen();
    this.#objects.set('o', sound(bytes));
  }

  /** Damages sectors of the object, but for its first one. */
  damage(count: number): void {
    const { bytes } = this.#expected('o');
    const image = Buffer.from(this.#bed.device.bytes());
    const chunk = bytes.length > 128 * KIB ? 4 : 1;
    const bad = new Uint8Array(bytes.length);
    const sectors = Array.from({ length: Math.floor(bytes.length / SECTOR) - 1 }, (_, i) => i + 1);
    for (const sector of this.#prng.shuffle(sectors).slice(0, count)) {
      const at = SECTOR * sector;
      const place = image.indexOf(bytes.subarray(at, at + 64));
      this.#bed.device.corrupt(place, Math.min(SECTOR, bytes.length - at), 0x5a);
      const first = at - (at % (chunk * SECTOR));
      bad.fill(1, first, first + chunk * SECTOR);
    }
    this.#objects.set('o', { bytes, bad });
  }

  /** Does something to an object, not along the borders of sectors. */
  step(): void {
    const name = this.#prng.pick([...this.#objects.keys()]);
    const before = this.#expected(name);
    const size = before.bytes.length;
    const offset = this.#prng.below(size);
    const length =
      1 + this.#prng.below(Math.min(size - offset, this.#prng.pick([50, 5000, 50_000])));
    const kinds: Readonly<Record<string, (tx: Transaction) => readonly [string, Expected]>> = {
      write: (tx) => {
        const part = sound(this.#prng.bytes(length));
        tx.write('c', name, offset, part.bytes);
        return [name, patched(before, offset, part)];
      },
      zero: (tx) => {
        tx.zero('c', name, offset, length);
        return [name, patched(before, offset, sound(new Uint8Array(length)))];
      },
      cut: (tx) => {
        const shorter = Math.max(size - length, Math.ceil(size / 2));
        tx.truncate('c', name, shorter);
        return [name, resized(before, shorter)];
      },
      extend: (tx) => {
        tx.truncate('c', name, size + 3000);
        return [name, resized(before, size + 3000)];
      },
      clone: (tx) => {
        tx.clone('c', name, 'clone');
        return ['clone', resized(before, size)];
      },
      cloneRange: (tx) => {
        const part = {
          bytes: before.bytes.slice(offset, offset + length),
          bad: before.bad.slice(offset, offset + length),
        };
        const at = this.#prng.below(5000);
        const to = this.#objects.get('range') ?? sound(new Uint8Array(0));
        tx.cloneRange('c', name, 'range', offset, length, at);
        return name === 'range'
          ? ['range', patched(before, at, part)]
          : ['range', patched(to, at, part)];
      },
    };
    this.#bed.commit((tx) => {
      const [changed, after] = this.#prng.pick(Object.values(kinds))(tx);
      this.#objects.set(changed, after);
    });
  }

  /** What is wrong with any object. */
  fault(): string | undefined {
    for (const [name, expected] of this.#objects) {
      const object = this.#bed.store.collection('c').object(name);
      if (object.statSync().size !== expected.bytes.length) return `${name} has another size`;
      const fault = faultOf(object, expected, this.#prng.pick([509, 4000, 10_000]));
      if (fault !== undefined) return `${name}: ${fault}`;
    }
    return undefined;
  }

  /** Whether some byte is damaged still. */
  get isDamaged(): boolean {
    return [...this.#objects.values()].some(({ bad }) => bad.includes(1));
  }

  /** Writes over all that is damaged. */
  renew(): void {
    for (const [name, { bytes }] of this.#objects) {
      this.#bed.commit((tx) => tx.write('c', name, 0, bytes));
      this.#objects.set(name, sound(bytes));
    }
  }

  #expected(name: string): Expected {
    return this.#objects.get(name) ?? sound(new Uint8Array(0));
  }
}

for (const [title, size] of [
  ['chunks of one block', 30 * KIB],
  ['data written ahead', 100 * KIB + 100],
  ['chunks of several blocks', 300 * KIB],
] as const) {
  test(`a part of damaged data that is written over leaves the rest damaged: ${title}`, (t) => {
    const seed = seedFromEnvironment();
    t.log('SEED', seed);
    for (let round = 0; round < 3; round++) {
      const prng = new Prng(seed + round);
      const bed = storeBed(t, { size: 16 * KIB * KIB });
      const trial = new Trial(bed, prng, size);
      trial.damage(1 + prng.below(3));
      t.is(trial.fault(), undefined, `round ${round}`);
      for (let i = 0; i < STEPS; i++) {
        trial.step();
        t.is(trial.fault(), undefined, `round ${round}, step ${i}`);
        if (prng.chance(0.2)) bed.store.checkpointSync();
        if (prng.chance(0.2)) bed.kill();
        if (prng.chance(0.2)) bed.reopen();
      }
      t.is(trial.fault(), undefined, `round ${round}, in the end`);
      bed.reopen();
      if (trial.isDamaged) t.true(bed.findings().some(({ code }) => code === 'data-damaged'));
      trial.renew();
      t.is(trial.fault(), undefined, `round ${round}, written anew`);
    }
  });
}
