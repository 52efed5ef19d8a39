/**
 * What a read looks at: the present state, or that of a snapshot.
 *
 * - Work on trees is a function that may be called several times; it is run synchronously, or
 *   again after each block that was read off-thread. Data then follows as an Io. So every read
 *   has both forms over one code path.
 * - An asynchronous read is a reader: what it may look at is not handed out again until it ends.
 */

import { type Io, runAsync, runSync } from '../blockdev/io.js';
import { Tree } from '../btree/tree.js';
import { CorruptError, type DamagePlace, StoreError } from '../errors.js';
import { COLLECTIONS_SPEC } from '../onode/tree-specs.js';
import type { Engine } from '../txn/engine.js';
import { OpenCollection } from '../txn/open-collection.js';
import type { Reader } from '../txn/readers.js';
import { readSuperblocks } from '../txn/superblock-slots.js';

/** What a read is of, asked for when an error has to tell it. */
export type Place = () => DamagePlace;

const NOWHERE: Place = () => ({});

export abstract class View {
  readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** Raised when what was looked up before may have changed. */
  abstract get version(): number;
  /** The tree of collections. */
  abstract get collections(): Tree;
  abstract openCollection(name: string): OpenCollection | undefined;
  /** @throws StoreError when the view can't be read any more */
  abstract check(): void;

  /** Runs tree work now; `place` is what it reads, for errors. */
  sync<T>(work: () => T, place: Place = NOWHERE): T {
    this.check();
    const { state } = this.engine;
    try {
      return state.forest.sync(work);
    } catch (error) {
      throw reasonFor(this.engine, error, place);
    } finally {
      state.trim();
    }
  }

  /** Runs tree work, reading off-thread what it misses. */
  async run<T>(work: () => T, place: Place = NOWHERE): Promise<T> {
    return await this.#reading(async () => {
      const { state } = this.engine;
      const result = await state.forest.run(() => this.#checked(work));
      state.trim();
      return result;
    }, place);
  }

  /** Tree work that plans, then I/O that carries it out. */
  readSync<P, T>(plan: () => P, io: (plan: P) => Io<T>, place: Place = NOWHERE): T {
    try {
      return runSync(io(this.sync(plan)));
    } catch (error) {
      throw reasonFor(this.engine, error, place);
    }
  }

  async read<P, T>(plan: () => P, io: (plan: P) => Io<T>, place: Place = NOWHERE): Promise<T> {
    return await this.#reading(async () => {
      const planned = await this.engine.state.forest.run(() => this.#checked(plan));
      return await runAsync(io(planned));
    }, place);
  }

  /** Work that may have waited: what it looked at could have been given to others meanwhile. */
  #checked<T>(work: () => T): T {
    this.check();
    return work();
  }

  async #reading<T>(work: () => Promise<T>, place: Place): Promise<T> {
    this.check();
    const reader = this.engine.beginRead();
    try {
      const result = await work();
      this.check();
      return result;
    } catch (error) {
      this.check(); // what ended meanwhile can't be read: that is the reason, whatever was found
      throw reasonFor(this.engine, error, place);
    } finally {
      this.engine.readers.end(reader);
    }
  }
}

/**
 * What to tell a reader of `place` who came upon `found`: E_STALE where what seems damaged was
 * written by somebody else since the store was opened read-only.
 */
function reasonFor(engine: Engine, found: unknown, place: Place): unknown {
  if (!(found instanceof CorruptError)) return found;
  const error = found.at(place());
  const { device, readOnly, superblock } = engine;
  if (!readOnly) return error;
  try {
    const { newest } = runSync(readSuperblocks(device));
    if (newest.number === superblock.number) return error;
  } catch {
    return error; // nothing more is known
  }
  const message =
    'Cannot read store: it was written by another process since it was opened; open it again';
  return new StoreError('E_STALE', message, { cause: error });
}

/** The state as it is now. */
export class PresentView extends View {
  get version(): number {
    return this.engine.state.version;
  }

  get collections(): Tree {
    return this.engine.state.trees.collections;
  }

  openCollection(name: string): OpenCollection | undefined {
    return this.engine.state.collection(name);
  }

  check(): void {
    this.engine.check();
  }
}

/** The state of the instant at which it was made. */
export class SnapshotView extends View {
  readonly #reader: Reader;
  readonly collections: Tree;
  #closed = false;

  constructor(engine: Engine) {
    super(engine);
    const { trees, forest } = engine.state;
    forest.begin();
    const root = trees.collections.encodeRoot(forest.nodeSize);
    forest.release();
    this.#reader = engine.beginSnapshot();
    this.collections = new Tree(forest, COLLECTIONS_SPEC, { bytes: root, at: 0, end: root.length });
  }

  /** Nothing ever changes in it. */
  get version(): number {
    return 0;
  }

  openCollection(name: string): OpenCollection | undefined {
    const key = Buffer.from(name, 'latin1');
    const record = this.collections.get(key);
    return record === undefined ? undefined : OpenCollection.decode(this.engine.state, key, record);
  }

  check(): void {
    this.engine.check();
    if (this.#reader.expired) {
      throw new StoreError(
        'E_SNAPSHOT_EXPIRED',
        'Cannot read snapshot: the blocks that it held were needed',
      );
    }
    if (this.#closed) throw new StoreError('E_CLOSED', 'Cannot read snapshot: it is closed');
  }

  close(): void {
    this.#closed = true;
    this.engine.readers.end(this.#reader);
  }
}
