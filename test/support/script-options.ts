/**
 * Options of the scripts beside the tests: all take a value, and have one unless it is given.
 *
 * - `--help` prints the usage and ends the process with 0; what can't be used is one line and 2.
 */

import { parseArgs } from 'node:util';

/** Exit code for options that can't be used. */
const USAGE_EXIT = 2;

export class ScriptOptions<Name extends string> {
  readonly #values: ReadonlyMap<string, string>;

  private constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  /** Reads the options of this process, or ends it. `defaults` has all that there are. */
  static read<Name extends string>(
    usage: string,
    defaults: Readonly<Record<Name, string>>,
  ): ScriptOptions<Name> {
    const values = new Map(Object.entries<string>(defaults));
    const names = [...values.keys()].map((name) => [name, { type: 'string' }] as const);
    const help = ['help', { type: 'boolean', short: 'h' }] as const;
    try {
      const given = parseArgs({ options: Object.fromEntries([...names, help]) });
      for (const [name, value] of Object.entries(given.values)) {
        if (name === 'help') end(0, process.stdout, usage);
        values.set(name, String(value));
      }
    } catch (error) {
      refuse(messageOf(error));
    }
    return new ScriptOptions<Name>(values);
  }

  text(name: Name): string {
    return this.#values.get(name) ?? '';
  }

  /** A whole number from 0 on. */
  count(name: Name): number {
    const text = this.text(name);
    if (!/^\d+$/.test(text)) refuse(`Cannot use --${name} ${text}: expected a whole number`);
    return Number(text);
  }

  /** What `parse` makes of a value. It refuses one by a RangeError or a SyntaxError. */
  parsed<T>(name: Name, parse: (text: string) => T): T {
    try {
      return parse(this.text(name));
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
      return refuse(error.message);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function refuse(message: string): never {
  end(USAGE_EXIT, process.stderr, `${message.split('\n')[0]} (--help prints what there is)\n`);
}

function end(code: number, stream: NodeJS.WriteStream, text: string): never {
  stream.write(text);
  process.exit(code);
}
