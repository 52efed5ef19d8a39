/**
 * Moving what lies at places that are to be given up, nodes and data, to free blocks.
 *
 * - Nothing is changed but addresses: a node that moves, or that leads to something that does, is
 *   copied with new pointers in place of the old ones. Trees keep their shape, nodes their length,
 *   entries their number, so what has to be written is known before it is written.
 * - What is shared stays shared: a node with several references is copied once, and all that
 *   refer to it get the copy's address. Data that entries share moves as a whole.
 * - Only free blocks are written: until a superblock names the copies nothing has happened.
 * - Memory: an entry for each shared node that was looked at, and for each shared run of data that
 *   moves; a path of nodes. Everything else is met once.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { Node } from '../btree/node.js';
import type { ReferenceSink } from '../btree/record-schema.js';
import { nodeReferences, rootReferences } from '../btree/root-record.js';
import { BLOCK_HEADER, BLOCK_TYPE, sealBlock } from '../format/block.js';
import { getU64, setU48 } from '../format/bytes.js';
import { checksum } from '../format/checksum.js';
import { putPointer, type ResolvedPointer } from '../format/pointer.js';
import type { DeviceMap } from '../fsck/device-map.js';
import { findNode, readPointer, type StoredPointer } from '../fsck/stored-node.js';
import { SCHEMAS } from '../onode/schemas.js';
import { unsound } from './unsound.js';

/** Bytes of data that are copied at once. */
const PIECE_BYTES = 1024 * 1024;

/** Nodes and extents after which the event loop has its turn. */
const STEPS_A_TURN = 256;

/** Where a reference stands and what it names. */
export type Reference =
  | {
      readonly kind: 'node';
      readonly bytes: Uint8Array;
      readonly at: number;
      readonly role: number;
    }
  | {
      readonly kind: 'data';
      readonly bytes: Uint8Array;
      /** Offset of the address in `bytes`. */
      readonly at: number;
      readonly address: number;
      readonly blocks: number;
    };

/** Gathers references, so that work which waits for the device can be done on each. */
class Gatherer implements ReferenceSink {
  readonly found: Reference[] = [];

  node(bytes: Uint8Array, at: number, role: number): void {
    this.found.push({ kind: 'node', bytes, at, role });
  }

  data(address: number, blocks: number, bytes: Uint8Array, at: number): void {
    this.found.push({ kind: 'data', bytes, at, address, blocks });
  }
}

/** The references of a root record. */
export function referencesOfRoot(root: Uint8Array, role: number): readonly Reference[] {
  const gatherer = new Gatherer();
  rootReferences(root, 0, root.length, role, SCHEMAS, gatherer);
  return gatherer.found;
}

/** The references that a node holds. */
export function referencesOf(node: Node): readonly Reference[] {
  const gatherer = new Gatherer();
  nodeReferences(node, SCHEMAS, gatherer);
  return gatherer.found;
}

/**
 * The node of a pointer of a store that is to be sound.
 * @throws StoreError E_IO when it can't be read; CorruptError when it is another one
 */
export function* readSound(map: DeviceMap, pointer: StoredPointer, role: number): Io<Node> {
  const { address, blocks, fault } = pointer;
  const offset = map.offsetOf(address);
  const reason = fault ?? map.placeFault(address, blocks);
  if (reason !== undefined) throw unsound('the node', offset, { isUnreadable: false, reason });
  const found = yield* findNode(map, pointer, role, false);
  if (!('reason' in found)) return found.node;
  throw unsound('the node', offset, {
    isUnreadable: found.code === 'unreadable',
    reason: found.reason,
  });
}

/** What the blocks of a run are to the relocation. */
export interface Places {
  /** True when something in the run has to move. */
  isInTheWay(start: number, length: number): boolean;
  /** True when a block of the run has several references. */
  isShared(start: number, length: number): boolean;
  /** The shared data that moves together with the run, all of it. */
  clusterOf(start: number, length: number): { readonly start: number; readonly length: number };
  /** Takes free blocks in a row. @throws StoreError E_NO_SPACE */
  take(length: number): Io<number>;
}

export interface RelocationOptions {
  readonly device: BlockDevice;
  readonly map: DeviceMap;
  readonly places: Places;
  /** Generation that copies of nodes are stamped with: above all that are there. */
  readonly generation: number;
  readonly storeTag: number;
  /** Called now and then with the bytes of data and nodes that were written. */
  readonly onProgress?: (bytes: number) => void;
}

/** What was written. */
export interface Relocated {
  readonly nodes: number;
  readonly dataBytes: number;
}

export class Relocation {
  readonly #device: BlockDevice;
  readonly #map: DeviceMap;
  readonly #places: Places;
  readonly #options: RelocationOptions;
  /** Shared nodes that were looked at, by address; undefined: it stays. */
  readonly #known = new Map<number, ResolvedPointer | undefined>();
  /** New places of shared data, by the first block of its cluster. */
  readonly #clusters = new Map<number, number>();
  #nodes = 0;
  #dataBytes = 0;
  #steps = 0;
  #written = 0;

  constructor(options: RelocationOptions) {
    this.#options = options;
    this.#device = options.device;
    this.#map = options.map;
    this.#places = options.places;
  }

  get relocated(): Relocated {
    return { nodes: this.#nodes, dataBytes: this.#dataBytes };
  }

  /**
   * Moves what the tree of a root record has in the way; gives the record with new addresses.
   * @throws StoreError E_NO_SPACE, E_IO; CorruptError when a node of the tree is damaged
   */
  *root(root: Uint8Array, role: number): Io<Uint8Array> {
    if (root.length === 0) return root;
    const moved = root.slice();
    for (const reference of referencesOfRoot(moved, role)) yield* this.#follow(reference);
    return moved;
  }

  /** Moves what a reference leads to and writes its new place; true when there is one. */
  *#follow(reference: Reference): Io<boolean> {
    const { bytes, at } = reference;
    if (reference.kind === 'data') return yield* this.#moveData(reference);
    const pointer = readPointer(bytes, at, this.#map.blockSize);
    const moved = yield* this.#nodeOf(pointer, reference.role);
    if (moved !== undefined) putPointer(bytes, at, moved);
    return moved !== undefined;
  }

  /** Where the node of a pointer is now; undefined: where it was. */
  *#nodeOf(pointer: StoredPointer, role: number): Io<ResolvedPointer | undefined> {
    const { address } = pointer;
    if (this.#known.has(address)) return this.#known.get(address);
    const isLeafAlone = pointer.plain && pointer.level === 0;
    if (isLeafAlone && !this.#isInTheWay(pointer)) return undefined;
    const moved = yield* this.#copyNode(pointer, role);
    if (this.#places.isShared(address, 1)) this.#known.set(address, moved);
    yield* this.#turn();
    return moved;
  }

  /** True when one of the places of a node has to be given up. */
  #isInTheWay({ address, copy, blocks }: StoredPointer): boolean {
    const isInTheWay = this.#places.isInTheWay(address, blocks);
    return isInTheWay || (copy !== 0 && this.#places.isInTheWay(copy, blocks));
  }

  *#copyNode(pointer: StoredPointer, role: number): Io<ResolvedPointer | undefined> {
    const node = yield* readSound(this.#map, pointer, role);
    let isChanged = this.#isInTheWay(pointer);
    for (const reference of referencesOf(node)) {
      isChanged = (yield* this.#follow(reference)) || isChanged;
    }
    if (!isChanged) return undefined;
    const address = yield* this.#places.take(pointer.blocks);
    const copy = pointer.copy === 0 ? 0 : yield* this.#places.take(pointer.blocks);
    const { page } = node;
    const { generation: birth, storeTag: store } = this.#options;
    const owner = getU64(page, BLOCK_HEADER.owner);
    const { level } = pointer;
    sealBlock(page, { type: BLOCK_TYPE.node, level, role, address, birth, owner, store });
    const { low, high } = checksum;
    yield* this.#write(address, page);
    if (copy !== 0) yield* this.#write(copy, page);
    this.#nodes++;
    const { blocks: length, plain, records, bytes } = pointer;
    return { address, copy, length, low, high, birth, level, plain, records, bytes };
  }

  *#moveData(reference: Reference & { readonly kind: 'data' }): Io<boolean> {
    const { address, blocks, bytes, at } = reference;
    if (!this.#places.isInTheWay(address, blocks)) return false;
    if (!this.#places.isShared(address, blocks)) {
      setU48(bytes, at, yield* this.#copyData(address, blocks));
    } else {
      const { start, length } = this.#places.clusterOf(address, blocks);
      const known = this.#clusters.get(start);
      const target = known ?? (yield* this.#copyData(start, length));
      this.#clusters.set(start, target);
      setU48(bytes, at, target + address - start);
    }
    yield* this.#turn();
    return true;
  }

  /** Copies blocks as they are, right or wrong; gives their new place. */
  *#copyData(start: number, length: number): Io<number> {
    const target = yield* this.#places.take(length);
    const { blockSize } = this.#map;
    const step = Math.max(1, Math.floor(PIECE_BYTES / blockSize));
    for (let done = 0; done < length; done += step) {
      const piece = new Uint8Array(Math.min(step, length - done) * blockSize);
      const offset = this.#map.offsetOf(start + done);
      yield { kind: 'read', device: this.#device, offset, target: piece };
      yield* this.#write(target + done, piece);
    }
    this.#dataBytes += length * blockSize;
    return target;
  }

  *#write(address: number, bytes: Uint8Array): Io<void> {
    const offset = this.#map.offsetOf(address);
    yield { kind: 'write', device: this.#device, offset, sources: [bytes], durable: false };
    this.#written += bytes.length;
  }

  *#turn(): Io<void> {
    if (++this.#steps % STEPS_A_TURN !== 0) return;
    this.#options.onProgress?.(this.#written);
    yield { kind: 'pause' };
  }
}
