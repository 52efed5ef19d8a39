/** The public names of Holdfast. */

export type { BlockDevice, StripeGeometry } from './blockdev/block-device.js';
export { MemoryDevice } from './blockdev/memory-device.js';
export type { Comparator } from './btree/comparator.js';
export {
  CorruptError,
  type DamagePlace,
  type ErrorCode,
  hasCode,
  type KeyRange,
  StoreError,
} from './errors.js';
export type { FsckProgress } from './fsck/context.js';
export type { Finding, FindingCode, Remedy, Severity } from './fsck/finding.js';
export type { FsckReport } from './fsck/fsck.js';
export type { RepairReport, TreatedFinding } from './fsck/repair.js';
export {
  compareGhobjects,
  formatGhobject,
  type Ghobject,
  type GhobjectParts,
  ghobject,
  NO_GENERATION,
  NO_SHARD,
  parseGhobject,
  SNAP_DIR,
  SNAP_HEAD,
} from './osd/ghobject.js';
export { ghobjectOf, type HashedName, hashedName } from './osd/ghobject-name.js';
export {
  type CollectionReader,
  isTemporaryCollection,
  type ObjectPlace,
  PgCollection,
  type PgListOptions,
  type PgPage,
} from './osd/pg-collection.js';
export { type ResizeOptions, type ResizeReport, resizeStore } from './resize/resize.js';
export type { ScrubOptions, ScrubProgress, ScrubReport } from './scrub/scrub.js';
export type { Clock } from './scrub/throttle.js';
export {
  type CheckStoreOptions,
  checkStore,
  type RepairStoreOptions,
  repairStore,
} from './store/check-store.js';
export type { DamageListener } from './store/damage-log.js';
export type { DamageOption, MapEntry, MapRange } from './store/entry-page.js';
export { hashPosition } from './store/hash-position.js';
export { type MkfsOptions, mkfs, mkfsOn, mkfsSync } from './store/mkfs.js';
export type { NamePage } from './store/name-page.js';
export {
  type ListedReservation,
  type OpenOptions,
  type Snapshot,
  type Statfs,
  Store,
  type StoreInfo,
  type StripeUse,
} from './store/store.js';
export type {
  CollectionStat,
  ListedObject,
  ListOptions,
  StoredCollection,
} from './store/stored-collection.js';
export type {
  ByteRange,
  ObjectExtent,
  ObjectStat,
  StoredObject,
} from './store/stored-object.js';
export type { Environment } from './txn/environment.js';
export type { EraseOptions, EraseReport } from './txn/eraser.js';
export type { JournalLoss } from './txn/journal-place.js';
export { PackedTransaction } from './txn/packed-transaction.js';
export type { Submission } from './txn/submission.js';
export {
  type Bytes,
  type CollectionOptions,
  type MapFormat,
  type ObjectName,
  type ReservationUnits,
  Transaction,
} from './txn/transaction.js';
