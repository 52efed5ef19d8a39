/**
 * Checking the trees that the store keeps for itself: drop list, reservations, group summaries
 * and reference counts, and a tree that this version knows nothing about.
 */

import type { BlockRun } from '../alloc/block-run.js';
import type { Io } from '../blockdev/io.js';
import type { Node } from '../btree/node.js';
import { entry, readEntry } from '../btree/node-view.js';
import type { TreeSpec } from '../btree/tree-spec.js';
import { getU32, getU64BigEndian } from '../format/bytes.js';
import { type GroupSummary, getGroupSummary } from '../format/group-summary.js';
import { ROLE, ROLE_NAMES, type Role } from '../format/role.js';
import { ATTRIBUTES_SPEC } from '../onode/tree-specs.js';
import { GROUPS_SPEC } from '../txn/group-store.js';
import { REFERENCE } from '../txn/reference-table.js';
import { decodeReservation } from '../txn/reservation.js';
import { DROP_FIRST, STORE_SPECS } from '../txn/store-state.js';
import { BlobVisitor } from './blob-tree.js';
import type { CheckContext } from './context.js';
import { decoded, type FindingCode, type Place, placeIn, type Where } from './finding.js';
import { ObjectsVisitor, ValuesVisitor } from './object-trees.js';
import { readPointer } from './stored-node.js';
import { type TreeVisitor, walkDropped } from './tree-walk.js';

/** What all visitors of the store's own trees have in common: they are nobody's. */
abstract class ServiceVisitor implements TreeVisitor {
  readonly place: Place = {};
  readonly role: Role;
  readonly spec: TreeSpec | undefined;
  protected readonly context: CheckContext;

  constructor(context: CheckContext, role: Role, spec: TreeSpec | undefined) {
    this.context = context;
    this.role = role;
    this.spec = spec;
  }

  *leaf(node: Node, first: number): Io<void> {
    for (let i = first; i < node.count; i++) {
      this.context.at(node, i);
      readEntry(node, i);
      const { keyStart, valueStart, valueEnd } = entry;
      const more = this.record(node, keyStart, valueStart, valueEnd);
      if (more !== undefined) yield* more;
    }
  }

  /**
   * Checks a record: key from `keyStart` to `valueStart`, value behind it to `valueEnd`. Gives
   * what is still to be read because of it, if anything.
   */
  protected abstract record(
    node: Node,
    keyStart: number,
    valueStart: number,
    valueEnd: number,
  ): Io<void> | undefined;

  protected add(code: FindingCode, message: string, where: Where = {}): void {
    this.context.findings.add(code, message, { ...placeIn(this.role, this.place), ...where });
  }
}

/** The drop list, and everything below the dropped roots. */
export class DropsVisitor extends ServiceVisitor {
  constructor(context: CheckContext) {
    super(context, ROLE.drops, STORE_SPECS.drops);
  }

  protected record(node: Node, keyStart: number, valueStart: number): Io<void> | undefined {
    const number = getU64BigEndian(node.page, keyStart);
    const { map, superblock } = this.context;
    const { nextDrop } = superblock;
    const root = readPointer(node.page, valueStart + 1, map.blockSize);
    const where = map.runInside(root.address, root.blocks);
    if (!(number < nextDrop)) {
      this.add('drop-number', `Number ${number} is not below ${nextDrop}`, where);
    } else if (number < DROP_FIRST) this.add('drop-parked', `Drop ${number} is parked`, where);
    const role = node.page[valueStart] as number;
    const visitor = this.#visitorOf(role);
    if (visitor !== undefined) {
      return walkDropped(this.context, visitor, node.page, valueStart + 1, node.birth);
    }
    const name = ROLE_NAMES[role] ?? `role ${role}`;
    this.add('record-damaged', `Drop ${number} is of a tree that is never dropped: ${name}`);
    this.context.isIncomplete = true;
    return undefined;
  }

  /** Only trees of these roles are dropped; none of them holds drops, so this is not endless. */
  #visitorOf(role: number): TreeVisitor | undefined {
    const { context, place } = this;
    switch (role) {
      case ROLE.objects:
        return new ObjectsVisitor(context, place, undefined);
      case ROLE.attributes:
        return new ValuesVisitor(context, role, ATTRIBUTES_SPEC, place);
      case ROLE.map:
        return new ValuesVisitor(context, role, undefined, place);
      case ROLE.blob:
        return new BlobVisitor(context, place, 'part');
      default:
        return undefined;
    }
  }
}

export class ReservationsVisitor extends ServiceVisitor {
  constructor(context: CheckContext) {
    super(context, ROLE.reservations, STORE_SPECS.reservations);
  }

  protected record(node: Node, _keyStart: number, start: number, end: number): undefined {
    const reservation = decoded(() => decodeReservation(node.page.subarray(start, end)));
    if ('fault' in reservation) this.add('record-damaged', reservation.fault);
  }
}

/** A tree whose records this version knows nothing of: they are taken to own nothing. */
export class UnknownVisitor extends ServiceVisitor {
  constructor(context: CheckContext, role: Role) {
    super(context, role, undefined);
  }

  protected record(): undefined {
    return undefined;
  }
}

/** Group summaries; keeps those of the groups of this pass. */
export class GroupsVisitor extends ServiceVisitor {
  readonly summaries = new Map<number, GroupSummary>();

  constructor(context: CheckContext) {
    super(context, ROLE.groups, GROUPS_SPEC);
  }

  protected record(node: Node, keyStart: number, valueStart: number): undefined {
    const group = getU64BigEndian(node.page, keyStart);
    const summary = getGroupSummary(node.page, valueStart);
    const { groups } = this.context.map;
    const fault = this.#fault(group, summary, node.birth);
    if (fault !== undefined) this.add('group-record', `Group ${group}: ${fault}`);
    if (!(group < groups.groupCount) || summary.address === 0) return;
    const where = placeIn(this.role, this.place);
    const { address, copy } = summary;
    const places = { address, copy, blocks: 1 };
    const misplaced = this.context.referKept(places, `bitmap of group ${group}`, where);
    if (misplaced !== undefined) {
      this.context.addMisplaced(misplaced, address, 1, `Bitmap of group ${group}`, where);
      return;
    }
    if (this.context.isInWindow(groups.startOf(group))) this.summaries.set(group, summary);
  }

  #fault(group: number, summary: GroupSummary, birth: number): string | undefined {
    const { groups } = this.context.map;
    if (!(group < groups.groupCount)) return `there are ${groups.groupCount} groups`;
    const size = groups.sizeOf(group);
    if (summary.free > size) return `${summary.free} of ${size} blocks are free`;
    if (summary.longest > summary.free) {
      return `a run of ${summary.longest} blocks is free, and ${summary.free} in all`;
    }
    if (summary.birth > birth) return `its bitmap is of epoch ${summary.birth}, it of ${birth}`;
    return undefined;
  }
}

/** A run of blocks and how often each of them is referred to. */
export interface ReferenceRun extends BlockRun {
  readonly count: number;
}

/** Reference counts: checks the records, and hands on what of them makes sense. */
export class ReferencesVisitor extends ServiceVisitor {
  readonly #onRun: (run: ReferenceRun) => void;
  #before: ReferenceRun = { start: 0, length: 0, count: 0 };

  /** `onRun` gets runs in order, inside the device, none overlapping another. */
  constructor(context: CheckContext, onRun: (run: ReferenceRun) => void) {
    super(context, ROLE.references, STORE_SPECS.references);
    this.#onRun = onRun;
  }

  protected record(node: Node, keyStart: number, valueStart: number): undefined {
    const { map } = this.context;
    const start = getU64BigEndian(node.page, keyStart);
    const length = getU32(node.page, valueStart + REFERENCE.length);
    const count = getU32(node.page, valueStart + REFERENCE.count);
    const before = this.#before;
    const end = before.start + before.length;
    const isSound = length > 0 && count > 1 && start + length <= map.blocks;
    if (!isSound || start < end) {
      const what = `Blocks ${start}+${length} with ${count} references`;
      const where = map.runInside(start, length);
      this.add('reference-record', `${what} cannot be, or overlap what ends at ${end}`, where);
    } else if (start === end && count === before.count) {
      this.add(
        'reference-unmerged',
        `Blocks ${before.start}+${before.length} and ${start}+${length} have ${count} references`,
        map.run(start, length),
      );
    }
    const from = Math.max(start, end);
    if (!isSound || from >= start + length) return;
    this.#before = { start: from, length: start + length - from, count };
    this.#onRun(this.#before);
  }
}
