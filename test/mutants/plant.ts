/** Planting a mutant in a tree of sources. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Edit } from './mutants.js';

/**
 * The file's text with the edit made.
 *
 * @throws RangeError when the text to replace does not stand there exactly once
 */
export function edited(text: string, { file, from, to }: Edit): string {
  const parts = text.split(from);
  if (parts.length === 2) return parts.join(to);
  throw new RangeError(
    `Cannot edit ${file}: ${JSON.stringify(from)} stands ${parts.length - 1} times`,
  );
}

/** Makes the edits below `root`; gives what takes them back. */
export function plant(root: string, edits: readonly Edit[]): () => void {
  const before = new Map<string, string>();
  for (const edit of edits) {
    const path = join(root, edit.file);
    const text = readFileSync(path, 'utf8');
    if (!before.has(path)) before.set(path, text);
    writeFileSync(path, edited(text, edit));
  }
  return () => {
    for (const [path, text] of before) writeFileSync(path, text);
  };
}
