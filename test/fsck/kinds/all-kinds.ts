/**
 * The planter of every kind of finding. A kind without one does not compile.
 */

import type { FindingCode } from '../../../src/fsck/finding.js';
import { JOURNAL_KINDS } from './journal-kinds.js';
import type { Kind } from './kind.js';
import { RECORD_KINDS } from './record-kinds.js';
import { SPACE_KINDS } from './space-kinds.js';
import { SUPERBLOCK_KINDS } from './superblock-kinds.js';
import { TREE_KINDS } from './tree-kinds.js';

export const ALL_KINDS: Readonly<Record<FindingCode, Kind>> = {
  ...SUPERBLOCK_KINDS,
  ...JOURNAL_KINDS,
  ...TREE_KINDS,
  ...RECORD_KINDS,
  ...SPACE_KINDS,
};
