/**
 * What a check can find: one table of codes, and the place where findings are handed on.
 *
 * - A code keeps its meaning within a major version; messages may change. docs/fsck.md repeats
 *   the table, a test compares the two.
 * - Severities: an *error* is lost or endangered data, a *warning* costs space or redundancy only,
 *   a *note* is no fault.
 * - A finding names the run of device bytes that it is about, where there is one, and the tree,
 *   collection and object that refer to it: what a repair has to look up.
 */

import { CorruptError } from '../errors.js';
import { ROLE_NAMES } from '../format/role.js';

/** How bad a finding is. */
export type Severity = 'error' | 'warning' | 'note';

interface FindingKind {
  readonly severity: Severity;
  readonly meaning: string;
}

const error = (meaning: string): FindingKind => ({ severity: 'error', meaning });
const warning = (meaning: string): FindingKind => ({ severity: 'warning', meaning });
const note = (meaning: string): FindingKind => ({ severity: 'note', meaning });

/** Every code, in the order in which a check comes to it. */
export const FINDINGS = {
  'no-superblock': error('No slot holds a sound superblock: nothing else can be checked.'),
  'newer-format': error(
    'The store has a newer format, or one from before the first release: nothing else can be checked.',
  ),
  'device-short': error(
    'The device ends before the store does: what was behind its end is missing.',
  ),
  'superblock-slot': warning('A superblock slot does not hold what it should; another one does.'),
  'superblock-twins': error('The two slots of one superblock number say different things.'),
  'superblock-gap': warning('The older superblock is not the one right before the newest.'),
  'superblock-geometry': error(
    'The superblock cuts allocation groups in another way than its sizes say.',
  ),
  'superblock-objects': error('The superblock counts other objects than the collections hold.'),
  'superblock-bytes': error('The superblock counts other bytes than the objects have.'),

  'journal-lost': error(
    'The device of a separate journal was not given, or holds another journal or a copy of earlier.',
  ),
  'journal-torn': note(
    'The journal ends in a record that was being written; it is cut at the next open.',
  ),
  'journal-damaged': error('A journal record that had been durable is not there.'),
  'journal-record': error('A journal record holds something that is not a list of transactions.'),
  'pending-data': error('Data that a durable journal record names is not what was written (deep).'),
  'pending-torn': note(
    'Data of the last journal records was not all written; they are cut at the next open (deep).',
  ),
  'claim-in-use': error('A pending journal record names blocks that are in use already.'),

  unreadable: error('The device failed to read a place that the store uses.'),
  'root-damaged': error('A root record does not describe a tree of its kind.'),
  'unknown-comparator': warning(
    'A tree has an order that is not registered: its keys are not compared.',
  ),
  'unknown-tree': warning('The superblock names a tree that this version does not write.'),
  'outside-device': error('A pointer or extent leads out of the device.'),
  'in-fixed-place': error('A pointer or extent leads into a superblock slot or the journal.'),
  'pointer-damaged': error('A pointer has fields that no writer gives it.'),
  'node-damaged': error('A node is not the one that its pointer names: checksum or header differ.'),
  'node-malformed': error('A node with the right checksum has a body that no writer makes.'),
  'block-copy': warning(
    'A sound block has another checksum in its own header than its pointer: salvage would miss it.',
  ),
  'copy-damaged': warning(
    'One of the two copies of a node or bitmap cannot be read or is not what its pointer names.',
  ),
  'copy-place': error(
    'A node or bitmap has no second copy where the store keeps two, or names a place that cannot be its.',
  ),
  'node-underfull': error('A branch has fewer than two children.'),
  'key-order': error('The keys of a node do not rise.'),
  'key-bounds': error('A node holds keys that its parent keeps elsewhere.'),
  'pointer-totals': error('A pointer counts other records or bytes than there are below it.'),
  'birth-order': error('Something is younger than what refers to it.'),
  'record-damaged': error('A record cannot be decoded, or breaks the rules of its kind.'),

  'collection-id': error('A collection has an id that was never given, or that another one has.'),
  'object-id': error('An object has an id that was never given.'),
  'object-id-twice': note(
    'A collection holds an object id twice, as after a collection clone and a move between the two.',
  ),
  'large-value-flag': error(
    'An object has a large value although its record says that it has none.',
  ),
  'blob-tiling': error(
    'The entries of an object or large value leave a gap, overlap or are empty.',
  ),
  'blob-size': error('The entries of an object or large value do not end where its size says.'),
  'extent-shape': error('An extent has other blocks than its length and chunks need.'),
  'data-damaged': error('Data differs from its checksum (deep).'),
  'drop-number': error('An entry of the drop list has a number that was never given.'),
  'drop-parked': warning(
    'A dropped tree is parked because its node cannot be read: what is below stays allocated.',
  ),

  'reference-record': error(
    'A record of reference counts is impossible, or overlaps its predecessor.',
  ),
  'reference-unmerged': warning(
    'Two touching runs of blocks with equal reference counts are not one.',
  ),
  'reference-low': error('Blocks are referred to more often than their reference count says.'),
  'reference-high': warning('Blocks are referred to less often than their reference count says.'),
  'reference-unused': warning('A reference count speaks of blocks that nothing refers to.'),
  'doubly-used': error('Blocks are referred to more than once and have no reference count.'),
  'used-but-free': error('Blocks are in use, but their bitmap says that they are free.'),
  'leaked-blocks': warning('Blocks are marked as used, but nothing refers to them.'),
  'group-record': error('A group summary is of no group, or says what cannot be.'),
  'group-free': error('A group summary counts other free blocks than its bitmap.'),
  'group-longest': error('A group summary names another longest free run than its bitmap has.'),
  'bitmap-damaged': error(
    'The bitmap of an allocation group is not the one that its summary names.',
  ),
  'space-unknown': note('Leaks were not looked for, because part of the trees cannot be walked.'),
} as const satisfies Record<string, FindingKind>;

/** What a finding is about; docs/fsck.md lists them. */
export type FindingCode = keyof typeof FINDINGS;

/**
 * What repair does about a kind of finding: *healed*, and nothing is lost by it; *cut*, what
 * can't be read is given up and the rest is whole; *none*, it stays.
 */
export type Remedy = 'healed' | 'cut' | 'none';

interface Treatment {
  readonly remedy: Remedy;
  readonly meaning: string;
}

const healed = (meaning: string): Treatment => ({ remedy: 'healed', meaning });
const cut = (meaning: string): Treatment => ({ remedy: 'cut', meaning });
const none = (meaning: string): Treatment => ({ remedy: 'none', meaning });

const SLOTS = healed('All four slots are written anew.');
const COUNTED = healed('It is counted anew.');
const SPACE = healed('Reference counts, bitmaps and summaries are made anew.');

/** What repair does, for every code. */
export const REMEDIES: Readonly<Record<FindingCode, Treatment>> = {
  'no-superblock': none('Stays, unless asked to make a superblock; see Salvage.'),
  'newer-format': none('Use the version that wrote the store.'),
  'device-short': cut(
    'The store ends with the device; what lay behind is given up, unless the device gets its length back.',
  ),
  'superblock-slot': SLOTS,
  'superblock-twins': healed('The near slot counts; all four slots are written anew.'),
  'superblock-gap': SLOTS,
  'superblock-geometry': healed('The groups are cut as the sizes say.'),
  'superblock-objects': COUNTED,
  'superblock-bytes': COUNTED,
  'journal-lost': cut('Where its loss is accepted another one is made; what it held is lost.'),
  'journal-torn': healed('The journal is applied and its torn tail cut.'),
  'journal-damaged': cut('The journal is applied up to the record; it and all behind it is lost.'),
  'journal-record': cut('The journal is applied up to the record; it and all behind it is lost.'),
  'pending-data': none('The transaction is applied; its data is a damaged range from then on.'),
  'pending-torn': healed('The journal is applied and its torn tail cut.'),
  'claim-in-use': healed(
    'Bitmaps are made anew; if the blocks are still in use, the record and all behind it is lost.',
  ),
  unreadable: cut('A node is walked round; a bitmap is made anew; data and journal stay.'),
  'root-damaged': cut('The tree is empty; a stream of bytes is a damaged range.'),
  'unknown-comparator': none('Register the comparator.'),
  'unknown-tree': healed('The superblock names it no more.'),
  'outside-device': cut('A node is given up; the bytes of an extent are a damaged range.'),
  'in-fixed-place': cut('A node is given up; the bytes of an extent are a damaged range.'),
  'pointer-damaged': cut('What it led to is given up.'),
  'node-damaged': cut('Its key range is given up; in a stream of bytes it is a damaged range.'),
  'block-copy': healed('It is written anew.'),
  'copy-damaged': healed('It is written anew from the other one, in its place.'),
  'copy-place': healed('What has it is written anew, twice.'),
  'node-malformed': cut('Its key range is given up; in a stream of bytes it is a damaged range.'),
  'node-underfull': healed('What it holds is put into a sound tree.'),
  'key-order': healed('The records are put in order; of two with one key the first stays.'),
  'key-bounds': healed('The records are put where they belong, unless their key is there already.'),
  'pointer-totals': COUNTED,
  'birth-order': healed('What refers to it is written anew.'),
  'record-damaged': cut('The record is lost; an entry of a stream is a damaged range.'),
  'collection-id': healed(
    'Of two collections one gets a new id; the superblock learns of the others.',
  ),
  'object-id': healed('The superblock learns of it.'),
  'object-id-twice': none('It is no fault.'),
  'large-value-flag': healed('The flag is set.'),
  'blob-tiling': cut('A gap is a damaged range; where entries overlap the first one counts.'),
  'blob-size': healed('The size is where the entries end; a lost end is a damaged range.'),
  'extent-shape': healed('It gets as many blocks as its chunks need; their checksums decide.'),
  'data-damaged': none('Write over the bytes, or remove the object.'),
  'drop-number': healed('The drop list ends: what only it referred to is free.'),
  'drop-parked': healed('The drop list ends: what only it referred to is free.'),
  'reference-record': SPACE,
  'reference-unmerged': SPACE,
  'reference-low': SPACE,
  'reference-high': SPACE,
  'reference-unused': SPACE,
  'doubly-used': healed('Both share the blocks; where the checksums of one differ it is damaged.'),
  'used-but-free': SPACE,
  'leaked-blocks': SPACE,
  'group-record': SPACE,
  'group-free': SPACE,
  'group-longest': SPACE,
  'bitmap-damaged': SPACE,
  'space-unknown': healed('All trees can be walked afterwards.'),
};

/** Whose tree something was found in. */
export interface Place {
  /** Role of the tree. */
  readonly tree?: string;
  /** Name of the collection, printable. */
  readonly collection?: string | undefined;
  /** Name of the object, printable. */
  readonly object?: string | undefined;
  /** Key of the attribute or map value that is too large for its record, printable. */
  readonly value?: string | undefined;
}

/** What is known of a place in a tree of `role`: for a finding, which keeps it. */
export function placeIn(role: number, { collection, object, value }: Place): Place {
  return {
    tree: ROLE_NAMES[role] ?? `role ${role}`,
    ...(collection !== undefined && { collection }),
    ...(object !== undefined && { object }),
    ...(value !== undefined && { value }),
  };
}

/** One fault, or one thing worth knowing, that a check has come upon. */
export interface Finding extends Place {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** What is, and what should be. */
  readonly message: string;
  /** Bytes from the start of the device. */
  readonly offset?: number;
  /** Bytes of the device from `offset` on. */
  readonly length?: number;
  /** Where the bytes are in the object, or in the value where one is named. */
  readonly objectOffset?: number;
  /** Bytes from `objectOffset` on. */
  readonly objectLength?: number;
}

/** Where on the device, in whose tree, and where in the object. */
export type Where = Omit<Finding, 'code' | 'severity' | 'message'>;

/** Counts findings and hands them on. */
export class Findings {
  readonly counts: Record<Severity, number> = { error: 0, warning: 0, note: 0 };
  /** Nothing is reported: what is walked was reported already. */
  muted = false;
  readonly #onFinding: (finding: Finding) => void;

  constructor(onFinding: (finding: Finding) => void) {
    this.#onFinding = onFinding;
  }

  add(code: FindingCode, message: string, where: Where = {}): void {
    if (this.muted) return;
    const { severity } = FINDINGS[code];
    this.counts[severity]++;
    this.#onFinding({ code, severity, message, ...where });
  }
}

/** What `decode` gives, or why it can't: the message of its CorruptError. */
export function decoded<T>(decode: () => T): { readonly value: T } | { readonly fault: string } {
  try {
    return { value: decode() };
  } catch (cause) {
    if (cause instanceof CorruptError) return { fault: cause.message };
    throw cause;
  }
}
