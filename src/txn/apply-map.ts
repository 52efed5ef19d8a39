/**
 * Operations on map streams, and the puts and removals of value records that attributes share.
 */

import type { Tree } from '../btree/tree.js';
import { treeSpec } from '../btree/tree-spec.js';
import { StoreError } from '../errors.js';
import { ByteReader } from '../format/bytes.js';
import { ROLE, type Role } from '../format/role.js';
import { inlineMax } from '../onode/limits.js';
import type { Onode } from '../onode/onode.js';
import { encodeValue, inlineRecord, type NewValue, releaseValue } from '../onode/value-record.js';
import { HEADER_KEY } from './attribute-key.js';
import type { ObjectSlot, ObjectTable } from './object-table.js';
import { DATA_KIND, OPERATION } from './operation.js';
import type { StoreState } from './store-state.js';

export class MapOperations {
  readonly #state: StoreState;
  readonly #objects: ObjectTable;
  readonly #reader: ByteReader;
  readonly #value: () => NewValue;

  constructor(state: StoreState, objects: ObjectTable, reader: ByteReader, value: () => NewValue) {
    this.#state = state;
    this.#objects = objects;
    this.#reader = reader;
    this.#value = value;
  }

  /** Applies `operation` if it is one of a map stream; false if not. */
  apply(operation: number): boolean {
    switch (operation) {
      case OPERATION.mapSet:
        this.#set();
        return true;
      case OPERATION.mapRemove:
        this.#removeKeys();
        return true;
      case OPERATION.mapRemoveRange:
        this.#removeRange();
        return true;
      case OPERATION.mapClear:
        this.#clear();
        return true;
      case OPERATION.mapSetHeader:
        this.#setHeader();
        return true;
      case OPERATION.formatMap:
        this.#format();
        return true;
      default:
        return false;
    }
  }

  /** Puts the value at the reader; what a large value had before is given up. */
  put(onode: Onode, tree: Tree, key: Uint8Array): void {
    this.#release(onode, tree, key);
    tree.set(key, this.#record(onode));
  }

  /** The record of the value at the reader. A short one is copied once, from there. */
  #record(onode: Onode): Uint8Array {
    const reader = this.#reader;
    const { at } = reader;
    if (reader.u8() === DATA_KIND.here) {
      const length = reader.varint();
      const isShort = length <= inlineMax(this.#state.nodeSize);
      const start = isShort ? reader.skip(length) : -1;
      if (start >= 0) return inlineRecord(reader.bytes, start, start + length);
    }
    reader.at = at;
    onode.largeValues = true;
    return encodeValue(this.#state, this.#value());
  }

  /** Removes a value record; where there is none, nothing changes. */
  remove(slot: ObjectSlot, onode: Onode, tree: Tree, key: Uint8Array): void {
    if (!tree.has(key)) return;
    slot.change();
    this.#release(onode, tree, key);
    tree.delete(key);
  }

  /** Gives up what the value of `key` owns, if it may own anything. */
  #release(onode: Onode, tree: Tree, key: Uint8Array): void {
    if (!onode.largeValues) return;
    tree.own(key);
    const record = tree.get(key);
    if (record !== undefined) releaseValue(this.#state, record, 0, record.length);
  }

  #set(): void {
    const { slot, onode } = this.#objects.existing(this.#reader.varint());
    const { map, largeValues } = onode;
    this.#gather(true, (key, valueLength) => {
      if (largeValues) map.find(key);
      else map.approach(key, valueLength);
    });
    slot.change();
    for (let left = this.#reader.varint(); left > 0; left--) {
      const key = this.#reader.lengthPrefixed();
      this.put(onode, onode.map, this.#checkKey(onode, key));
    }
  }

  /** Lets the leaves of the keys at the reader, which stays there, be read together. */
  #gather(withValues: boolean, look: (key: Uint8Array, valueLength: number) => void): void {
    const { forest } = this.#state;
    if (!forest.mayGather) return;
    const keys = keysAhead(this.#reader, withValues);
    forest.gather(keys, ([key, valueLength]) => look(key, valueLength));
  }

  #removeKeys(): void {
    const { slot, onode } = this.#objects.existing(this.#reader.varint());
    this.#gather(false, (key) => onode.map.find(key));
    for (let left = this.#reader.varint(); left > 0; left--) {
      const key = this.#checkKey(onode, this.#reader.lengthPrefixed());
      this.remove(slot, onode, onode.map, key);
    }
  }

  #removeRange(): void {
    const { slot, onode } = this.#objects.existing(this.#reader.varint());
    const from = this.#reader.lengthPrefixed();
    const bounded = this.#reader.varint() === 1;
    const to = this.#reader.lengthPrefixed();
    slot.change();
    // The empty key is the lowest in the order of bytes, not in every other one.
    const first = from.length === 0 && onode.map.order.bytewise === true ? undefined : from;
    onode.map.deleteRange(first, bounded ? to : undefined, this.#drop);
  }

  #clear(): void {
    const slot = this.#objects.slot(this.#reader.varint());
    const { onode } = slot;
    if (onode === undefined) return;
    slot.change();
    onode.map.deleteRange(undefined, undefined, this.#drop);
    this.remove(slot, onode, onode.attributes, HEADER_KEY);
  }

  #setHeader(): void {
    const { slot, onode } = this.#objects.existing(this.#reader.varint());
    slot.change();
    this.put(onode, onode.attributes, HEADER_KEY);
  }

  #format(): void {
    const { slot, onode } = this.#objects.existing(this.#reader.varint());
    const name = Buffer.from(this.#reader.lengthPrefixed()).toString('utf8');
    const comparator = this.#state.comparators.get(name, this.#reader.varint());
    const keySize = this.#reader.varint();
    if (!onode.map.isEmpty()) {
      throw new StoreError('E_NOT_EMPTY', 'Cannot format map: it holds keys');
    }
    slot.change();
    const fixed = comparator.fixedKeySize ?? keySize;
    onode.resetMap(treeSpec({ role: ROLE.map, comparator, keySize: fixed }));
  }

  #checkKey(onode: Onode, key: Uint8Array): Uint8Array {
    const { keySize } = onode.map.spec;
    if (keySize === 0 || key.length === keySize) return key;
    throw new StoreError(
      'E_INVALID',
      `Cannot use map key: it has ${key.length} bytes, the map's keys have ${keySize}`,
    );
  }

  readonly #drop = (role: number, root: Uint8Array): void => {
    this.#state.dropTree(role as Role, root);
  };
}

/** The keys of a counted list at the reader, and bytes of each's value record where there is one. */
function* keysAhead(from: ByteReader, withValues: boolean): Generator<[Uint8Array, number]> {
  const reader = new ByteReader(from.bytes, from.at, from.end);
  for (let left = reader.varint(); left > 0 && !reader.failed; left--) {
    const key = reader.lengthPrefixed();
    if (!withValues) yield [key, 0];
    else if (reader.u8() === DATA_KIND.here) yield [key, 1 + reader.lengthPrefixed().length];
    else {
      reader.varint();
      yield [key, 0];
    }
  }
}
