/**
 * Random traces of Ceph transactions, as an OSD could have made them: replicated and erasure-coded
 * PGs that split and merge, clones for snapshots, generations, temporary objects, renames.
 *
 * - Only what Ceph accepts is generated; it is applied to a model on the way, which then knows the
 *   state that the trace leads to.
 */

import { CephModel, type TraceOperation } from './ceph-model.js';
import type { Prng } from './prng.js';

interface Pg {
  readonly name: string;
  readonly pool: number;
  readonly shard: string;
  readonly seed: number;
  bits: number;
}

const NAMES = ['a', 'b', 'rbd_data.1', 'percent%25', 'uni%c3%a9%e4%b8%ad', 'hash#1', ''] as const;
const KEYS = ['k', 'k1', 'k10', 'k2', '_info', 'caf\u00e9', 'z'] as const;
const BITS_MAX = 4;

export class CephWorkload {
  readonly model = new CephModel({ withData: true });
  readonly #prng: Prng;
  readonly #pgs: Pg[] = [];
  readonly #lines: string[] = [];

  constructor(prng: Prng) {
    this.#prng = prng;
    const meta: TraceOperation = ['mkcoll', 'meta', 0];
    this.#line('meta', [meta, ['write', 'meta', '#-1:7b3f43c4:::osd_superblock:0#', 0, 567]]);
    for (const [pool, shard] of [
      [1, ''],
      [2, '0'],
      [2, '1'],
      [3, 'a'],
    ] as const) {
      this.#makePg({ pool, shard, seed: 0, bits: 0 }, []);
    }
  }

  /** The trace up to now. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Adds one line. */
  step(): void {
    const roll = this.#prng.below(60);
    const pg = this.#prng.pick(this.#pgs);
    if (roll === 0 && pg.bits < BITS_MAX) this.#split(pg);
    else if (roll < 4) this.#merge(pg);
    else this.#operate(pg);
  }

  /** Appends a line of operations that the model has seen already. */
  #append(c: string, ops: readonly TraceOperation[]): void {
    const n = this.#lines.length + 1;
    const parts = ops.length > 1 && this.#prng.chance(0.3) ? [1, ops.length - 1] : undefined;
    this.#lines.push(JSON.stringify({ n, c, ops, ...(parts !== undefined && { parts }) }));
  }

  #line(c: string, ops: readonly TraceOperation[]): void {
    for (const operation of ops) this.model.apply(operation);
    this.#append(c, ops);
  }

  #makePg(pg: Omit<Pg, 'name'>, before: readonly TraceOperation[]): Pg {
    const name = `${pg.pool}.${pg.seed.toString(16)}${pg.shard === '' ? '' : `s${Number.parseInt(pg.shard, 16)}`}_head`;
    const made: Pg = { ...pg, name };
    this.#pgs.push(made);
    this.#line(name, [
      ['mkcoll', name, pg.bits],
      ...before.map(
        ([op, ...rest]) => [op, ...rest, ...(op === 'split_collection' ? [name] : [])] as const,
      ),
      ['coll_hint', name, 1, 1 << pg.bits, 0],
      ['touch', name, metadataObject(made)],
      ['omap_setkeys', name, metadataObject(made), { _infover: 1, _epoch: 4 }],
      ['omap_rmkeys', name, metadataObject(made), ['_fastinfo']],
    ]);
    return made;
  }

  #split(pg: Pg): void {
    const seed = pg.seed | (1 << pg.bits);
    const bits = pg.bits + 1;
    this.#makePg({ ...pg, seed, bits }, [['split_collection', pg.name, bits, seed]]);
    pg.bits = bits;
  }

  /** Merges a PG with the one that it was split from, if both have the same bits. */
  #merge(pg: Pg): void {
    const bits = pg.bits - 1;
    if (bits < 0) return;
    const target = this.#pgs.find(
      (one) =>
        one !== pg &&
        one.pool === pg.pool &&
        one.shard === pg.shard &&
        one.bits === pg.bits &&
        one.seed === (pg.seed ^ (1 << bits)) &&
        one.seed < pg.seed,
    );
    if (target === undefined) return;
    this.#line(target.name, [
      ['remove', pg.name, metadataObject(pg)],
      ['merge_collection', pg.name, bits, target.name],
      ['coll_set_bits', target.name, bits],
    ]);
    target.bits = bits;
    this.#pgs.splice(this.#pgs.indexOf(pg), 1);
  }

  #operate(pg: Pg): void {
    const ops: TraceOperation[] = [];
    for (let left = this.#prng.between(1, 6); left > 0; left--) {
      const operation = this.#operation(pg);
      this.model.apply(operation);
      ops.push(operation);
    }
    this.#append(pg.name, ops);
  }

  #operation(pg: Pg): TraceOperation {
    const prng = this.#prng;
    const c = pg.name;
    const known = this.model.objectsOf(c);
    const o = known.length > 0 && prng.chance(0.7) ? prng.pick(known) : this.#newName(pg);
    if (!this.model.has(c, o)) return this.#onAny(c, o);
    const key = prng.pick(KEYS);
    const other = this.#newName(pg);
    const size = this.model.sizeOf(c, o);
    switch (prng.below(20)) {
      case 0:
        return ['setattr', c, o, `_${key}`, this.#value()];
      case 1:
      case 2:
        return ['setattrs', c, o, { _: 250, [`_user.${key}`]: this.#value() }];
      case 3:
        return ['rmattr', c, o, `_user.${key}`];
      case 4:
      case 5:
        return ['omap_setkeys', c, o, { [key]: this.#value(), [`${key}x`]: this.#value() }];
      case 6:
        return ['omap_rmkeys', c, o, [key, 'missing']];
      case 7:
        return ['omap_rmkeyrange', c, o, 'k', 'k2'];
      case 8:
        return ['omap_setheader', c, o, prng.below(100)];
      case 9:
      case 10:
        return other === o ? ['touch', c, o] : ['clone', c, o, other];
      case 11:
      case 12: {
        const from = prng.below(size + 1);
        const length = prng.below(size - from + 1);
        return ['clonerange2', c, o, other, from, length, prng.below(50_000)];
      }
      case 13:
      case 14:
        if (this.model.has(c, other)) return ['set_alloc_hint', c, o, 4194304, 4096];
        return ['coll_move_rename', c, o, c, other];
      case 15:
        return this.model.has(c, other) ? ['rmattrs', c, o] : ['try_rename', c, o, other];
      default:
        return this.#onAny(c, o);
    }
  }

  /** An operation that also an object which isn't there takes. */
  #onAny(c: string, o: string): TraceOperation {
    const prng = this.#prng;
    const offset = prng.below(20_000);
    switch (prng.below(10)) {
      case 0:
        return ['remove', c, o];
      case 1:
        return ['zero', c, o, offset, prng.below(9000)];
      case 2:
        return ['truncate', c, o, prng.below(30_000)];
      case 3:
        return ['omap_clear', c, o];
      case 4:
        return ['create', c, o];
      case 5:
        return ['write', c, o, offset, prng.between(16, 3000)];
      case 6:
        return ['try_rename', c, o.replace(/#[^#]*$/, '#ffff'), o.replace(/#[^#]*$/, '#fffe')];
      default: {
        const length = prng.chance(0.1) ? prng.below(80_000) : prng.below(6000);
        return ['write', c, o, offset, length, prng.below(2 ** 30)];
      }
    }
  }

  #value(): number | [number, number] {
    const length = this.#prng.chance(0.05) ? this.#prng.below(5000) : this.#prng.below(100);
    return this.#prng.chance(0.5) ? length : [length, this.#prng.below(2 ** 30)];
  }

  /** The name of an object that belongs into `pg` and need not exist. */
  #newName(pg: Pg): string {
    const prng = this.#prng;
    const low = pg.seed
      .toString(2)
      .padStart(pg.bits, '0')
      .slice(pg.bits === 0 ? 1 : 0);
    const spread = prng.chance(0.5)
      ? prng.below(8).toString(2).padStart(32, '0')
      : prng.u32().toString(2).padStart(32, '0');
    const reversed = [...low].reverse().join('') + [...spread].reverse().join('');
    const hash = Number.parseInt(reversed.slice(0, 32), 2).toString(16).padStart(8, '0');
    const pool = prng.chance(0.15) ? -2 - pg.pool : pg.pool;
    const namespace = prng.chance(0.1) ? 'ns' : '';
    const key = prng.chance(0.1) ? 'locator' : '';
    const snap = prng.pick(['head', 'head', 'head', '4', '1f', 'snapdir']);
    const generation = pg.shard !== '' && prng.chance(0.3) ? prng.below(40).toString(16) : '';
    return `${pg.shard}#${pool}:${hash}:${namespace}:${key}:${prng.pick(NAMES)}:${snap}#${generation}`;
  }
}

function metadataObject({ pool, shard, seed, bits }: Pg): string {
  const reversed = [...seed.toString(2).padStart(bits, '0')].reverse().join('').padEnd(32, '0');
  const hash = Number.parseInt(reversed.slice(0, 32), 2).toString(16).padStart(8, '0');
  return `${shard}#${pool}:${hash}::::head#`;
}
