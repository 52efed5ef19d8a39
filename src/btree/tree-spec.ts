/**
 * What a tree is: fixed when it is made, stated in its root record.
 */

import { invalidArgument } from '../errors.js';
import type { Role } from '../format/role.js';
import { BYTES, type Comparator, compositeComparator } from './comparator.js';
import { KEY_SIZE_MAX, VALUE_SIZE_MAX } from './node-format.js';

/** The shape of a tree. */
export interface TreeSpec {
  readonly role: Role;
  /** Stamped on nodes when they are written, a hint for salvage: collection id, object id or 0. */
  readonly owner: number;
  readonly comparator: Comparator;
  /** Bytes of every key; 0: variable. */
  readonly keySize: number;
  /** Bytes of every value; 0: a set; -1: variable. */
  readonly valueSize: number;
  /** A key may have several values: keys are composite, see DuplicateTree. */
  readonly duplicates: boolean;
}

/**
 * A spec with defaults: bytewise keys and values of any size, no duplicates.
 * @throws StoreError E_INVALID_ARGUMENT when a fixed size is over its limit or against the comparator's.
 */
export function treeSpec(spec: Pick<TreeSpec, 'role'> & Partial<Omit<TreeSpec, 'role'>>): TreeSpec {
  const comparator = spec.comparator ?? BYTES;
  const duplicates = spec.duplicates ?? false;
  const full: TreeSpec = {
    role: spec.role,
    owner: spec.owner ?? 0,
    comparator,
    keySize: spec.keySize ?? (duplicates ? 0 : (comparator.fixedKeySize ?? 0)),
    valueSize: spec.valueSize ?? (duplicates ? 0 : -1),
    duplicates,
  };
  const fault = specFault(full);
  if (fault !== undefined) throw invalidArgument(`Cannot describe a tree: ${fault}`);
  return full;
}

/** What is wrong with the sizes of a spec, or undefined when nothing is. */
export function specFault(spec: TreeSpec): string | undefined {
  if (!(spec.keySize >= 0 && spec.keySize <= KEY_SIZE_MAX)) return 'the key size is out of range';
  if (!(spec.valueSize >= -1 && spec.valueSize <= VALUE_SIZE_MAX)) {
    return 'the value size is out of range';
  }
  if (spec.duplicates) {
    return spec.keySize === 0 && spec.valueSize === 0
      ? undefined
      : 'a tree with duplicates is a set of keys of any size';
  }
  const fixed = spec.comparator.fixedKeySize;
  return fixed === undefined || fixed === spec.keySize
    ? undefined
    : 'the key size is not that of its comparator';
}

/** @throws StoreError E_INVALID_ARGUMENT for sizes over their limits or other than those of `spec`. */
export function checkRecordSizes(
  { keySize, valueSize }: TreeSpec,
  key: Uint8Array,
  value: Uint8Array,
): void {
  checkRecordSize('key', key.length, keySize > 0 ? keySize : undefined, KEY_SIZE_MAX);
  checkRecordSize('value', value.length, valueSize >= 0 ? valueSize : undefined, VALUE_SIZE_MAX);
}

function checkRecordSize(what: string, size: number, fixed: number | undefined, max: number): void {
  if (fixed === undefined ? size <= max : size === fixed) return;
  const expected = fixed === undefined ? `more than ${max}` : `not ${fixed}`;
  throw invalidArgument(`Cannot put: the ${what} has ${size} bytes, ${expected}`);
}

/** The order in which nodes of this tree are searched. */
export function searchOrder(spec: TreeSpec): Comparator {
  return spec.duplicates ? compositeComparator(spec.comparator) : spec.comparator;
}
