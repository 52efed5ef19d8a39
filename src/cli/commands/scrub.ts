/** `holdfast scrub`: verifies all data and metadata of a store on its medium. */

import type { ScrubReport } from '../../index.js';
import type { Call, Command } from '../command.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { Progress } from '../progress.js';
import { formatSeconds, formatSize, parseSize } from '../size.js';
import { FSCK_EXIT, lineOf } from './fsck.js';

/** Exit code when a signal has ended it, as of a shell command that SIGINT ends. */
const EXIT_INTERRUPTED = 130;

export const SCRUB: Command = {
  name: 'scrub',
  arguments: 'STORE',
  summary: 'Reads all data and metadata from the medium and verifies the checksums.',
  details: [
    'Findings are printed as they are found, one a line: severity, code, place, what is wrong.',
    'Nothing is changed. A program that has the store open scrubs it with store.scrub().',
    'When it is interrupted it prints a position; --from goes on there.',
    'Exit codes: 0 clean, 4 errors found, 8 the scrub could not be made, 16 usage, 130 interrupted.',
  ],
  options: {
    rate: { value: 'SIZE/s', help: 'read at most so much in a second, as 100MiB/s' },
    from: { value: 'POSITION', help: 'go on where an interrupted scrub has ended' },
  },
  exit: { failure: FSCK_EXIT.operational, usage: FSCK_EXIT.usage },
  run,
};

async function run(call: Call): Promise<number> {
  const rate = call.text('rate');
  const from = call.text('from');
  const startMs = performance.now();
  const report = await withStore(call, 'read', async (store) => {
    const progress = new Progress({ what: 'scrub', total: store.statfsSync().allocated });
    const { signal, release } = interruption();
    const result = await store
      .scrub({
        signal,
        ...(rate !== undefined && { rate: parseSize(rate.replace(/\/s$/, '')) }),
        ...(from !== undefined && { from }),
        onFinding: (finding) => {
          if (!call.json) process.stdout.write(`${lineOf(finding)}\n`);
        },
        onProgress: ({ bytesRead }) => progress.at(bytesRead),
      })
      .finally(release);
    progress.end();
    return result;
  });
  const seconds = (performance.now() - startMs) / 1000;
  await (call.json
    ? writeJson(jsonOf(report, seconds))
    : write(account(call.store, report, seconds)));
  if (!report.isComplete) return EXIT_INTERRUPTED;
  return report.errors === 0 ? FSCK_EXIT.clean : FSCK_EXIT.uncorrected;
}

/** Aborts at the first SIGINT or SIGTERM; the second one ends the process as ever. */
function interruption(): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const release = (): void => {
    process.off('SIGINT', abort);
    process.off('SIGTERM', abort);
  };
  const abort = (): void => {
    controller.abort();
    release();
  };
  process.on('SIGINT', abort);
  process.on('SIGTERM', abort);
  return { signal: controller.signal, release };
}

function jsonOf(report: ScrubReport, seconds: number): unknown {
  const { rate, secondsLeft, findings, ...rest } = report;
  return { clean: report.isComplete && report.errors === 0, seconds, ...rest, findings };
}

function account(path: string, report: ScrubReport, seconds: number): string {
  const { isComplete, errors, warnings, copiesHealed, position } = report;
  const { collections, objects, nodes, bytesRead } = report;
  let line = `${path}: ${errors > 0 ? `${errors} errors` : isComplete ? 'clean' : 'no errors so far'}`;
  if (warnings > 0) line += `, ${warnings} warnings`;
  if (copiesHealed > 0) line += `, ${copiesHealed} copies healed`;
  line += `; ${collections} collections, ${objects} objects, ${nodes} nodes`;
  line += `, ${formatSize(bytesRead)} read; ${formatSeconds(seconds)}\n`;
  if (!isComplete) {
    line +=
      position === undefined ? 'interrupted\n' : `interrupted; go on with --from ${position}\n`;
  }
  return line;
}
