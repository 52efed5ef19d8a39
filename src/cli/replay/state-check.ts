/**
 * Compares a store with the state that the trace's own OSD ended in.
 *
 * - Collections with their bits; objects; sizes; names and lengths of attributes; keys and lengths
 *   of the map; the length of its header; and every hash that the state has.
 * - A hash can only be compared where the trace gave the bytes. Where it gave a length, the bytes
 *   were made up here, which can be told from looking at them (synthetic-data.ts); values too
 *   short for that count as made up when they differ.
 */

import { createHash } from 'node:crypto';
import {
  formatGhobject,
  isTemporaryCollection,
  type MapEntry,
  PgCollection,
  parseGhobject,
  type Store,
  type StoredObject,
  StoreError,
} from '../../index.js';
import { collectionPages, mapPages } from '../pages.js';
import { printable } from '../text.js';
import { CURSOR_COLLECTION } from './cursor.js';
import { encodeText } from './escaped-text.js';
import { badLine } from './line-error.js';
import { readLines } from './line-reader.js';
import { type StatedLength, type StatedObject, statedLine } from './state-line.js';
import { hasSyntheticWord } from './synthetic-data.js';

/** Data that is read at once. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** Shorter values can't be told from others. */
const RECOGNISED_BYTES = 8;

/** What was compared, and with what result. */
export interface StateReport {
  readonly collections: number;
  readonly objects: number;
  /** Objects and values of which every byte was compared, by its hash. */
  readonly dataVerified: number;
  readonly valuesVerified: number;
  /** Those that have a hash in the state, but whose bytes the trace did not give. */
  readonly dataUnknown: number;
  readonly valuesUnknown: number;
  readonly differences: number;
}

export interface StateCheckOptions {
  readonly store: Store;
  /** Of the state, plain or gzipped. */
  readonly path: string;
  /** Called for each difference, with all that it is about. */
  readonly onDifference: (difference: string) => void;
}

/** @throws StoreError E_TRACE for a state that makes no sense; what reading gives */
export async function checkState(options: StateCheckOptions): Promise<StateReport> {
  const check = new StateCheck(options);
  for await (const { number, bytes } of readLines(options.path)) {
    const stated = statedLine(options.path, number, bytes);
    if ('coll' in stated) await check.collection(stated.coll, stated.bits);
    else await check.object(number, stated);
  }
  await check.findUnstated();
  return check.report;
}

type Counts = { -readonly [Key in keyof StateReport]: number };

class StateCheck {
  readonly #options: StateCheckOptions;
  /** Objects of the state by their collection, as text. */
  readonly #stated = new Map<string, Set<string>>();
  readonly #counts: Counts = {
    collections: 0,
    objects: 0,
    dataVerified: 0,
    valuesVerified: 0,
    dataUnknown: 0,
    valuesUnknown: 0,
    differences: 0,
  };

  constructor(options: StateCheckOptions) {
    this.#options = options;
  }

  get report(): StateReport {
    return this.#counts;
  }

  async collection(name: string, bits: number): Promise<void> {
    this.#counts.collections++;
    this.#stated.set(name, new Set());
    const stored = this.#options.store.collection(name);
    if (!(await stored.exists())) {
      this.#differs(`collection ${name} is missing`);
      return;
    }
    const { bits: found } = await stored.stat();
    if (found !== bits) this.#differs(`collection ${name} has ${found} bits, should have ${bits}`);
  }

  async object(line: number, stated: StatedObject): Promise<void> {
    this.#counts.objects++;
    const seen = this.#stated.get(stated.c);
    if (seen === undefined) {
      throw badLine(this.#options.path, line, `it has no line for collection ${stated.c} before`);
    }
    const where = `${stated.c} ${stated.o}`;
    const object = this.#handle(line, stated);
    seen.add(stated.o);
    if (!(await isThere(object))) {
      this.#differs(`object ${where} is missing`);
      return;
    }
    const { size } = await object.stat();
    if (size !== stated.size) {
      this.#differs(`object ${where} has ${size} bytes, should have ${stated.size}`);
    } else if (stated.sha256 !== undefined) await this.#data(where, object, stated.sha256);
    await this.#values(`attributes of ${where}`, once(await object.attributes()), stated.attrs);
    await this.#values(`map of ${where}`, mapPages(object), stated.omap);
    const header = (await object.mapHeader())?.length ?? 0;
    if (header !== stated.omap_header) {
      this.#differs(`map header of ${where} has ${header} bytes, not ${stated.omap_header}`);
    }
  }

  /** Finds what the store has beyond the state. */
  async findUnstated(): Promise<void> {
    for await (const page of collectionPages(this.#options.store)) {
      for (const bytes of page) {
        const name = Buffer.from(bytes).toString();
        if (name === CURSOR_COLLECTION || isTemporaryCollection(name)) continue;
        const stated = this.#stated.get(name);
        if (stated === undefined) this.#differs(`collection ${name} should not be there`);
        else await this.#findUnstatedObjects(name, stated);
      }
    }
  }

  #handle(line: number, { c, o }: StatedObject): StoredObject {
    try {
      return new PgCollection(c).object(this.#options.store, parseGhobject(o));
    } catch (error) {
      if (error instanceof StoreError) {
        throw badLine(this.#options.path, line, error.message, error);
      }
      throw error;
    }
  }

  async #findUnstatedObjects(name: string, stated: ReadonlySet<string>): Promise<void> {
    const collection = new PgCollection(name);
    let page = await collection.list(this.#options.store);
    for (;;) {
      for (const object of page.objects) {
        const text = formatGhobject(object);
        if (!stated.has(text)) this.#differs(`object ${name} ${text} should not be there`);
      }
      if (page.next === undefined) return;
      page = await collection.list(this.#options.store, { from: page.next });
    }
  }

  async #data(where: string, object: StoredObject, sha256: string): Promise<void> {
    const hash = createHash('sha256');
    let isMadeUp = false;
    for (let at = 0; ; at += PIECE_BYTES) {
      const piece = await object.read(at, PIECE_BYTES);
      hash.update(piece);
      isMadeUp ||= hasSyntheticWord(piece);
      if (piece.length < PIECE_BYTES) break;
    }
    if (hash.digest('hex') === sha256) this.#counts.dataVerified++;
    else if (isMadeUp) this.#counts.dataUnknown++;
    else this.#differs(`data of ${where} is not that of the state`);
  }

  async #values(
    what: string,
    pages: AsyncIterable<readonly MapEntry[]>,
    stated: Readonly<Record<string, StatedLength>>,
  ): Promise<void> {
    const left = new Map<string, StatedLength>();
    for (const [key, value] of Object.entries(stated)) left.set(textKey(encodeText(key)), value);
    for await (const page of pages) {
      for (const [key, value] of page) {
        const expected = left.get(textKey(key));
        left.delete(textKey(key));
        const one = `${printable(key)} in ${what}`;
        if (expected === undefined) this.#differs(`${one} should not be there`);
        else this.#value(one, value, expected);
      }
    }
    for (const key of left.keys()) {
      this.#differs(`${printable(Buffer.from(key, 'latin1'))} in ${what} is missing`);
    }
  }

  #value(what: string, value: Uint8Array, stated: StatedLength): void {
    const [length, sha256] = typeof stated === 'number' ? [stated, undefined] : stated;
    if (value.length !== length) {
      this.#differs(`${what} has ${value.length} bytes, should have ${length}`);
    } else if (sha256 !== undefined) {
      const found = createHash('sha256').update(value).digest('hex').slice(0, sha256.length);
      if (found === sha256) this.#counts.valuesVerified++;
      else if (length < RECOGNISED_BYTES || hasSyntheticWord(value)) this.#counts.valuesUnknown++;
      else this.#differs(`${what} has other bytes than in the state`);
    }
  }

  #differs(difference: string): void {
    this.#counts.differences++;
    this.#options.onDifference(difference);
  }
}

/** False also when its collection is missing, which is told by itself. */
async function isThere(object: StoredObject): Promise<boolean> {
  try {
    return await object.exists();
  } catch (error) {
    if (error instanceof StoreError && error.code === 'E_NOT_FOUND') return false;
    throw error;
  }
}

/** Bytes as a key of maps. */
function textKey(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}
