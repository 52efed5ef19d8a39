/** `holdfast export`: a collection into a directory tree. */

import { type Call, type Command, EXIT } from '../command.js';
import { type ExportSummary, exportTree } from '../export-tree.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { ownFiles } from '../own-file.js';
import { Progress } from '../progress.js';
import { formatSeconds, formatSize } from '../size.js';
import { jsonBytes } from '../text.js';

export const EXPORT: Command = {
  name: 'export',
  arguments: 'STORE COLLECTION DIR',
  summary: 'Writes every object of a collection below DIR: what import stored, byte for byte.',
  details: [
    'Objects that were not imported become files of mode 644. Map streams and attributes beyond',
    'mode, mtime and target have no place in a directory and stay in the store. A name that does',
    'not lead below DIR, and an object that is damaged, is told and passed over; the exit code is',
    'then 1. Times come back to the microsecond, so that an import of what was exported reads every',
    'file again.',
  ],
  options: {
    force: { short: 'f', help: 'also into a directory that is not empty, replacing files' },
    'set-id': { help: 'keep set-user-id and set-group-id bits of files' },
  },
  run,
};

async function run(call: Call): Promise<number> {
  const name = call.name(1, 'COLLECTION');
  const startMs = performance.now();
  const summary = await withStore(call, 'read', async (store) => {
    const collection = store.collection(name);
    const { storedBytes } = await collection.stat();
    const progress = new Progress({ what: 'export', total: storedBytes });
    try {
      return await exportTree({
        collection,
        directory: call.argument(2),
        force: call.flag('force'),
        setId: call.flag('set-id'),
        isOwn: ownFiles(call),
        onEntry: (bytes) => progress.advance(bytes),
        onProblem: (message) => process.stderr.write(`holdfast export: ${message}\n`),
      });
    } finally {
      progress.end();
    }
  });
  const seconds = (performance.now() - startMs) / 1000;
  if (call.json) await writeJson(jsonOf(summary, seconds));
  else await write(account(summary, seconds));
  return summary.skipped + summary.unlisted > 0 ? EXIT.failure : EXIT.success;
}

function jsonOf({ damagedNames, ...summary }: ExportSummary, seconds: number): unknown {
  const damagedObjects = damagedNames.map((name) => jsonBytes('name', name));
  return { ...summary, damagedObjects, seconds };
}

function account(summary: ExportSummary, seconds: number): string {
  const { files, directories, symlinks, bytes, skipped, damaged, unlisted } = summary;
  const rate = formatSize(Math.round(bytes / Math.max(seconds, 0.001)));
  let line = `Exported ${files} files (${formatSize(bytes)}), ${directories} directories and `;
  line += `${symlinks} symlinks in ${formatSeconds(seconds)} (${rate}/s)`;
  if (skipped > 0) line += `, ${skipped} skipped`;
  if (damaged > 0) line += `, ${damaged} of them damaged`;
  if (unlisted > 0) line += `, ${unlisted} not listed because of damage`;
  return `${line}\n`;
}
