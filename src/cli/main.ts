#!/usr/bin/env node
/**
 * The `holdfast` command: finds the command, reads its arguments, runs it, and turns whatever
 * goes wrong into one line on stderr and an exit code.
 */

import { readFileSync } from 'node:fs';
import { hasCode, StoreError } from '../errors.js';
import { type Command, commandHelp, EXIT, parseCall } from './command.js';
import { COMMANDS, overallHelp } from './commands.js';
import { errorJson, errorLine } from './error-line.js';
import { write } from './output.js';
import { isSystemError, typedError } from './system-error.js';

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const [first] = args;
  process.stdout.on('error', (error) => endOutput(error, args));
  switch (first) {
    case undefined:
    case '':
      process.stderr.write(overallHelp());
      return EXIT.usage;
    case '--version':
      await write(`holdfast ${version()}\n`);
      return EXIT.success;
    case '--help':
    case '-h':
    case 'help':
      return await help(args.slice(1));
    default:
      return await dispatch(args);
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [first = '', second = ''] = args;
  const command = commandOf(args);
  if (command !== undefined) {
    return await runCommand(command, args.slice(command.name.split(' ').length));
  }
  if (second === '--help' || second === '-h') return await help([first]);
  return unknown(args);
}

/** The help of all commands, of one, or of a group as `attr`. */
async function help(names: readonly string[]): Promise<number> {
  const [first] = names;
  const command = commandOf(names);
  const found = command === undefined ? groupOf(first) : [command];
  if (first !== undefined && found.length === 0) return unknown(names);
  await write(first === undefined ? overallHelp() : found.map(commandHelp).join('\n'));
  return EXIT.success;
}

function commandOf([first = '', second = '']: readonly string[]): Command | undefined {
  const named = (wanted: string) => COMMANDS.find(({ name }) => name === wanted);
  return named(`${first} ${second}`) ?? named(first);
}

/** The commands of two words of which the first is this. */
function groupOf(first: string | undefined): readonly Command[] {
  return COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
}

function unknown(args: readonly string[]): number {
  const [first = '', second = ''] = args;
  const group = groupOf(first);
  const names = (group.length > 0 ? group : COMMANDS).map(({ name }) => name).join(', ');
  const given = JSON.stringify(group.length > 0 ? `${first} ${second}`.trim() : first);
  const message = `Cannot run ${given}: no such command; there are ${names}`;
  tell(args, undefined, new StoreError('E_USAGE', message));
  return EXIT.usage;
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  try {
    const call = parseCall(command, args);
    if (call !== undefined) return (await command.run(call)) ?? EXIT.success;
    await write(commandHelp(command));
    return EXIT.success;
  } catch (error) {
    tell(args, command, error);
    return exitCodeOf(command, error);
  }
}

/** One line on stderr; JSON where the arguments ask for it, understood or not. */
function tell(args: readonly string[], command: Command | undefined, error: unknown): void {
  const options = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  const name = command === undefined ? 'holdfast' : `holdfast ${command.name}`;
  const text = options.includes('--json')
    ? errorJson(error, command?.advice)
    : `${name}: ${errorLine(error, command?.advice)}`;
  process.stderr.write(`${text}\n`);
}

/** Arguments that no store would take are usage errors, whoever found it out. */
function exitCodeOf(command: Command, error: unknown): number {
  const { usage, failure } = command.exit ?? EXIT;
  return hasCode(error, 'E_USAGE') || hasCode(error, 'E_INVALID_ARGUMENT') ? usage : failure;
}

/** Ends the process when its output can't be written. */
function endOutput(error: Error, args: readonly string[]): never {
  const command = commandOf(args);
  // Whoever read our output has gone: there is nobody to tell.
  const isClosed = isSystemError(error) && error.code === 'EPIPE';
  if (!isClosed) tell(args, command, typedError('Cannot write to stdout', error));
  process.exit((command?.exit ?? EXIT).failure);
}

/** Of the package that this file is part of. */
function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  const { version: number }: { version: string } = JSON.parse(readFileSync(file, 'utf8'));
  return number;
}
