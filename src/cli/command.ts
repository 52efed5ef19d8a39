/**
 * What a command of the command line is: its arguments, its help and its work.
 *
 * - Arguments are parsed by `parseArgs`; whatever makes no sense is E_USAGE.
 * - A command gives its exit code, 0 by default.
 */

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type ErrorCode, StoreError } from '../errors.js';
import type { ObjectName } from '../index.js';
import { parseSize } from './size.js';
import { bytesOf, nameOf } from './text.js';

/** Exit codes of every command but fsck, which has those of fsck(8). */
export const EXIT = { success: 0, failure: 1, usage: 2 } as const;

export interface CommandOption {
  readonly short?: string;
  /** Name of its value in the help; an option without one is a switch. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  /** One or two words: `put`, `attr ls`. */
  readonly name: string;
  /** Positional arguments; in brackets the ones that may be missing, all at the end. */
  readonly arguments: string;
  readonly summary: string;
  /** Further lines of help. */
  readonly details?: readonly string[];
  readonly options?: Readonly<Record<string, CommandOption>>;
  /** What to do about an error, by its code, where that is not the same for all commands. */
  readonly advice?: Readonly<Partial<Record<ErrorCode, string>>>;
  /** Exit codes where they differ from EXIT. */
  readonly exit?: { readonly failure: number; readonly usage: number };
  run(call: Call): Promise<number | undefined>;
}

/** Options that every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, CommandOption>> = {
  json: { help: 'print JSON' },
  'force-lock': { help: 'take a store file whose owner cannot be judged' },
  journal: { value: 'PATH', help: "the journal's device or file, where it has one of its own" },
  'accept-journal-loss': {
    help: 'open the last checkpoint when the journal is not there; what only it held is lost',
  },
  help: { short: 'h', help: 'print this help' },
};

/** For commands that name an object. */
export const HASH_OPTION: CommandOption = {
  value: 'N',
  help: "the object's hash, where its collection is ordered by hashes of the program's own",
};

/** Arguments and options of one call. */
export class Call {
  readonly #positionals: readonly string[];
  readonly #options: Readonly<Record<string, unknown>>;

  constructor(positionals: readonly string[], options: Readonly<Record<string, unknown>>) {
    this.#positionals = positionals;
    this.#options = options;
  }

  get json(): boolean {
    return this.flag('json');
  }

  /** Positional arguments that were given. */
  get count(): number {
    return this.#positionals.length;
  }

  /** Path of the store: always the first argument. */
  get store(): string {
    return this.argument(0);
  }

  argument(index: number): string {
    return this.#positionals[index] ?? '';
  }

  /** A positional argument that is a name. */
  name(index: number, what: string): Uint8Array {
    return nameOf(this.argument(index), what);
  }

  /** A positional argument that is any bytes. */
  bytes(index: number, what: string): Uint8Array {
    return bytesOf(this.argument(index), what);
  }

  /** The object at `index`, with its hash where one was given. */
  object(index: number): ObjectName {
    const name = this.name(index, 'OBJECT');
    const hash = this.text('hash');
    return hash === undefined ? name : { name, hash: this.#whole('hash', hash) };
  }

  flag(option: string): boolean {
    return this.#options[option] === true;
  }

  text(option: string): string | undefined {
    const value = this.#options[option];
    return typeof value === 'string' ? value : undefined;
  }

  size(option: string): number | undefined {
    const value = this.text(option);
    return value === undefined ? undefined : parseSize(value);
  }

  /** An option that is a number of things, at least one. */
  positive(option: string): number | undefined {
    const value = this.text(option);
    if (value === undefined) return undefined;
    const count = this.#whole(option, value);
    if (count > 0) return count;
    throw new StoreError('E_USAGE', `Cannot use --${option} 0: expected at least 1`);
  }

  /** An option that is a name. */
  nameOption(option: string): Uint8Array | undefined {
    const value = this.text(option);
    return value === undefined ? undefined : nameOf(value, `--${option}`);
  }

  #whole(option: string, text: string): number {
    const value = Number(text);
    if (text !== '' && Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value;
    throw new StoreError(
      'E_USAGE',
      `Cannot use --${option} ${JSON.stringify(text)}: expected a whole number below 2^32`,
    );
  }
}

/** Reads the arguments behind the command's name; undefined when they ask for help. */
export function parseCall(command: Command, args: readonly string[]): Call | undefined {
  const { values, positionals } = parsed(command, args);
  if (values['help'] === true) return undefined;
  const expected = command.arguments.split(' ');
  const required = expected.filter((one) => !one.startsWith('['));
  const most = command.arguments.endsWith('...]') ? Number.POSITIVE_INFINITY : expected.length;
  if (positionals.length < required.length || positionals.length > most) {
    const what =
      positionals.length < required.length
        ? `${required[positionals.length]} is missing`
        : `${JSON.stringify(positionals[most])} is too much`;
    throw new StoreError(
      'E_USAGE',
      `Cannot run ${command.name}: ${what}; usage: holdfast ${command.name} ${command.arguments}`,
    );
  }
  return new Call(positionals, values);
}

function parsed(command: Command, args: readonly string[]) {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const [name, { value, short }] of Object.entries(allOptions(command))) {
    const type = value === undefined ? 'boolean' : 'string';
    options[name] = { type, ...(short !== undefined && { short }) };
  }
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const reason = error instanceof Error ? firstSentence(error.message) : String(error);
    const help = `see holdfast ${command.name} --help`;
    throw new StoreError('E_USAGE', `Cannot run ${command.name}: ${reason}; ${help}`);
  }
}

function firstSentence(message: string): string {
  return (message.split(/\.\s|\n/)[0] ?? message).replace(/\.$/, '');
}

function allOptions(command: Command): Record<string, CommandOption> {
  const options: Record<string, CommandOption> = { ...command.options };
  for (const [name, option] of Object.entries(COMMON_OPTIONS)) options[name] ??= option;
  return options;
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const lines = [`Usage: holdfast ${command.name} ${command.arguments} [OPTION]...`];
  lines.push('', command.summary);
  if (command.details !== undefined) lines.push('', ...command.details);
  lines.push('', 'Options:');
  const options = Object.entries(allOptions(command)).map(([name, option]) => {
    const short = option.short === undefined ? '    ' : `-${option.short}, `;
    const value = option.value === undefined ? '' : ` ${option.value}`;
    return [`  ${short}--${name}${value}`, option.help] as const;
  });
  const width = Math.max(...options.map(([left]) => left.length)) + 2;
  for (const [left, help] of options) lines.push(left.padEnd(width) + help);
  return `${lines.join('\n')}\n`;
}
