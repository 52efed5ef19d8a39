/** The public names of Holdfast. */

export type { BlockDevice, StripeGeometry } from './blockdev/block-device.js';
export { MemoryDevice } from './blockdev/memory-device.js';
export type { Comparator } from './btree/comparator.js';
export { CorruptError, type ErrorCode, hasCode, StoreError } from './errors.js';
export {
  type ListedReservation,
  type MkfsOptions,
  mkfs,
  mkfsOn,
  mkfsSync,
  type NamePage,
  type OpenOptions,
  type Snapshot,
  type Statfs,
  Store,
  type StoreInfo,
} from './store/store.js';
export type {
  CollectionStat,
  ListedObject,
  ListOptions,
  StoredCollection,
} from './store/stored-collection.js';
export type {
  MapEntry,
  MapRange,
  ObjectExtent,
  ObjectStat,
  StoredObject,
} from './store/stored-object.js';
export type { Environment } from './txn/environment.js';
export type { Submission } from './txn/submission.js';
export {
  type Bytes,
  type CollectionOptions,
  type MapFormat,
  type ObjectName,
  type ReservationUnits,
  Transaction,
} from './txn/transaction.js';
