/** A forest over a device in memory, with exact reference counts and a schema for nested trees. */

import { Forest, type ReferenceCounts } from '../../src/btree/forest.js';
import type { Node } from '../../src/btree/node.js';
import type { RecordSchema, RecordSchemas } from '../../src/btree/record-schema.js';
import { rootReferences, rootStoredBytes } from '../../src/btree/root-record.js';
import { CorruptError } from '../../src/errors.js';
import { getU16, getU48, setU16, setU48 } from '../../src/format/bytes.js';
import { POINTER } from '../../src/format/pointer.js';
import { ROLE } from '../../src/format/role.js';

/** Kinds of the test's records: first byte of a value. */
export const KIND = { plain: 0, data: 1, root: 2 } as const;

/** Every block that is in use, with its references; freeing twice or using freed fails. */
export class CountOracle implements ReferenceCounts {
  counts = new Map<number, number>();
  freed: number[] = [];
  #saved: Map<number, number> | undefined;
  #freedBefore = 0;

  allocate(address: number): void {
    if (this.counts.has(address)) throw new Error(`block ${address} is in use`);
    this.counts.set(address, 1);
  }

  #count(address: number): number {
    const count = this.counts.get(address);
    if (count === undefined) throw new Error(`block ${address} is not in use`);
    return count;
  }

  isShared(address: number): boolean {
    return this.#count(address) > 1;
  }

  retain(address: number): void {
    this.counts.set(address, this.#count(address) + 1);
  }

  release(address: number): boolean {
    const left = this.#count(address) - 1;
    if (left > 0) this.counts.set(address, left);
    else {
      this.counts.delete(address);
      this.freed.push(address);
    }
    return left === 0;
  }

  begin(): void {
    this.#saved = new Map(this.counts);
    this.#freedBefore = this.freed.length;
  }

  rollback(): void {
    this.counts = this.#saved ?? this.counts;
    this.freed.length = this.#freedBefore;
  }
}

/** A device in memory: pages by address. */
export class PageDevice {
  readonly pages = new Map<number, Uint8Array>();
  reads = 0;

  readSync(address: number, page: Uint8Array): void {
    const stored = this.pages.get(address);
    if (stored === undefined || stored.length !== page.length) {
      throw new CorruptError(`nothing of this length was written at ${address}`);
    }
    this.reads++;
    page.set(stored);
  }

  heal(address: number, page: Uint8Array): void {
    this.pages.set(address, page.slice());
  }

  async read(address: number, page: Uint8Array): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.readSync(address, page);
  }
}

const nested: RecordSchema = {
  mayReferToNodes: true,
  references(bytes, start, end, sink) {
    if (bytes[start] === KIND.data) {
      sink.data(getU48(bytes, start + 1), getU16(bytes, start + 7), bytes, start + 1);
    }
    if (bytes[start] === KIND.root) {
      rootReferences(bytes, start + 1, end, ROLE.map, SCHEMAS, sink);
    }
  },
  storedBytes(bytes, start, end) {
    if (bytes[start] !== KIND.root) return end - start;
    return rootStoredBytes(bytes, start + 1, end, ROLE.map, SCHEMAS);
  },
};

export const SCHEMAS: RecordSchemas = { [ROLE.objects]: nested };

/** A record that refers to a run of blocks. */
export function dataRecord(address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = KIND.data;
  setU48(bytes, 1, address);
  setU16(bytes, 7, length);
  return bytes;
}

/** A checkpoint between its freeze and its end. */
export interface OpenCheckpoint {
  /** Seals up to `count` more nodes. */
  seal(count: number): void;
  /** Seals the rest, writes and cleans. */
  finish(): void;
}

export interface Bed {
  readonly forest: Forest;
  readonly oracle: CountOracle;
  readonly device: PageDevice;
  /** A fresh run of blocks. */
  allocate(length: number): number;
  /** Freezes, seals, writes and cleans everything dirty. */
  checkpoint(): void;
  /** Freezes everything dirty; the rest of the checkpoint is the caller's to drive. */
  startCheckpoint(): OpenCheckpoint;
  /** Drops what a root record refers to. */
  drop(role: number, root: Uint8Array): void;
}

/** A forest with nothing in it. */
export function makeBed(blockSize: number, nodeSize: number, cacheBytes = 1 << 30): Bed {
  const oracle = new CountOracle();
  const device = new PageDevice();
  const forest = new Forest({
    reader: device,
    blockSize,
    nodeSize,
    storeTag: 0x1234,
    cacheBytes,
    deferredBytesMax: 1 << 30,
    schemas: SCHEMAS,
    counts: oracle,
    onFree: (address) => void oracle.release(address),
    generation: 1,
  });
  let end = 16;
  const allocate = (length: number): number => {
    const address = end;
    end += length;
    oracle.allocate(address);
    return address;
  };
  let lastFrozen = 0;
  const startCheckpoint = (): OpenCheckpoint => {
    const frozen = forest.generation;
    const place = (length: number) => ({ address: allocate(length), copy: 0 });
    forest.assignShared(place);
    const nodes = forest.freeze();
    for (const node of nodes) if (node.address < 0) forest.assign(node, place(node.length));
    let sealed = 0;
    const seal = (count: number): void => {
      for (const end = Math.min(sealed + count, nodes.length); sealed < end; sealed++) {
        forest.seal(nodes[sealed] as Node);
      }
    };
    const finish = (): void => {
      seal(nodes.length);
      for (const node of nodes) device.pages.set(node.address, node.page.slice());
      forest.clean(nodes);
      forest.retireNumbers(lastFrozen);
      lastFrozen = frozen;
    };
    return { seal, finish };
  };
  const checkpoint = (): void => startCheckpoint().finish();
  const drop = (role: number, root: Uint8Array): void => {
    const queue: { role: number; bytes: Uint8Array }[] = [];
    const enqueue = (of: number, bytes: Uint8Array, at: number): void => {
      queue.push({ role: of, bytes: bytes.slice(at, at + POINTER.size) });
    };
    const freeData = (address: number): void => void oracle.release(address);
    rootReferences(root, 0, root.length, role, SCHEMAS, {
      node: (bytes, at, of) => enqueue(of, bytes, at),
      data: freeData,
    });
    for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
      forest.dropStep(one.role, one.bytes, 0, enqueue, freeData);
    }
  };
  return { forest, oracle, device, allocate, checkpoint, startCheckpoint, drop };
}
