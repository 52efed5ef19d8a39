/**
 * Verifies what has its fixed place and is written over while a scrub reads: the superblock slots
 * and the journal.
 *
 * - What is read while it is being written looks damaged. So a finding counts only when it is
 *   made twice, with the same superblock in place before, between and after.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import { type Io, runAsync } from '../blockdev/io.js';
import { mediaOf } from '../blockdev/media-device.js';
import { CheckContext } from '../fsck/context.js';
import { DeviceMap } from '../fsck/device-map.js';
import { type Finding, Findings } from '../fsck/finding.js';
import { checkJournal } from '../fsck/journal-check.js';
import { checkSuperblocks } from '../fsck/superblock-check.js';
import type { Engine } from '../txn/engine.js';

/** Attempts to find the same superblock before and after: a checkpoint takes longer than reading. */
const ATTEMPTS = 8;

/** What was read of the fixed places, and what is wrong with them. */
export interface FixedPlaces {
  readonly findings: readonly Finding[];
  readonly bytes: number;
}

/** Verifies the superblock slots, then the journal. */
export async function checkFixedPlaces(engine: Engine, medium: BlockDevice): Promise<FixedPlaces> {
  let bytes = 0;
  const slots = await confirmed(engine, (findings) => checkSuperblocks(medium, findings));
  const journal = await confirmed(engine, function* (findings) {
    const { superblock, readOnly, journalDevice } = engine;
    const context = new CheckContext({
      device: medium,
      journalDevice: journalDevice === undefined ? undefined : mediaOf(journalDevice),
      superblock,
      map: new DeviceMap(medium, superblock),
      findings,
      comparators: engine.state.comparators,
      // Of an open store the data of the newest records may be under way still.
      deep: readOnly,
      progress: () => undefined,
    });
    yield* checkJournal(context);
    bytes += context.bytesRead;
  });
  return { findings: [...slots, ...journal], bytes };
}

type Check = (findings: Findings) => Io<unknown>;

/** What `check` finds twice in a row. */
async function confirmed(engine: Engine, check: Check): Promise<Finding[]> {
  let before: Map<string, Finding> | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await findingsOf(engine, check);
    if (found?.size === 0) return [];
    if (found !== undefined && before !== undefined) {
      const same = [...found].filter(([text]) => before?.has(text) === true);
      return same.map(([, finding]) => finding);
    }
    before = found;
  }
  return [];
}

/** What `check` finds, by its text; undefined when the superblock changed meanwhile. */
async function findingsOf(engine: Engine, check: Check): Promise<Map<string, Finding> | undefined> {
  engine.check();
  const { number } = engine.superblock;
  const reader = engine.beginCheck();
  const found = new Map<string, Finding>();
  try {
    const add = (finding: Finding): unknown => found.set(JSON.stringify(finding), finding);
    await runAsync(check(new Findings(add)));
  } finally {
    engine.readers.end(reader);
  }
  return engine.superblock.number === number ? found : undefined;
}
