/**
 * Bugs to plant in the engine, one at a time, and the tests that have to find them: the check of
 * the tests. `npm run mutants` plants each in a copy of the tree.
 *
 * - An edit replaces a text that stands once in its file.
 */

export interface Edit {
  /** From the root of the tree. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  /** What is wrong. */
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Test files, asked in this order until one fails. */
  readonly tests: readonly string[];
}

const CRASHES = 'test/sim/crashes.test.ts';
const SIMULATION = 'test/sim/simulation.test.ts';
const CRASH_TESTS = [CRASHES, SIMULATION];
const OVERTAKEN_TESTS = ['test/crash/overtaken.test.ts'];
const ERASE_TESTS = ['test/store/erase.test.ts', 'test/store/erase-random.test.ts'];
const SEPARATE_TESTS = [
  'test/store/separate-journal.test.ts',
  'test/crash/separate-journal-crash.test.ts',
];
const SALVAGE_TESTS = ['test/fsck/repair-salvage.test.ts'];
const DELTA_TESTS = ['test/btree/delta-leaf.test.ts', 'test/btree/model.test.ts'];
const COPY_TESTS = ['test/corruption/copies.test.ts'];

const DESCRIPTOR_IO = 'src/blockdev/descriptor-io.ts';
const COMMITTER = 'src/txn/committer.ts';
const CHECKPOINT = 'src/txn/checkpoint.ts';
const RUN_WRITER = 'src/txn/run-writer.ts';
const CHECKPOINTER = 'src/txn/checkpointer.ts';
const ENGINE = 'src/txn/engine.ts';
const JOURNAL = 'src/txn/journal.ts';
const JOURNAL_SCAN = 'src/txn/journal-scan.ts';
const RECOVERY = 'src/txn/recovery.ts';
const REFERENCES = 'src/txn/reference-table.ts';
const SLOTS = 'src/txn/superblock-slots.ts';
const STATE = 'src/txn/store-state.ts';
const OBJECTS = 'src/txn/object-table.ts';
const REGRESSIONS = ['test/store/regressions.test.ts'];

function mutant(
  name: string,
  file: string,
  from: string,
  to: string,
  tests: readonly string[] = CRASH_TESTS,
): Mutant {
  return { name, edits: [{ file, from, to }], tests };
}

export const MUTANTS: readonly Mutant[] = [
  // Durability of the journal
  mutant(
    'a lone record is not written durably',
    COMMITTER,
    'for (const step of this.#writes(queued, !queued.flush)) {',
    'for (const step of this.#writes(queued, false)) {',
  ),
  mutant(
    'no flush behind data written ahead',
    COMMITTER,
    'if (queued.flush) await stepAsync(this.#flushes());',
    '',
  ),
  mutant(
    'commitSync does not flush what it wrote again',
    COMMITTER,
    'if (!single) stepSync(this.#flushes());',
    '',
  ),
  mutant(
    'a large transaction does not ask for a flush',
    COMMITTER,
    'flush: this.#flush || body !== undefined,',
    'flush: this.#flush,',
  ),
  mutant(
    'a record says that it is durable itself',
    JOURNAL,
    'durable: this.#durable,',
    'durable: this.#sequence,',
  ),
  mutant(
    'a write that the system cuts short is taken for whole',
    DESCRIPTOR_IO,
    'count = await writeSome(to.fd, rest.slice(0, VECTORS_MAX), at);',
    'count = await writeSome(to.fd, rest.slice(0, VECTORS_MAX), at); return;',
    ['test/blockdev/descriptor-io.test.ts'],
  ),
  mutant(
    'a synchronous write that the system cuts short is taken for whole',
    DESCRIPTOR_IO,
    'count = writevSync(to.fd, rest.slice(0, VECTORS_MAX), at);',
    'count = writevSync(to.fd, rest.slice(0, VECTORS_MAX), at); return;',
    ['test/blockdev/descriptor-io.test.ts'],
  ),
  mutant(
    'no mark follows the last record',
    COMMITTER,
    'this.#markWritten = this.#journal.position().sequence;\n    this.#queue.push({',
    'this.#markWritten = this.#journal.position().sequence;\n    void ({',
    ['test/sim/mark.test.ts'],
  ),
  mutant(
    'the journal is released up to the newest superblock',
    CHECKPOINTER,
    'this.#releasableJournal = this.#superblock.journalStart;',
    'this.#releasableJournal = next.journalStart;',
    ['test/sim/lost-superblock.test.ts'],
  ),
  // What was overtaken
  mutant(
    'a record that is under way is written again another way',
    COMMITTER,
    'const durable = queued.underWay ? !queued.flush : single;',
    'const durable = single;',
    OVERTAKEN_TESTS,
  ),
  mutant(
    'memory of data is used again while it may still be written from',
    CHECKPOINT,
    'state.pending.written(frozen.data);',
    'state.pending.written(frozen.data);\n  state.pending.recycle(frozen.data);',
    OVERTAKEN_TESTS,
  ),
  // A journal on a device of its own
  mutant(
    'only the store is flushed where data was written ahead',
    COMMITTER,
    "return { kind: 'together', steps: [flush, { kind: 'flush', device: ringDevice }] };",
    'return flush;',
    SEPARATE_TESTS,
  ),
  mutant(
    'only the journal is flushed where data was written ahead',
    COMMITTER,
    "return { kind: 'together', steps: [flush, { kind: 'flush', device: ringDevice }] };",
    "return { kind: 'flush', device: ringDevice };",
    SEPARATE_TESTS,
  ),
  mutant(
    'superblocks are not announced to the journal',
    'src/txn/superblock-writer.ts',
    'yield* writeHeaders(device, fields.blockSize, next);',
    '',
    SEPARATE_TESTS,
  ),
  mutant(
    'a shrink does not announce its second superblock',
    SLOTS,
    'yield* announce(second);',
    '',
    ['test/resize/separate-journal.test.ts'],
  ),
  mutant(
    'a journal from before the newest superblock counts',
    'src/txn/journal-place.ts',
    "if (age < 0) return 'is a copy of earlier: the store has been used since';",
    'if (age < 0) return undefined;',
    SEPARATE_TESTS,
  ),
  mutant(
    'a later superblock that only the journal knows of does not count',
    RECOVERY,
    'place.isLast && isClosed(read)',
    'isClosed(read)',
    ['test/txn/clean-close.test.ts'],
  ),
  // Erasing
  mutant(
    'what a crash has interrupted is not erased',
    RECOVERY,
    '...state.allocator.erasing.groups, ...written',
    '...state.allocator.erasing.groups',
    ERASE_TESTS,
  ),
  mutant(
    'an open forgets what was to be erased',
    RECOVERY,
    '...state.allocator.erasing.groups, ...written',
    '...written',
    ERASE_TESTS,
  ),
  mutant(
    'removed keys stay in branches',
    'src/btree/tree.ts',
    'if (this.forest.erases) editor.renewSeparator(key);',
    '',
    ERASE_TESTS,
  ),
  // Reading the journal
  mutant(
    'the checksum of a body is not checked',
    JOURNAL_SCAN,
    'const same = checksum.low === record.bodyLow && checksum.high === record.bodyHigh;',
    'const same = checksum.low === record.bodyLow || checksum.low !== record.bodyLow;',
  ),
  {
    name: 'any sound record continues the chain',
    edits: [
      {
        file: JOURNAL_SCAN,
        from: 'if (record.sequence < next.sequence || record.incarnation < next.incarnation) {',
        to: 'if (record.sequence < 0) {',
      },
      {
        file: JOURNAL_SCAN,
        from: 'if (record.sequence !== next.sequence) {',
        to: 'if (record.sequence < 0) {',
      },
      {
        file: JOURNAL_SCAN,
        from: 'if (record.previous.some((byte, i) => byte !== next.previous[i])) {',
        to: 'if (record.previous.length === 0) {',
      },
    ],
    tests: CRASH_TESTS,
  },
  mutant(
    'a witness of an earlier incarnation counts',
    JOURNAL_SCAN,
    'if (record.incarnation < next.incarnation) continue;',
    '',
    ['test/txn/journal-end.test.ts', ...CRASH_TESTS],
  ),
  mutant('the journal tail is not cleared', RECOVERY, '  yield* journal.clearTail();\n', '', [
    'test/sim/journal-tail.test.ts',
  ]),
  // Recovery
  mutant(
    'claims are not made again',
    RECOVERY,
    'if (isRun && state.allocator.claim(run)) continue;',
    'if (run.length > 0) continue;',
  ),
  mutant(
    'the end of data written ahead is taken for there',
    RECOVERY,
    'for (let at = 0, slot = 0; at < bytes.length; at += chunk, slot += 8) {',
    'for (let at = 0, slot = 0; at + chunk < bytes.length; at += chunk, slot += 8) {',
    ['test/sim/ahead-tail.test.ts'],
  ),
  mutant(
    'data written ahead is taken for there',
    RECOVERY,
    'if (record.sequence > scan.highestDurable) {',
    'if (record.sequence > scan.next.sequence) {',
  ),
  mutant(
    'the last record is not replayed',
    RECOVERY,
    'if (record.type !== RECORD_TYPE.transactions) continue;\n    const body = yield* journal.readBody(record);\n    for (const one of',
    'if (record.type !== RECORD_TYPE.transactions || record === scan.records.at(-1)) continue;\n    const body = yield* journal.readBody(record);\n    for (const one of',
  ),
  mutant(
    'the run of a large record is not freed at replay',
    RECOVERY,
    '      state.allocator.free({ start, length });\n',
    '',
  ),
  mutant(
    'recovery writes no superblock',
    RECOVERY,
    '  yield* superblocks.write(superblock);\n  journal.resume',
    '  journal.resume',
  ),
  // Superblocks
  mutant(
    'a superblock goes to the slots of the other parity',
    SLOTS,
    'slotOffsets(fields, fields.number % 2).map',
    'slotOffsets(fields, (fields.number + 1) % 2).map',
  ),
  mutant(
    'all superblocks go to the same slots',
    CHECKPOINTER,
    'number: this.#superblock.number + 1,',
    'number: this.#superblock.number + 2,',
  ),
  mutant(
    'the older superblock is chosen',
    SLOTS,
    'if (newest === undefined || found.superblock.number > newest.number) newest = found.superblock;',
    'if (newest === undefined || found.superblock.number < newest.number) newest = found.superblock;',
    ['test/txn/superblock-slots.test.ts'],
  ),
  {
    name: 'a superblock before what it refers to is durable',
    edits: [
      {
        file: RUN_WRITER,
        from: "steps.push({ kind: 'write', device, offset, sources, durable: true });",
        to: "steps.push({ kind: 'write', device, offset, sources, durable: false });",
      },
      {
        file: CHECKPOINTER,
        from: "    yield { kind: 'flush', device };\n    yield* this.#switchTo",
        to: '    yield* this.#switchTo',
      },
    ],
    tests: CRASH_TESTS,
  },
  mutant(
    'a superblock is not written durably',
    SLOTS,
    "return { kind: 'write', device, offset, sources, durable: true };",
    "return { kind: 'write', device, offset, sources, durable: false };",
  ),
  // Checkpoints and space
  mutant(
    'limbo is handed out one checkpoint too early',
    CHECKPOINTER,
    'this.#releasable = released;',
    'this.#releasable = frozen.limbo;',
  ),
  mutant(
    'what a generation frees is handed out again in it',
    'src/alloc/allocator.ts',
    'this.#states.each(run, hasContent ? this.#states.free : this.#states.freeBare);',
    'this.#states.each(run, this.#states.unadopt);\n    this.#states.each(run, this.#states.unclaim);',
  ),
  mutant(
    'bitmaps are written over in place',
    CHECKPOINT,
    '} while (allocator.moveBitmaps(mayOpenStripes) > 0);',
    '} while (allocator.totalBlocks < 0);',
  ),
  mutant(
    'a checkpoint leaves the bitmaps out',
    CHECKPOINT,
    'const runs = [...frozen.data, ...frozen.bitmaps, ...placesOf(nodes), ...padding];',
    'const runs = [...frozen.data, ...placesOf(nodes), ...padding];',
  ),
  mutant(
    'a checkpoint leaves data out',
    CHECKPOINT,
    'const runs = [...frozen.data, ...frozen.bitmaps, ...placesOf(nodes), ...padding];',
    'const runs = [...frozen.bitmaps, ...placesOf(nodes), ...padding];',
  ),
  mutant(
    'a checkpoint names one transaction less than it holds',
    CHECKPOINT,
    'transaction: options.transaction,\n',
    'transaction: Math.max(0, options.transaction - 1),\n',
  ),
  mutant(
    'a frozen node is changed in place',
    'src/btree/forest.ts',
    'return node.state === NODE_STATE.dirty && node.birth === this.#generation && node.refs === 1;',
    'return node.state <= NODE_STATE.packing && node.refs === 1;',
  ),
  // Delta leaves
  mutant(
    'a search does not look at what was put beside a leaf',
    'src/btree/tree.ts',
    'if (delta !== undefined) {',
    'if (delta !== undefined && key.length > 4096) {',
    DELTA_TESTS,
  ),
  mutant(
    'the page of a delta leaf keeps what was replaced',
    'src/btree/delta-leaf.ts',
    'if (place >= 0) isReplaced = true;',
    'if (place > base.count) isReplaced = true;',
    DELTA_TESTS,
  ),
  mutant(
    'a rollback leaves deltas behind',
    'src/btree/undo-log.ts',
    'if (node.deltas !== null) node.deltas = node.deltas.copy();',
    '',
    DELTA_TESTS,
  ),
  mutant(
    'what is shared is given up for a delta leaf',
    'src/btree/delta-leaves.ts',
    '      !this.#options.isShared(leaf)\n',
    '      leaf.address >= 0\n',
    DELTA_TESTS,
  ),
  mutant(
    'a checkpoint that could not read a leaf is never gone on with',
    CHECKPOINTER,
    'if (this.#halted !== undefined) yield* this.#write(this.#halted, false);',
    'this.#halted = undefined;',
    ['test/store/unreadable-checkpoint.test.ts'],
  ),
  // Sharing
  mutant(
    'a clone does not count its reference',
    REFERENCES,
    'this.#change(address, length, 1);',
    'this.#change(address, length, 0);',
  ),
  mutant(
    'a clone counts its reference twice',
    REFERENCES,
    'this.#change(address, length, 1);',
    'this.#change(address, length, 2);',
  ),
  mutant(
    'a shared node is changed in place',
    'src/btree/node-sharing.ts',
    'return node.address >= 0 ? this.#context.counts.isShared(node.address) : node.refs > 1;',
    'return node.address < 0 && node.refs > 1;',
  ),
  // Transactions
  mutant(
    'a refused transaction leaves what it has done',
    'src/txn/acceptor.ts',
    '      state.rollback();\n      committer.abandon();\n',
    '      state.commit();\n      committer.abandon();\n',
  ),
  mutant(
    'a failed write does not end the store',
    ENGINE,
    'if (this.#poison !== undefined || this.#closed) return;\n    const reason',
    'if (this.#poison !== undefined || !this.#closed) return;\n    const reason',
    ['test/store/failure.test.ts', SIMULATION],
  ),
  // Second copies
  mutant(
    'the second copy of a node is not freed',
    'src/btree/node-sharing.ts',
    'if (isLast && copy !== 0) counts.release(copy, length);',
    '',
    COPY_TESTS,
  ),
  mutant(
    'the second copy of a bitmap is not freed',
    'src/alloc/allocator.ts',
    'for (const start of [old.address, old.copy]) {',
    'for (const start of [old.address]) {',
    COPY_TESTS,
  ),
  mutant(
    'second copies are not verified',
    'src/fsck/copies.ts',
    "if (!hasCopy(map, kept) || !('reason' in first || both)) {",
    "if (!hasCopy(map, kept) || !('reason' in first)) {",
    COPY_TESTS,
  ),
  mutant(
    'a first copy is healed with what was not verified',
    'src/btree/node-loader.ts',
    '      this.#reader.readSync(node.copy, page);\n      this.#adopt(node, page);',
    '      this.#adopt(node, page);\n      this.#reader.readSync(node.copy, page);',
    COPY_TESTS,
  ),
  mutant(
    'a bitmap is healed with what was not verified',
    'src/txn/group-store.ts',
    '    } catch {\n      throw error;\n    }\n    restoreChecksum',
    '    } catch {\n      void error;\n    }\n    restoreChecksum',
    COPY_TESTS,
  ),
  mutant(
    'second copies are no growth',
    'src/txn/space-policy.ts',
    'return this.#state.forest.dirtyBlocks * this.#copies;',
    'return this.#state.forest.dirtyBlocks;',
    ['test/space/copies.test.ts'],
  ),
  // Erasing, shrinking, stripes
  mutant(
    'a block is taken for overwritten that was not',
    'src/txn/eraser.ts',
    'ZEROS.subarray(0, run.length * blockSize)',
    'ZEROS.subarray(0, (run.length - 1) * blockSize)',
    ERASE_TESTS,
  ),
  mutant(
    'a repair forgets what is to be erased',
    'src/fsck/repair.ts',
    'if (erasesFreed(superblock)) {',
    'if (erasesFreed(superblock) && device === undefined) {',
    SALVAGE_TESTS,
  ),
  mutant(
    'what a repair had made that was ended is salvaged',
    'src/fsck/orphan-scan.ts',
    'if (orphan === undefined || orphan.node.birth > repair.superblock.epoch) continue;',
    'if (orphan === undefined) continue;',
    ['test/fsck/repair-short.test.ts'],
  ),
  mutant(
    'a bitmap does not say that its store erases',
    CHECKPOINT,
    'const roCompat = state.erases ? RO_COMPAT.eraseFreed : 0;',
    'const roCompat = 0 * RO_COMPAT.eraseFreed;',
    SALVAGE_TESTS,
  ),
  mutant(
    'a shrink switches before what it moved is durable',
    'src/resize/shrink.ts',
    "const whole = yield* rebuildSpace(made, draft);\n    yield { kind: 'flush', device };",
    'const whole = yield* rebuildSpace(made, draft);',
    ['test/resize/crash.test.ts'],
  ),
  mutant(
    'padding of a stripe is handed out at once',
    'src/alloc/block-states.ts',
    'this.#limbo.push(index, group.start + offset, length, false);',
    'this.free(index, offset, length);',
    ['test/alloc/stripes.test.ts'],
  ),
  // Checksums
  mutant(
    'the checksum of a node is not checked',
    'src/btree/node-loader.ts',
    'checkBlock(page, identity, node.low, node.high, this.#blockSize);',
    'void identity;',
    ['test/store/node-damage.test.ts'],
  ),
  mutant(
    'the checksum of data is not checked',
    'src/txn/data-reader.ts',
    'if (matchesHash(entry.checksums, slot, bytes, at, end)) continue;',
    'if (matchesHash(entry.checksums, slot, bytes, at, end) || end > 0) continue;',
    ['test/store/failure.test.ts'],
  ),
  mutant(
    'data in memory is found by its address alone',
    'src/txn/chunk-index.ts',
    'words[way + 3] === high &&\n        words[way + 2] === low &&\n',
    '',
    ['test/store/cached-reads.test.ts'],
  ),
  mutant(
    'data is kept in memory before it is verified',
    'src/txn/data-reader.ts',
    'verify(entry, bytes, state.blockSize);\n  state.dataCache.offer(entry, bytes);',
    'state.dataCache.offer(entry, bytes);\n  verify(entry, bytes, state.blockSize);',
    ['test/store/cached-reads.test.ts'],
  ),
  // Objects kept open
  mutant(
    'a scrub passes over what was written since where it has seen something else',
    'src/scrub/seen-blocks.ts',
    'if (birth > this.#epoch) return true;',
    '',
    ['test/scrub/seen-blocks.test.ts'],
  ),
  mutant(
    'a chunk that cannot be read hides those behind it',
    'src/fsck/data-check.ts',
    '} else if (!this.#isSound(one.start,',
    'return; } else if (!this.#isSound(one.start,',
    ['test/fsck/data-runs.test.ts'],
  ),
  mutant(
    'an object is kept open over a rollback',
    STATE,
    'this.openObjects.forget();\n    this.#isOpen = false;',
    'this.#isOpen = false;',
    REGRESSIONS,
  ),
  mutant(
    'an object is kept open while its collection is split or merged',
    OBJECTS,
    'this.#state.openObjects.forget();',
    '',
    REGRESSIONS,
  ),
  mutant(
    'a transaction on one object passes by what is kept open',
    OBJECTS,
    'this.#named.length === 1 && this.#state.openObjects.isEmpty;',
    'this.#named.length === 1;',
    REGRESSIONS,
  ),
  // Gathering
  mutant(
    'what was written over meanwhile is gathered as it was',
    'src/txn/gatherer.ts',
    'if (!isSame(one, entries[i])) return false;',
    'if (entries[i] === undefined) return false;',
    ['test/stripes/gatherer.test.ts'],
  ),
  mutant(
    'what is shared is gathered too',
    'src/txn/gatherer.ts',
    'return !references.isAnyShared(entry.address, entry.blocks);',
    'return true;',
    ['test/stripes/gatherer.test.ts'],
  ),
];
