/**
 * Operation codes of a transaction. Where the field's ObjectStore interface has a number for an
 * operation, ours is the same; our own begin at 64.
 *
 * Arguments, in order, as a transaction's encoded operations hold them: `c` index of a collection
 * in the transaction's table, `o` index of an object, `bytes` a varint length and the bytes,
 * `data` a kind byte (0: bytes follow, 1: varint index of data written ahead), numbers varints.
 */

export const OPERATION = {
  create: 7, // o
  touch: 9, // o
  write: 10, // o offset data
  zero: 11, // o offset length
  truncate: 12, // o size
  remove: 13, // o
  setAttribute: 14, // o name:bytes data
  removeAttribute: 16, // o name:bytes
  clone: 17, // o(source) o(target)
  createCollection: 20, // c kind bits
  removeCollection: 21, // c
  setCollectionAttribute: 24, // c name:bytes data
  removeCollectionAttribute: 25, // c name:bytes
  removeAttributes: 28, // o
  renameCollection: 29, // c(source) c(target)
  cloneRange: 30, // o(source) o(target) sourceOffset length targetOffset
  mapClear: 31, // o
  mapSet: 32, // o count, then key:bytes data each
  mapRemove: 33, // o count, then key:bytes each
  mapSetHeader: 34, // o data
  splitCollection: 36, // c(source) c(target) bits remainder
  mapRemoveRange: 37, // o from:bytes bounded to:bytes
  moveRename: 38, // o(source) o(target)
  setAllocationHint: 39, // o objectSize writeSize
  collectionHint: 40, // c
  tryRename: 41, // o(source) o(target)
  setCollectionBits: 42, // c bits
  mergeCollection: 43, // c(source) c(target) bits
  cloneCollection: 65, // c(source) c(target)
  dropCollection: 66, // c
  formatMap: 67, // o comparator:bytes comparatorVersion keySize
  reserve: 70, // name:bytes owner:bytes bytes operations keys
  cancelReservation: 71, // name:bytes
  redeem: 72, // name:bytes bytes operations keys
  ifVersion: 80, // o version
  mustExist: 81, // o
  mustNotExist: 82, // o
} as const;

export type Operation = (typeof OPERATION)[keyof typeof OPERATION];

/** Where an operation's data comes from. */
export const DATA_KIND = { here: 0, ahead: 1 } as const;

/** Operations that give space back: a transaction of these alone may use the delete floor. */
export const DELETING: ReadonlySet<number> = new Set([
  OPERATION.remove,
  OPERATION.removeAttribute,
  OPERATION.removeAttributes,
  OPERATION.removeCollection,
  OPERATION.dropCollection,
  OPERATION.removeCollectionAttribute,
  OPERATION.mapClear,
  OPERATION.mapRemove,
  OPERATION.mapRemoveRange,
  OPERATION.cancelReservation,
  OPERATION.ifVersion,
  OPERATION.mustExist,
  OPERATION.mustNotExist,
]);

/**
 * Operations that give back a whole collection or reservation, and the guards: a transaction of
 * these alone may use all of the delete floor.
 */
export const DROPPING: ReadonlySet<number> = new Set([
  OPERATION.removeCollection,
  OPERATION.dropCollection,
  OPERATION.cancelReservation,
  OPERATION.ifVersion,
  OPERATION.mustExist,
  OPERATION.mustNotExist,
]);

/** Names by code, for messages. */
export const OPERATION_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(OPERATION).map(([name, code]) => [code, name]),
);
