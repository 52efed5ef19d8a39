/**
 * The device that a store lives on.
 *
 * - Offsets and lengths are bytes and multiples of `sectorSize`.
 * - A write is *complete* when the call returns (or its promise resolves) and *durable* after the
 *   next flush that was begun later, or at once with `durable: true`.
 * - A call either does all that was asked or throws E_IO (cause: the operating system's error);
 *   short reads and writes are continued inside. Growing throws E_NO_SPACE when the host is full.
 * - Buffers belong to the caller and must not change until the call has ended.
 * - A closed device answers E_CLOSED, one opened read-only answers writes with E_READ_ONLY.
 * - Places that are unaligned, negative or past the end are misuse: E_INVALID_ARGUMENT.
 */

/** RAID geometry in bytes; both 0 where there is none or it is not known. */
export interface StripeGeometry {
  /** Bytes per disk before the next disk takes over. */
  readonly unit: number;
  /** Data bytes of one full stripe: data disks x unit. */
  readonly width: number;
  /** Who says so, or why there is none, for people. */
  readonly origin?: string;
}

export const NO_STRIPES: StripeGeometry = { unit: 0, width: 0 };

export interface WriteOptions {
  /** The bytes, and nothing else, are durable when the write has ended (O_DSYNC). */
  readonly durable?: boolean;
  /** Nobody is going to read them soon: a durable write may pass the page cache by. */
  readonly unread?: boolean;
}

/** What a store lives on. Every call may throw StoreError E_IO and E_CLOSED. */
export interface BlockDevice {
  /** For messages. */
  readonly path: string;
  readonly sectorSize: number;
  readonly geometry: StripeGeometry;
  readonly readOnly: boolean;
  /** Bytes that are really there now: every offset below has been written or is a raw device's. */
  readonly size: number;
  /** Bytes that it may grow to; equal to `size` where it can't grow. */
  readonly sizeMax: number;
  /**
   * Bytes that writes have begun to write since the device was opened, without the zeros of
   * growing; undefined where nobody counts.
   */
  readonly writtenBytes?: number;

  /**
   * Sets `sizeMax` to `bytes`, rounded down to sectors, or to `size` if that is more: how large a
   * file may become is known only to the superblock in it. No effect on a raw device.
   */
  limitTo(bytes: number): void;

  /** Fills `target` with the bytes from `offset` on; both of whole sectors. */
  readSync(offset: number, target: Uint8Array): void;
  /** As `readSync`; `target` belongs to the device until the promise settles. */
  read(offset: number, target: Uint8Array): Promise<void>;

  /** Writes the sources one behind the other; only their sum needs to be of whole sectors. */
  writeSync(offset: number, sources: readonly Uint8Array[], options?: WriteOptions): void;
  /** As `writeSync`; the sources belong to the device until the promise settles. */
  write(offset: number, sources: readonly Uint8Array[], options?: WriteOptions): Promise<void>;

  /**
   * Writes durably what nobody waits for. Where it is there, its failure takes no error away that
   * the system has in store for another write; else a durable write has to do.
   */
  rewriteSync?(offset: number, bytes: Uint8Array): void;

  /** Makes every completed write durable. */
  flushSync(): void;
  /** As `flushSync`. */
  flush(): Promise<void>;

  /**
   * Grows to `size` bytes by writing zeros, so that the space is really there; durable when it
   * has ended. A `size` that is there already changes nothing. It may overtake a `grow` that is
   * under way, whose zeros may land until its promise settles.
   * @throws StoreError E_NO_SPACE beyond `sizeMax` or when the host is full; nothing has changed
   */
  growSync(size: number): void;
  /** As `growSync`; one at a time. */
  grow(size: number): Promise<void>;

  /**
   * Gives back descriptors and lock, after the last call that is still under way has ended; new
   * calls are refused at once. Idempotent. Does not flush.
   */
  closeSync(): void;

  /** Resolves when what `closeSync` gives back is given back; missing where that is at once. */
  released?(): Promise<void>;
}
