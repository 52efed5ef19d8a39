#!/usr/bin/env node
/**
 * The `holdfast` command: finds the command, reads its arguments, runs it, and turns whatever
 * goes wrong into one line on stderr and an exit code.
 */

import { hasCode } from '../errors.js';
import { type Command, commandHelp, EXIT, parseCall } from './command.js';
import { COMMANDS, overallHelp } from './commands.js';
import { errorLine } from './error-line.js';
import { write } from './output.js';
import { isSystemError } from './system-error.js';

process.stdout.on('error', (error) => {
  // Whoever read our output has gone: there is nobody to tell.
  if (isSystemError(error) && error.code === 'EPIPE') process.exit(EXIT.failure);
  throw error;
});

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const [first = '', second = ''] = args;
  if (first === '' || first === '--help' || first === '-h' || first === 'help') {
    await write(overallHelp());
    return first === '' ? EXIT.usage : EXIT.success;
  }
  const command = COMMANDS.find(({ name }) => name === first || name === `${first} ${second}`);
  if (command !== undefined)
    return await runCommand(command, args.slice(command.name.split(' ').length));
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
  if (group.length > 0 && (second === '--help' || second === '-h')) {
    await write(group.map(commandHelp).join('\n'));
    return EXIT.success;
  }
  const names = (group.length > 0 ? group : COMMANDS).map(({ name }) => name).join(', ');
  const unknown = JSON.stringify(group.length > 0 ? `${first} ${second}`.trim() : first);
  process.stderr.write(`holdfast: Cannot run ${unknown}: no such command; there are ${names}\n`);
  return EXIT.usage;
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  try {
    const call = parseCall(command, args);
    if (call !== undefined) return (await command.run(call)) ?? EXIT.success;
    await write(commandHelp(command));
    return EXIT.success;
  } catch (error) {
    process.stderr.write(`holdfast ${command.name}: ${errorLine(error, command.advice)}\n`);
    return exitCodeOf(command, error);
  }
}

/** Arguments that no store would take are usage errors, whoever found it out. */
function exitCodeOf(command: Command, error: unknown): number {
  const { usage, failure } = command.exit ?? EXIT;
  return hasCode(error, 'E_USAGE') || error instanceof RangeError ? usage : failure;
}
