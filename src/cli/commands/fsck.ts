/** `holdfast fsck`: checks a store that nobody has open, and repairs it if asked to. */

import type { Finding } from '../../fsck/finding.js';
import type { FsckReport } from '../../fsck/fsck.js';
import type { TreatedFinding } from '../../fsck/repair.js';
import { StoreError } from '../../index.js';
import { checkStore, mendStore } from '../check-store.js';
import type { Call, Command } from '../command.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { Progress } from '../progress.js';
import { formatSeconds, formatSize } from '../size.js';

/** Exit codes of fsck(8). */
export const FSCK_EXIT = {
  clean: 0,
  corrected: 1,
  uncorrected: 4,
  operational: 8,
  usage: 16,
} as const;

/** With these there is nothing that could be checked: no store, or one of another version. */
const UNCHECKABLE: ReadonlySet<string> = new Set(['no-superblock', 'newer-format']);

export const FSCK: Command = {
  name: 'fsck',
  arguments: 'STORE',
  summary: 'Checks structure, space and counts of a store; with --deep all data too.',
  details: [
    'Findings are printed as they are found, one a line: severity, code, place, what is wrong.',
    'Nothing is changed without --repair. With it everything is mended that can be, and a second',
    'check prints what is left; copy the store first if you can. See docs/fsck.md.',
    'Exit codes: 0 clean, 1 all errors corrected, 4 errors left, 8 the check could not be made,',
    '16 usage.',
  ],
  options: {
    deep: { help: 'read all data and verify its checksums' },
    repair: { help: 'mend what can be mended; writes to the store' },
    'rebuild-superblock': {
      help: 'with --repair: where no superblock is left, bring back what blocks tell of themselves',
    },
  },
  exit: { failure: FSCK_EXIT.operational, usage: FSCK_EXIT.usage },
  run,
};

async function run(call: Call): Promise<number> {
  return call.flag('repair') ? await runRepair(call) : await runCheck(call);
}

async function runCheck(call: Call): Promise<number> {
  const deep = call.flag('deep');
  const progress = new Progress({
    what: 'fsck',
    unit: deep ? undefined : 'nodes',
    total: deep && Progress.isSeen ? await dataBytes(call) : undefined,
  });
  const startMs = performance.now();
  const found: Finding[] = [];
  let uncheckable = false;
  const report = await checkStore({
    path: call.store,
    deep,
    force: call.flag('force-lock'),
    journal: call.text('journal'),
    onFinding: (finding) => {
      uncheckable ||= UNCHECKABLE.has(finding.code);
      if (call.json) found.push(finding);
      else process.stdout.write(`${lineOf(finding)}\n`);
    },
    onProgress: ({ nodes, bytesVerified }) => progress.at(deep ? bytesVerified : nodes),
  });
  progress.end();
  const seconds = (performance.now() - startMs) / 1000;
  if (call.json) {
    const { findings, ...counts } = report;
    await writeJson({
      clean: findings.error === 0,
      seconds,
      ...counts,
      counts: findings,
      findings: found,
    });
  } else await write(account(call.store, report, seconds));
  if (uncheckable) return FSCK_EXIT.operational;
  return report.findings.error === 0 ? FSCK_EXIT.clean : FSCK_EXIT.uncorrected;
}

async function runRepair(call: Call): Promise<number> {
  const progress = new Progress({ what: 'fsck --repair', unit: 'nodes', total: undefined });
  const startMs = performance.now();
  const found: TreatedFinding[] = [];
  const left: Finding[] = [];
  let uncheckable = false;
  const report = await mendStore({
    path: call.store,
    deep: call.flag('deep'),
    force: call.flag('force-lock'),
    journal: call.text('journal'),
    acceptJournalLoss: call.flag('accept-journal-loss'),
    rebuildSuperblock: call.flag('rebuild-superblock'),
    onFinding: (finding) => {
      uncheckable ||= UNCHECKABLE.has(finding.code);
      if (call.json) found.push(finding);
      else process.stdout.write(`${lineOf(finding)}${TREATED[finding.remedy]}\n`);
    },
    onLeft: (finding) => {
      if (call.json) left.push(finding);
      else process.stdout.write(`left: ${lineOf(finding)}\n`);
    },
    onProgress: ({ nodes }) => progress.at(nodes),
  });
  progress.end();
  const seconds = (performance.now() - startMs) / 1000;
  const { before, after, isRepaired, replayed, skipped } = report;
  if (call.json) {
    const { findings: counts, ...looked } = after;
    const clean = counts.error === 0;
    const done = { repaired: isRepaired, replayed, skipped, seconds, before: before.findings };
    await writeJson({ clean, ...done, ...looked, counts, findings: found, left });
  } else {
    if (skipped > 0) await write(`${skipped} transactions of the journal could not be applied\n`);
    await write(account(call.store, after, seconds));
  }
  if (uncheckable && !isRepaired) return FSCK_EXIT.operational;
  const corrected = isRepaired ? FSCK_EXIT.corrected : FSCK_EXIT.clean;
  return corrected | (after.findings.error === 0 ? FSCK_EXIT.clean : FSCK_EXIT.uncorrected);
}

/** What is said behind a finding of a kind that is treated so. */
const TREATED = {
  healed: '',
  cut: ' [what cannot be read is given up]',
  none: ' [stays]',
} as const;

/** Bytes of data to verify, about; undefined for a store that can't be opened. */
async function dataBytes(call: Call): Promise<number | undefined> {
  try {
    return await withStore(call, 'read', async (store) => store.statfs().allocated);
  } catch (error) {
    if (error instanceof StoreError) return undefined; // the check itself says what is wrong
    throw error;
  }
}

/** `error node-damaged at 40960 in objects of "c": what is wrong` */
export function lineOf({
  severity,
  code,
  message,
  offset,
  tree,
  collection,
  object,
}: Finding): string {
  let line = `${severity} ${code}`;
  if (offset !== undefined) line += ` at ${offset}`;
  if (tree !== undefined) line += ` in ${tree}`;
  if (collection !== undefined) line += ` of collection ${collection}`;
  if (object !== undefined) line += `, object ${object}`;
  return `${line}: ${message}`;
}

function account(path: string, report: FsckReport, seconds: number): string {
  const { findings, collections, objects, nodes, bytesVerified, pendingTransactions } = report;
  const { error, warning, note } = findings;
  let line = `${path}: ${error === 0 ? 'clean' : `${error} errors`}`;
  if (warning + note > 0) line += `, ${warning} warnings, ${note} notes`;
  line += `; ${collections} collections, ${objects} objects, ${nodes} nodes`;
  if (bytesVerified > 0) line += `, ${formatSize(bytesVerified)} of data`;
  if (pendingTransactions > 0) line += `; ${pendingTransactions} transactions are in the journal`;
  return `${line}; ${formatSeconds(seconds)}\n`;
}
