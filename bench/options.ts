/**
 * Options of the benchmarks.
 *
 * - `--help` prints the usage and ends the process with 0; what can't be used is one line and 2.
 */

import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Exit code for options that can't be used. */
const USAGE_EXIT = 2;

/** Reads the options of this process, or ends it. */
export function readOptions<T extends ParseArgsConfig>(
  usage: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  if (process.argv.includes('--help')) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

/** Ends the process because of what it was given. */
export function refuse(message: string): never {
  process.stderr.write(`${message.split('\n')[0]} (--help prints what there is)\n`);
  process.exit(USAGE_EXIT);
}
