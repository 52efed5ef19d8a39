/** All commands of the command line, and the help over them. */

import type { Command } from './command.js';
import { ATTR_COMMANDS } from './commands/attr.js';
import { BENCH } from './commands/bench.js';
import { CLONE } from './commands/clone.js';
import { DF } from './commands/df.js';
import { ERASE } from './commands/erase.js';
import { EXPORT } from './commands/export.js';
import { FSCK } from './commands/fsck.js';
import { GET } from './commands/get.js';
import { IMPORT } from './commands/import.js';
import { INFO } from './commands/info.js';
import { LS } from './commands/ls.js';
import { MAP_COMMANDS } from './commands/map.js';
import { MKFS } from './commands/mkfs.js';
import { PICTURE } from './commands/picture.js';
import { PUT } from './commands/put.js';
import { REPLAY } from './commands/replay.js';
import { RESIZE } from './commands/resize.js';
import { RM } from './commands/rm.js';
import { SCRUB } from './commands/scrub.js';
import { STAT } from './commands/stat.js';

export const COMMANDS: readonly Command[] = [
  MKFS,
  INFO,
  DF,
  LS,
  STAT,
  PUT,
  GET,
  RM,
  CLONE,
  ...ATTR_COMMANDS,
  ...MAP_COMMANDS,
  IMPORT,
  EXPORT,
  FSCK,
  SCRUB,
  ERASE,
  RESIZE,
  PICTURE,
  REPLAY,
  BENCH,
];

/** The help of `holdfast` itself. */
export function overallHelp(): string {
  const calls = COMMANDS.map(({ name, arguments: args, summary }) => [`${name} ${args}`, summary]);
  const width = Math.max(...calls.map(([call = '']) => call.length)) + 2;
  const lines = calls.map(([call = '', summary = '']) => `  ${call.padEnd(width)}${summary}`);
  return [
    'Usage: holdfast COMMAND STORE [COLLECTION] [OBJECT] ...',
    '',
    'A transactional object store in a file or on a block device.',
    '',
    'Commands:',
    ...lines,
    '',
    'Every command has --help and --json. Sizes are written as 4096, 64KiB or 1GiB; - as a file is',
    'stdin or stdout. Arguments that begin with a dash stand behind --: attr set S C O N -- -5.',
    '',
    'Names, keys and values are any bytes. They are printed as UTF-8, with \\xNN for bytes that are',
    'not, and for control characters; \\n, \\r, \\t and \\\\ as in C. Arguments take the same escapes.',
    'JSON has base64 (nameBase64, ...) beside what is not UTF-8.',
    '',
    'Exit codes: 0 success, 1 failure, 2 usage; those of fsck and scrub are in their --help.',
    '',
  ].join('\n');
}
