/** `holdfast import`: a directory tree into a collection. */

import type { Call, Command } from '../command.js';
import { EXIT } from '../command.js';
import { walk } from '../file-walk.js';
import { type ImportSummary, importTree } from '../import-tree.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { Progress } from '../progress.js';
import { formatSeconds, formatSize } from '../size.js';

export const IMPORT: Command = {
  name: 'import',
  arguments: 'STORE COLLECTION DIR',
  summary: 'Stores every file, directory and symlink below DIR as an object.',
  details: [
    'The name of an object is the path relative to DIR; mode, mtime and target are attributes.',
    'The collection is made if it is missing. Files that are stored with the same size, mode and',
    'mtime are left alone, so an import that was killed goes on where it was.',
    'What cannot be read is told and passed over; the exit code is then 1.',
  ],
  options: { delete: { help: 'remove objects that are not in DIR' } },
  run,
};

async function run(call: Call): Promise<number> {
  const collection = call.name(1, 'COLLECTION');
  const directory = call.argument(2);
  const progress = new Progress({
    what: 'import',
    total: countEntries(directory),
    unit: 'entries',
  });
  const startMs = performance.now();
  const summary = await withStore(call, 'write', async (store) => {
    try {
      return await importTree({
        store,
        collection,
        directory,
        remove: call.flag('delete'),
        onEntry: () => progress.advance(1),
        onProblem: (message) => process.stderr.write(`holdfast import: ${message}\n`),
      });
    } finally {
      progress.end();
    }
  });
  const seconds = (performance.now() - startMs) / 1000;
  if (call.json) await writeJson({ ...summary, seconds });
  else await write(account(summary, seconds));
  return summary.skipped > 0 ? EXIT.failure : EXIT.success;
}

/** Entries below a directory; undefined when nobody sees the progress. */
function countEntries(directory: string): number | undefined {
  if (!Progress.isSeen) return undefined;
  let count = 0;
  for (const _ of walk(Buffer.from(directory), () => undefined)) count++;
  return count;
}

function account(summary: ImportSummary, seconds: number): string {
  const { files, directories, symlinks, bytes, unchanged, removed, skipped } = summary;
  const rate = formatSize(Math.round(bytes / Math.max(seconds, 0.001)));
  let line = `Imported ${files} files (${formatSize(bytes)}), ${directories} directories and `;
  line += `${symlinks} symlinks in ${formatSeconds(seconds)} (${rate}/s)`;
  if (unchanged > 0) line += `, ${unchanged} were stored already`;
  if (removed > 0) line += `, ${removed} removed`;
  if (skipped > 0) line += `, ${skipped} skipped`;
  return `${line}\n`;
}
