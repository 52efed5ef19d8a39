/**
 * A page of a map stream, or of the attributes of an object or collection.
 *
 * - It is gathered in rounds: tree work plans which entries come next, then I/O reads their values.
 *   One round is enough, except where values can't be read and somebody wants to hear of it: then
 *   the next one looks for others in their place. So a page that is not full is the last.
 * - Damage ends the page with an error where nobody listens.
 */

import type { Io } from '../blockdev/io.js';
import type { Cursor } from '../btree/cursor.js';
import type { Tree } from '../btree/tree.js';
import { checkOptions, type DamagePlace, type OptionNames } from '../errors.js';
import { type Bytes, toOwnBytes } from '../txn/argument.js';
import { attributeName, FIRST_ATTRIBUTE_KEY } from '../txn/attribute-key.js';
import type { Engine } from '../txn/engine.js';
import { type DamageListener, DamageLog } from './damage-log.js';
import { type FoundValue, findValue, readValue } from './found-value.js';
import { pageLimit } from './page.js';

/** A key of a map, or name of an attribute, and its value; both the caller's own. */
export type MapEntry = readonly [key: Uint8Array, value: Uint8Array];

/** What a listing does about damage. */
export interface DamageOption {
  /**
   * Lists what lies behind damage too, and tells of it here; else it is thrown. A page that is not
   * full has been looked for to the end.
   */
  readonly onDamage?: DamageListener;
}

const DAMAGE_OPTION: OptionNames<DamageOption> = { onDamage: true };

/** Which part of a map stream, in the map's order. */
export interface MapRange extends DamageOption {
  /** First key. */
  readonly from?: Bytes;
  /** The keys behind this one: for paging. */
  readonly after?: Bytes;
  /** The keys before this one. */
  readonly to?: Bytes;
  /** Most entries; 1000 by default. */
  readonly limit?: number;
  /** From the end to the beginning. */
  readonly reverse?: boolean;
}

const MAP_RANGE: OptionNames<MapRange> = {
  from: true,
  after: true,
  to: true,
  limit: true,
  reverse: true,
  onDamage: true,
};

/** Entries whose values are to be read. */
export interface PlannedEntries {
  readonly entries: readonly (readonly [key: Uint8Array, found: FoundValue])[];
  readonly damage: DamageLog;
}

export class EntryPage {
  readonly entries: MapEntry[] = [];
  readonly #engine: Engine;
  readonly #place: DamagePlace;
  readonly #onDamage: DamageListener | undefined;
  readonly #limit: number;
  readonly #reverse: boolean;
  #from: Uint8Array | undefined;
  #after: Uint8Array | undefined;
  #to: Uint8Array | undefined;
  #isWhole = false;

  /** `place` is that of the tree, for errors. */
  constructor(engine: Engine, place: DamagePlace, range: MapRange) {
    const { from, after, to, limit, reverse = false, onDamage } = checkOptions(range, MAP_RANGE);
    this.#engine = engine;
    this.#place = place;
    this.#onDamage = onDamage;
    this.#limit = pageLimit(limit);
    this.#reverse = reverse;
    this.#from = from === undefined ? undefined : toOwnBytes(from);
    this.#after = after === undefined ? undefined : toOwnBytes(after);
    this.#to = to === undefined ? undefined : toOwnBytes(to);
  }

  /** True when there is nothing more to gather. */
  get isDone(): boolean {
    return this.#isWhole || this.entries.length === this.#limit;
  }

  /** The entries that come next; may be called again, as it changes nothing. */
  plan(tree: Tree): PlannedEntries {
    const { order } = tree;
    const wanted = this.#limit - this.entries.length;
    const damage = new DamageLog(this.#onDamage, this.#place);
    const entries: [Uint8Array, FoundValue][] = [];
    const cursor = tree.cursor();
    this.#move(damage, cursor, () => this.#begin(cursor, order));
    const next = this.#reverse ? () => cursor.previous() : () => cursor.next();
    while (cursor.valid && entries.length < wanted) {
      const key = cursor.key();
      if (this.#isOutside(key, order)) break;
      if (!isSame(key, this.#after, order)) {
        const { valueBytes, valueStart, valueEnd } = cursor;
        const find = () => findValue(this.#engine.state, valueBytes, valueStart, valueEnd);
        const found = damage.record(find, keyPlace(key));
        if (found !== undefined) entries.push([key, found]);
      }
      if (entries.length < wanted) this.#move(damage, cursor, next);
    }
    return { entries, damage };
  }

  /** Reads the values of what was planned. */
  *read({ entries, damage }: PlannedEntries): Io<void> {
    this.#isWhole = this.entries.length + entries.length < this.#limit;
    for (const [key, found] of entries) {
      try {
        this.entries.push([key, yield* readValue(this.#engine, found)]);
      } catch (error) {
        damage.take(error, keyPlace(key));
      }
    }
    const last = entries.at(-1);
    if (this.#reverse) this.#to = last?.[0] ?? this.#to;
    else this.#after = last?.[0] ?? this.#after;
    damage.tell();
  }

  #move(damage: DamageLog, cursor: Cursor, step: () => boolean): void {
    damage.step(step, this.#reverse ? () => cursor.skipBack() : () => cursor.skip());
  }

  #begin(cursor: Cursor, order: Tree['order']): boolean {
    if (this.#reverse) {
      return this.#to === undefined ? cursor.seekLast() : cursor.seekBefore(this.#to);
    }
    const first = laterOf(this.#from, this.#after, order);
    return first === undefined ? cursor.seekFirst() : cursor.seek(first);
  }

  /** True for a key behind the last one that is asked for, in the direction of the page. */
  #isOutside(key: Uint8Array, order: Tree['order']): boolean {
    const compare = (to: Uint8Array): number => order.compare(key, 0, key.length, to, 0, to.length);
    if (!this.#reverse) return this.#to !== undefined && compare(this.#to) >= 0;
    if (this.#from !== undefined && compare(this.#from) < 0) return true;
    return this.#after !== undefined && compare(this.#after) <= 0;
  }
}

/** The bound behind the other one, where there are both. */
function laterOf(
  a: Uint8Array | undefined,
  b: Uint8Array | undefined,
  order: Tree['order'],
): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return order.compare(a, 0, a.length, b, 0, b.length) > 0 ? a : b;
}

function isSame(key: Uint8Array, other: Uint8Array | undefined, order: Tree['order']): boolean {
  return other !== undefined && order.compare(key, 0, key.length, other, 0, other.length) === 0;
}

function keyPlace(key: Uint8Array): DamagePlace {
  return { keys: { from: key, to: key } };
}

/** All attributes of an object or collection; `namedEntries` gives them in the end. */
export function attributePage(
  engine: Engine,
  place: DamagePlace,
  options: DamageOption,
): EntryPage {
  const { onDamage } = checkOptions(options, DAMAGE_OPTION);
  return new EntryPage(
    engine,
    { ...place, tree: 'attributes' },
    {
      from: FIRST_ATTRIBUTE_KEY,
      limit: Number.POSITIVE_INFINITY,
      ...(onDamage !== undefined && { onDamage }),
    },
  );
}

/** What a page of attributes has gathered, by their names. */
export function namedEntries({ entries }: EntryPage): MapEntry[] {
  return entries.map(([key, value]) => [attributeName(key), value]);
}
