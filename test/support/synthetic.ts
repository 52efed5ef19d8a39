/**
 * Transactions in the proportions of the field's synthetic test: objects of one collection that
 * are written, zeroed, cut, cloned as a whole and in ranges, stashed (renamed to their next
 * generation) and removed; or the same objects with attributes in place of bytes.
 */

import { type ModelName, type ModelObject, type ModelState, modelKey } from './model.js';
import type { ModelOperation } from './model-operation.js';
import type { Prng } from './prng.js';
import type { TransactionSource } from './workload.js';

const C = 'synthetic';

/** Parts of a thousand of each operation; what is left is reading, which the run does. */
interface Mix {
  readonly touch: number;
  readonly write: number;
  readonly zero: number;
  readonly truncate: number;
  readonly remove: number;
  readonly clone: number;
  readonly cloneRange: number;
  readonly stash: number;
  readonly setAttributes: number;
  readonly removeAttribute: number;
}

export const SYNTHETIC: Mix = {
  touch: 20,
  write: 250,
  zero: 100,
  truncate: 100,
  remove: 50,
  clone: 50,
  cloneRange: 50,
  stash: 150,
  setAttributes: 0,
  removeAttribute: 0,
};

/** Operations and objects keep their numbers. */
export const SYNTHETIC_LIMITED: Mix = {
  ...SYNTHETIC,
  write: 150,
  truncate: 50,
  remove: 150,
  clone: 150,
  cloneRange: 100,
  stash: 100,
};

export const SYNTHETIC_ATTRIBUTES: Mix = {
  ...SYNTHETIC,
  touch: 200,
  stash: 60,
  write: 0,
  zero: 0,
  truncate: 0,
  cloneRange: 0,
  setAttributes: 400,
  removeAttribute: 150,
};

export interface SyntheticOptions {
  readonly mix: Mix;
  readonly objects: number;
  /** Largest object, in bytes. */
  readonly sizeMax: number;
  /** Largest write, in bytes. */
  readonly writeMax: number;
  /** Offsets and lengths are multiples of it; 0: of nothing. */
  readonly alignment: number;
}

export class Synthetic implements TransactionSource {
  readonly #prng: Prng;
  readonly #options: SyntheticOptions;

  constructor(prng: Prng, options: SyntheticOptions) {
    this.#prng = prng;
    this.#options = options;
  }

  transaction(state: ModelState): ModelOperation[] {
    if (!state.collections.has(C)) return this.#beginning();
    const count = this.#prng.chance(1 / 7) ? 1 + this.#prng.below(11) : 1;
    return Array.from({ length: count }, () => this.#operation(state));
  }

  /** The collection with some of its objects. */
  #beginning(): ModelOperation[] {
    const made: ModelOperation[] = [{ op: 'createCollection', c: C, order: 'hash', bits: 0 }];
    for (let i = 0; i < this.#options.objects; i++)
      made.push({ op: 'touch', c: C, o: name(i, -1) });
    return made;
  }

  #operation(state: ModelState): ModelOperation {
    const { mix } = this.#options;
    const choices = Object.entries(mix) as [keyof Mix, number][];
    let roll = this.#prng.below(choices.reduce((sum, [, part]) => sum + part, 0));
    for (const [choice, part] of choices) {
      if (roll < part) return this.#make(choice, state);
      roll -= part;
    }
    return this.#make('touch', state);
  }

  #make(choice: keyof Mix, state: ModelState): ModelOperation {
    const o = this.#object(state);
    const found = find(state, o);
    const at = { c: C, o };
    switch (choice) {
      case 'write':
        return { op: 'write', ...at, ...this.#data() };
      case 'zero': {
        const { offset, data } = this.#data();
        return { op: 'zero', ...at, offset, length: data.length };
      }
      case 'truncate':
        return { op: 'truncate', ...at, size: this.#aligned(this.#options.sizeMax) };
      case 'clone':
        return { op: 'clone', ...at, toC: C, toO: this.#object(state) };
      case 'cloneRange':
        return this.#cloneRange(state, o, found);
      case 'stash':
        return { op: 'tryRename', ...at, toO: { ...o, name: `${o.name}+` } };
      case 'setAttributes':
        return { op: 'setAttribute', ...at, name: this.#attribute(), value: this.#value() };
      case 'removeAttribute':
        return { op: 'removeAttribute', ...at, name: this.#existing(found) };
      default:
        return { op: choice, ...at };
    }
  }

  /** Mostly an object that is there. */
  #object(state: ModelState): ModelName {
    const objects = state.collections.get(C)?.objects;
    if (objects !== undefined && objects.size > 0 && this.#prng.chance(0.8)) {
      const { name: own, hash = 0 } = this.#prng.pick([...objects.values()]);
      return { name: own.slice(0, 4000), hash };
    }
    const snap = this.#prng.chance(0.5) ? -1 : this.#prng.below(4);
    return name(this.#prng.below(this.#options.objects), snap);
  }

  #cloneRange(state: ModelState, o: ModelName, found: ModelObject | undefined): ModelOperation {
    const size = found?.bytes.length ?? 0;
    const from = Math.min(this.#aligned(size), size);
    const length = Math.min(this.#aligned(size), size - from);
    return {
      op: 'cloneRange',
      c: C,
      o,
      toC: C,
      toO: this.#object(state),
      from,
      length,
      offset: from,
    };
  }

  #aligned(max: number): number {
    const { alignment } = this.#options;
    const value = this.#prng.below(max + 1);
    return alignment === 0 ? value : value - (value % alignment);
  }

  #data(): { offset: number; data: Uint8Array } {
    const { sizeMax, writeMax } = this.#options;
    const data = new Uint8Array(this.#aligned(writeMax)).fill(this.#prng.u32() >>> 5);
    for (let i = 0; i < data.length; i += 509) data[i] = this.#prng.u32() >>> 7;
    return { offset: this.#aligned(sizeMax - data.length), data };
  }

  #attribute(): string {
    return `a${this.#prng.below(12)}`.padEnd(4 + this.#prng.below(3) * 48, 'n');
  }

  #existing(found: ModelObject | undefined): string {
    const names = [...(found?.attributes.keys() ?? [])];
    return names.length > 0 && this.#prng.chance(0.8) ? this.#prng.pick(names) : this.#attribute();
  }

  #value(): Uint8Array {
    const size = 4 + this.#prng.below(this.#prng.chance(0.1) ? 65_532 : 600);
    return new Uint8Array(size).fill(this.#prng.u32() >>> 5);
  }
}

/** Every odd one has a long name; hashes come in clusters. */
function name(index: number, snap: number): ModelName {
  const long = index % 2 === 1 ? 'a'.repeat(300) : '';
  const group = Math.floor(index / 1024) % 2 === 1 ? 0xf00 : 0;
  return { name: `OBJ_${index}${long}@${snap}`, hash: (index & 0xff) + group };
}

function find(state: ModelState, o: ModelName): ModelObject | undefined {
  return state.collections.get(C)?.objects.get(modelKey('hash', o));
}
