/**
 * What a command of the command line is: its arguments, its help and its work.
 *
 * - Arguments are parsed by `parseArgs`; whatever makes no sense is E_USAGE.
 * - A command gives its exit code, 0 by default.
 */

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type ErrorCode, StoreError } from '../errors.js';
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

/** An object as arguments name it. */
export type NamedObject = Uint8Array | { readonly name: Uint8Array; readonly hash: number };

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

  /** The object at `index`, with its hash where one was given: only then it may be empty. */
  object(index: number): NamedObject {
    const { hash } = this;
    if (hash === undefined) return this.name(index, 'OBJECT');
    return { name: this.bytes(index, 'OBJECT'), hash };
  }

  /** The object's hash; undefined when none is given. */
  get hash(): number | undefined {
    const text = this.text('hash');
    return text === undefined ? undefined : this.#whole('hash', text);
  }

  /** Refuses an option that says nothing where no object is named. */
  checkWithoutObject(option: string): void {
    if (this.text(option) === undefined) return;
    throw new StoreError('E_USAGE', `Cannot use --${option}: no OBJECT is named`);
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
    throw new StoreError('E_USAGE', `Cannot run ${command.name}: ${fault(command, args, error)}`);
  }
}

/** What is wrong with arguments that `parseArgs` refuses. */
function fault(command: Command, args: readonly string[], error: unknown): string {
  const help = `see holdfast ${command.name} --help`;
  for (const [name, { value }] of Object.entries(allOptions(command))) {
    const next = args[args.indexOf(`--${name}`) + 1] ?? '';
    if (value === undefined || !args.includes(`--${name}`) || !looksLikeOption(next)) continue;
    return `--${name} has no value; if ${next} is meant, write --${name}=${next}`;
  }
  if (!(error instanceof Error)) return `${String(error)}; ${help}`;
  const isUnknown = 'code' in error && error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION';
  const dash = isUnknown ? '; an argument that begins with a dash stands behind --' : '';
  return `${firstSentence(error.message)}; ${help}${dash}`;
}

function looksLikeOption(argument: string): boolean {
  return argument.startsWith('-') && argument !== '-' && argument !== '--';
}

function firstSentence(message: string): string {
  return (message.split(/\.\s|\n/)[0] ?? message).replace(/\.$/, '');
}

function allOptions(command: Command): Record<string, CommandOption> {
  // A command may tell more about an option that all have.
  return { ...command.options, ...COMMON_OPTIONS, ...command.options };
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
  lines.push('', 'Arguments that begin with a dash stand behind --, and options in front of it.');
  return `${lines.join('\n')}\n`;
}
