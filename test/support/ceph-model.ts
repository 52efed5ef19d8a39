/**
 * What a trace of Ceph transactions leads to, as plain maps: an independent reading of the trace
 * format, with no line of code in common with the replay.
 *
 * - Objects are keyed by their text. Data is kept only on request; it is then known as long as
 *   every write had a seed.
 */

import { createHash } from 'node:crypto';

type Value = number | [length: number, seed: number];

interface ModelObject {
  size: number;
  data: Buffer | undefined;
  attrs: Map<string, Value>;
  omap: Map<string, Value>;
  header: number;
}

interface ModelCollection {
  bits: number;
  readonly objects: Map<string, ModelObject>;
}

export type TraceOperation = readonly [name: string, ...fields: unknown[]];

const SEED_TABLE = Buffer.concat(
  Array.from({ length: 8192 }, (_, i) => createHash('sha256').update(`ceph-trace-${i}`).digest()),
);

/** The bytes of a seed. */
export function seedBytes(seed: number, length: number): Buffer {
  const start = (seed * 7919) % SEED_TABLE.length;
  const twice = Buffer.concat([SEED_TABLE.subarray(start), SEED_TABLE.subarray(0, start)]);
  return Buffer.from(twice.subarray(0, length)).map((byte) => byte ^ (seed & 255)) as Buffer;
}

export class CephModel {
  readonly #collections = new Map<string, ModelCollection>();
  readonly #withData: boolean;

  constructor(options: { readonly withData: boolean }) {
    this.#withData = options.withData;
  }

  has(collection: string, object: string): boolean {
    return this.#collections.get(collection)?.objects.has(object) === true;
  }

  sizeOf(collection: string, object: string): number {
    return this.#collections.get(collection)?.objects.get(object)?.size ?? 0;
  }

  objectsOf(collection: string): string[] {
    return [...(this.#collections.get(collection)?.objects.keys() ?? [])];
  }

  /** Applies one line of a trace. */
  applyLine(text: string): void {
    const { ops } = JSON.parse(text) as { ops: TraceOperation[] };
    for (const operation of ops) this.apply(operation);
  }

  apply([name, c, ...rest]: TraceOperation): void {
    const collection = c as string;
    if (this.#applyToCollection(name, collection, rest)) return;
    const { objects } = this.#collection(collection);
    const [o, x, y, z] = rest as [string, unknown, unknown, unknown];
    if (name === 'remove') objects.delete(o);
    else if (name === 'clone') objects.set(x as string, copyOf(this.#existing(collection, o)));
    else if (name === 'clonerange2') this.#cloneRange(collection, rest);
    else if (name === 'coll_move_rename') this.#rename(collection, o, x as string, y as string);
    else if (name === 'try_rename') this.#rename(collection, o, collection, x as string);
    else if (['touch', 'create', 'write', 'zero'].includes(name)) {
      const object = objects.get(o) ?? this.#newObject();
      objects.set(o, object);
      if (name === 'write') this.#write(object, x as number, y as number, z as number | undefined);
      if (name === 'zero') put(object, x as number, Buffer.alloc(y as number));
    } else {
      const object = objects.get(o);
      if (object !== undefined) this.#applyToObject(name, object, [x, y]);
    }
  }

  /** The state file of what is there now. */
  stateLines(): string[] {
    const lines: string[] = [];
    for (const [coll, { bits, objects }] of this.#collections) {
      lines.push(JSON.stringify({ coll, bits }));
      for (const [o, object] of objects) lines.push(JSON.stringify(stated(coll, o, object)));
    }
    return lines;
  }

  #applyToCollection(name: string, c: string, rest: readonly unknown[]): boolean {
    const [x, y, z] = rest as [number, number, string];
    switch (name) {
      case 'mkcoll':
        this.#collections.set(c, { bits: x, objects: new Map() });
        return true;
      case 'rmcoll':
        this.#collections.delete(c);
        return true;
      case 'coll_set_bits':
        this.#collection(c).bits = x;
        return true;
      case 'split_collection':
        this.#split(c, x, y, z);
        return true;
      case 'merge_collection':
        this.#merge(c, x, y as unknown as string);
        return true;
      case 'coll_hint':
        return true;
      default:
        return false;
    }
  }

  #applyToObject(name: string, object: ModelObject, [x, y]: unknown[]): void {
    switch (name) {
      case 'truncate':
        truncate(object, x as number);
        break;
      case 'setattr':
        object.attrs.set(x as string, y as Value);
        break;
      case 'setattrs':
        for (const [key, value] of Object.entries(x as object)) object.attrs.set(key, value);
        break;
      case 'rmattr':
        object.attrs.delete(x as string);
        break;
      case 'rmattrs':
        object.attrs.clear();
        break;
      case 'omap_setkeys':
        for (const [key, value] of Object.entries(x as object)) object.omap.set(key, value);
        break;
      case 'omap_rmkeys':
        for (const key of x as string[]) object.omap.delete(key);
        break;
      case 'omap_rmkeyrange':
        for (const key of object.omap.keys()) {
          const isBelow = compareKeys(key, x as string) < 0;
          if (!isBelow && compareKeys(key, y as string) < 0) object.omap.delete(key);
        }
        break;
      case 'omap_clear':
        object.omap.clear();
        object.header = 0;
        break;
      case 'omap_setheader':
        object.header = x as number;
        break;
      case 'set_alloc_hint':
        break;
      default:
        throw new Error(`The model does not know ${name}`);
    }
  }

  #collection(name: string): ModelCollection {
    const collection = this.#collections.get(name);
    if (collection === undefined) throw new Error(`The model has no collection ${name}`);
    return collection;
  }

  #existing(c: string, o: string): ModelObject {
    const object = this.#collection(c).objects.get(o);
    if (object === undefined) throw new Error(`The model has no object ${c} ${o}`);
    return object;
  }

  #newObject(): ModelObject {
    const data = this.#withData ? Buffer.alloc(0) : undefined;
    return { size: 0, data, attrs: new Map(), omap: new Map(), header: 0 };
  }

  #write(object: ModelObject, offset: number, length: number, seed: number | undefined): void {
    if (length === 0) return;
    if (seed === undefined) object.data = undefined;
    put(object, offset, seed === undefined ? Buffer.alloc(length) : seedBytes(seed, length));
  }

  #cloneRange(c: string, rest: readonly unknown[]): void {
    const [from, to, offset, length, at] = rest as [string, string, number, number, number];
    const source = this.#existing(c, from);
    const target = this.#collection(c).objects.get(to) ?? this.#newObject();
    this.#collection(c).objects.set(to, target);
    const bytes = source.data?.subarray(offset, offset + length);
    if (bytes === undefined) target.data = undefined;
    put(target, at, Buffer.from(bytes ?? Buffer.alloc(length)));
  }

  #rename(c: string, o: string, newC: string, newO: string): void {
    const object = this.#collection(c).objects.get(o);
    if (object === undefined) return;
    this.#collection(c).objects.delete(o);
    this.#collection(newC).objects.set(newO, object);
  }

  #split(c: string, bits: number, remainder: number, to: string): void {
    const source = this.#collection(c);
    const target = this.#collection(to);
    for (const [o, object] of source.objects) {
      const reversed = o.split(':')[1] ?? '';
      const binary = Number.parseInt(reversed, 16).toString(2).padStart(32, '0');
      const low = Number.parseInt([...binary].slice(0, bits).reverse().join('') || '0', 2);
      if (low !== remainder) continue;
      source.objects.delete(o);
      target.objects.set(o, object);
    }
    source.bits = bits;
    target.bits = bits;
  }

  #merge(c: string, bits: number, to: string): void {
    const target = this.#collection(to);
    for (const [o, object] of this.#collection(c).objects) target.objects.set(o, object);
    target.bits = bits;
    this.#collections.delete(c);
  }
}

function put(object: ModelObject, offset: number, bytes: Buffer): void {
  if (bytes.length === 0) return;
  const end = Math.max(object.size, offset + bytes.length);
  if (object.data !== undefined) {
    const grown = Buffer.alloc(end);
    object.data.copy(grown);
    bytes.copy(grown, offset);
    object.data = grown;
  }
  object.size = end;
}

function truncate(object: ModelObject, size: number): void {
  if (object.data !== undefined) {
    const cut = Buffer.alloc(size);
    object.data.copy(cut);
    object.data = cut;
  }
  object.size = size;
}

function copyOf({ size, data, attrs, omap, header }: ModelObject): ModelObject {
  return { size, data, attrs: new Map(attrs), omap: new Map(omap), header };
}

/** Bytewise. */
function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function statedValue(value: Value): unknown {
  if (typeof value === 'number') return value;
  return [value[0], sha256(seedBytes(value[1], value[0])).slice(0, 16)];
}

function stated(c: string, o: string, { size, data, attrs, omap, header }: ModelObject): object {
  const values = (map: Map<string, Value>): object =>
    Object.fromEntries([...map].map(([key, value]) => [key, statedValue(value)]));
  return {
    c,
    o,
    size,
    attrs: values(attrs),
    omap: values(omap),
    omap_header: header,
    ...(data !== undefined && { sha256: sha256(data) }),
  };
}
