/**
 * What the operations of a trace do, in operations of a transaction.
 *
 * - One line is one transaction: what Ceph passed as several in one call commits together.
 * - What Ceph tolerates is tolerated: objects that are there already (touch, create) or are
 *   missing (remove, truncate, rmattrs, omap_clear, set_alloc_hint, renames), attributes and keys
 *   that are missing.
 */

import { encodeText } from './escaped-text.js';
import { badLine } from './line-error.js';
import { type LineContext, TraceCall } from './trace-call.js';

/** Largest object: what the store takes as offset plus length. */
const OBJECT_SIZE_MAX = 2 ** 50;

const BITS_MAX = 32;

type Apply = (call: TraceCall) => void;

/** By their names in traces. */
const OPERATIONS: Readonly<Record<string, Apply>> = {
  touch,
  create: touch,
  write(call) {
    const { collection, object } = call.expect(4, 5).place(1, 2);
    const offset = call.whole(3, OBJECT_SIZE_MAX);
    const data = call.data(4, offset);
    if (offset + data.length > OBJECT_SIZE_MAX) throw call.bad('it ends too far behind');
    call.transaction.write(collection, object, offset, data);
  },
  zero(call) {
    const { collection, object } = call.expect(4).place(1, 2);
    const offset = call.whole(3, OBJECT_SIZE_MAX);
    const length = call.whole(4, OBJECT_SIZE_MAX - offset);
    call.transaction.zero(collection, object, offset, length);
  },
  truncate(call) {
    const { collection, object } = call.expect(3).place(1, 2);
    call.transaction.truncate(collection, object, call.whole(3, OBJECT_SIZE_MAX));
  },
  remove(call) {
    const { collection, object } = call.expect(2).place(1, 2);
    call.transaction.remove(collection, object);
  },
  setattr(call) {
    const { collection, object } = call.expect(4).place(1, 2);
    const name = call.attributeName(3);
    const value = call.value(4, call.text(3));
    call.transaction.setAttribute(collection, object, name, value);
  },
  setattrs(call) {
    const { collection, object } = call.expect(3).place(1, 2);
    call.transaction.setAttributes(collection, object, call.entries(3));
  },
  rmattr(call) {
    const { collection, object } = call.expect(3).place(1, 2);
    call.transaction.removeAttribute(collection, object, encodeText(call.text(3)));
  },
  rmattrs(call) {
    const { collection, object } = call.expect(2).place(1, 2);
    call.transaction.removeAttributes(collection, object);
  },
  clone(call) {
    const { collection, object } = call.expect(3).place(1, 2);
    const to = call.place(1, 3);
    call.transaction.clone(collection, object, to.object, to.collection);
  },
  clonerange2(call) {
    const { collection, object } = call.expect(6).place(1, 2);
    const to = call.place(1, 3);
    const length = call.whole(5, OBJECT_SIZE_MAX);
    const from = call.whole(4, OBJECT_SIZE_MAX - length);
    const at = call.whole(6, OBJECT_SIZE_MAX - length);
    call.transaction.cloneRange(collection, object, to.object, from, length, at, to.collection);
  },
  omap_setkeys(call) {
    const { collection, object } = call.expect(3).place(1, 2);
    call.transaction.mapSet(collection, object, call.entries(3));
  },
  omap_rmkeys(call) {
    const { collection, object } = call.expect(3).place(1, 2);
    call.transaction.mapRemove(collection, object, call.keys(3));
  },
  omap_rmkeyrange(call) {
    const { collection, object } = call.expect(4).place(1, 2);
    const [from, to] = [encodeText(call.text(3)), encodeText(call.text(4))];
    call.transaction.mapRemoveRange(collection, object, from, to);
  },
  omap_clear(call) {
    const { collection, object } = call.expect(2).place(1, 2);
    call.transaction.mapClear(collection, object);
  },
  omap_setheader(call) {
    const { collection, object } = call.expect(3, 4).place(1, 2);
    call.transaction.mapSetHeader(collection, object, call.data(3, 0));
  },
  coll_move_rename(call) {
    rename(call.expect(4), 1, 2, 3, 4);
  },
  try_rename(call) {
    rename(call.expect(3), 1, 2, 1, 3);
  },
  mkcoll(call) {
    call.expect(2).collection(1).create(call.transaction, call.whole(2, BITS_MAX));
  },
  rmcoll(call) {
    call.expect(1).collection(1).remove(call.transaction);
  },
  coll_set_bits(call) {
    call.expect(2).collection(1).setBits(call.transaction, call.whole(2, BITS_MAX));
  },
  split_collection(call) {
    const bits = call.expect(4).whole(2, BITS_MAX);
    const remainder = call.whole(3, 2 ** bits - 1);
    const [from, to] = [call.collection(1), call.collection(4)];
    if (from.isPg !== to.isPg) throw call.bad('one of the two collections is no PG');
    from.split(call.transaction, to, bits, remainder);
  },
  merge_collection(call) {
    const bits = call.expect(3).whole(2, BITS_MAX);
    const [from, to] = [call.collection(1), call.collection(3)];
    if (from.isPg !== to.isPg) throw call.bad('one of the two collections is no PG');
    from.merge(call.transaction, to, bits);
  },
  coll_hint(call) {
    call.transaction.collectionHint(call.expect(4).collection(1).name);
  },
  set_alloc_hint(call) {
    const { collection, object } = call.expect(4).place(1, 2);
    const sizes = [call.whole(3, OBJECT_SIZE_MAX), call.whole(4, OBJECT_SIZE_MAX)] as const;
    call.transaction.setAllocationHint(collection, object, ...sizes);
  },
};

function touch(call: TraceCall): void {
  const { collection, object } = call.expect(2).place(1, 2);
  call.transaction.touch(collection, object);
}

/** Arguments at these indexes; a missing source is no error. */
function rename(call: TraceCall, oldC: number, oldO: number, newC: number, newO: number): void {
  const from = call.place(oldC, oldO);
  const to = call.place(newC, newO);
  call.transaction.tryRename(from.collection, from.object, to.object, to.collection);
}

/**
 * Adds what a line of a trace asks for to the transaction of `context`.
 *
 * @param text the line
 * @throws StoreError E_TRACE; the transaction is then of no use any more
 */
export function applyLine(context: LineContext, text: string): void {
  const operations = operationsOf(context, text);
  operations.forEach((operation: unknown, index) => {
    if (!Array.isArray(operation)) {
      throw badLine(context.file, context.line, `operation ${index + 1} is no list`);
    }
    const call = new TraceCall(context, operation, index);
    const apply = typeof call.name === 'string' ? ownApply(call.name) : undefined;
    if (apply === undefined) throw call.bad('there is no such operation');
    apply(call);
  });
}

function ownApply(name: string): Apply | undefined {
  return Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
}

function operationsOf({ file, line }: LineContext, text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badLine(file, line, 'it is no JSON; the file is damaged or cut short', error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badLine(file, line, 'it is no object');
  }
  const { n, ops, parts } = value as Readonly<Record<string, unknown>>;
  if (n !== line) throw badLine(file, line, `its number is ${JSON.stringify(n)?.slice(0, 40)}`);
  if (!Array.isArray(ops)) throw badLine(file, line, 'it has no list of operations');
  if (parts !== undefined && !areParts(parts, ops.length)) {
    throw badLine(file, line, 'its parts are not those of its operations');
  }
  return ops;
}

/** Numbers of operations that add up to `count`. */
function areParts(parts: unknown, count: number): boolean {
  if (!Array.isArray(parts)) return false;
  let sum = 0;
  for (const part of parts as unknown[]) {
    if (typeof part !== 'number' || !Number.isSafeInteger(part) || part < 0) return false;
    sum += part;
  }
  return sum === count;
}
