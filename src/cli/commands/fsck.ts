/** `holdfast fsck`: checks a store that nobody has open, and repairs it if asked to. */

import {
  checkStore,
  type Finding,
  type FsckProgress,
  type FsckReport,
  repairStore,
  Store,
  StoreError,
} from '../../index.js';
import type { Call, Command } from '../command.js';
import { JsonStream, write } from '../output.js';
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
  if (call.flag('repair')) return await runRepair(call);
  if (!call.flag('rebuild-superblock')) return await runCheck(call);
  throw new StoreError('E_USAGE', 'Cannot use --rebuild-superblock: it needs --repair');
}

async function runCheck(call: Call): Promise<number> {
  const startMs = performance.now();
  const deep = call.flag('deep');
  const progress = new CheckProgress('fsck', deep, await expectedWork(call));
  const output = new JsonStream();
  const met = new Set<string>();
  const report = await checkStore(call.store, {
    deep,
    force: call.flag('force-lock'),
    journal: call.text('journal'),
    onFinding: (finding) => {
      met.add(finding.code);
      progress.end();
      if (call.json) output.item('findings', finding);
      else process.stdout.write(`${lineOf(finding)}\n`);
    },
    onProgress: (done) => progress.at(done),
  });
  progress.end();
  const seconds = (performance.now() - startMs) / 1000;
  const { findings: counts, ...looked } = report;
  if (call.json) {
    await output.end({ clean: counts.error === 0, seconds, ...looked, counts, findings: [] });
  } else await write(`${account(call.store, report, seconds)}${whatToDo(met)}`);
  if (isUncheckable(met)) return FSCK_EXIT.operational;
  return counts.error === 0 ? FSCK_EXIT.clean : FSCK_EXIT.uncorrected;
}

async function runRepair(call: Call): Promise<number> {
  const startMs = performance.now();
  const deep = call.flag('deep');
  const progress = new CheckProgress('fsck --repair', deep, await expectedWork(call));
  const output = new JsonStream();
  const met = new Set<string>();
  const report = await repairStore(call.store, {
    deep,
    force: call.flag('force-lock'),
    journal: call.text('journal'),
    acceptJournalLoss: call.flag('accept-journal-loss'),
    rebuildSuperblock: call.flag('rebuild-superblock'),
    onFinding: (finding) => {
      met.add(finding.code);
      progress.end();
      if (call.json) output.item('findings', finding);
      else process.stdout.write(`${lineOf(finding)}${TREATED[finding.remedy]}\n`);
    },
    onLeft: (finding) => {
      progress.end();
      if (call.json) output.item('left', finding);
      else process.stdout.write(`left: ${lineOf(finding)}\n`);
    },
    onProgress: (done) => progress.at(done),
  });
  progress.end();
  const seconds = (performance.now() - startMs) / 1000;
  const { before, after, isRepaired, replayed, skipped } = report;
  if (call.json) {
    const { findings: counts, ...looked } = after;
    const clean = counts.error === 0;
    const done = { repaired: isRepaired, replayed, skipped, seconds, before: before.findings };
    await output.end({ clean, ...done, ...looked, counts, findings: [], left: [] });
  } else {
    if (skipped > 0) await write(`${skipped} transactions of the journal could not be applied\n`);
    await write(account(call.store, after, seconds));
    if (!isRepaired) await write(whatToDo(met));
  }
  if (isUncheckable(met) && !isRepaired) return FSCK_EXIT.operational;
  const corrected = isRepaired ? FSCK_EXIT.corrected : FSCK_EXIT.clean;
  return corrected | (after.findings.error === 0 ? FSCK_EXIT.clean : FSCK_EXIT.uncorrected);
}

function isUncheckable(met: ReadonlySet<string>): boolean {
  return [...met].some((code) => UNCHECKABLE.has(code));
}

/** What the person has to do about findings that end a check. */
const WHAT_TO_DO: Readonly<Record<string, string>> = {
  'no-superblock':
    'check the path; if it is a store, --repair --rebuild-superblock brings back what it can',
  'newer-format': 'use a newer holdfast',
  'device-short':
    'give the device back the length that the store had; --repair gives up what lay behind its end',
};

function whatToDo(met: ReadonlySet<string>): string {
  const lines = [...met].flatMap((code) => WHAT_TO_DO[code] ?? []);
  return lines.map((line) => `What to do: ${line}\n`).join('');
}

/** What a check will look at, about; undefined for a store that can't be opened. */
interface ExpectedWork {
  readonly objects: number;
  readonly dataBytes: number;
}

/** Asked for only where somebody sees the progress: it opens the store, as a reader. */
async function expectedWork(call: Call): Promise<ExpectedWork | undefined> {
  if (!Progress.isSeen) return undefined;
  try {
    const journal = call.text('journal');
    const store = await Store.open(call.store, {
      readOnly: true,
      force: call.flag('force-lock'),
      ...(journal !== undefined && { journal }),
    });
    const { objects, allocated } = store.statfsSync();
    await store.close();
    return { objects, dataBytes: allocated };
  } catch (error) {
    if (error instanceof StoreError) return undefined; // the check itself says what is wrong
    throw error;
  }
}

/** Progress of one check or, in a repair, of the two. */
class CheckProgress {
  readonly #what: string;
  readonly #deep: boolean;
  readonly #expected: ExpectedWork | undefined;
  #progress: Progress;
  #done = 0;

  constructor(what: string, deep: boolean, expected: ExpectedWork | undefined) {
    this.#what = what;
    this.#deep = deep;
    this.#expected = expected;
    this.#progress = this.#start();
  }

  #start(): Progress {
    const what = this.#what;
    return this.#deep
      ? new Progress({ what, total: this.#expected?.dataBytes })
      : new Progress({ what, unit: 'objects', total: this.#expected?.objects });
  }

  at({ objects, bytesVerified }: FsckProgress): void {
    const done = this.#deep ? bytesVerified : objects;
    if (done < this.#done) {
      this.#progress.end();
      this.#progress = this.#start(); // the check behind the repair
    }
    this.#done = done;
    this.#progress.at(done);
  }

  /** Takes the line away; the next report brings it back. */
  end(): void {
    this.#progress.end();
  }
}

/** What is said behind a finding of a kind that is treated so. */
const TREATED = {
  healed: '',
  cut: ' [what cannot be read is given up]',
  none: ' [stays]',
} as const;

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
