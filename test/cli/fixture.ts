/**
 * Runs the built command on files of a test's own.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { temporaryDirectory } from '../support/temp-directory.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** A user that owns nothing, for tests of permissions that run as root. */
const NOBODY = 65534;

export interface Run {
  readonly code: number | null;
  readonly stdout: Buffer;
  /** stdout as UTF-8. */
  readonly text: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Given to stdin, which is empty otherwise. */
  readonly input?: string | Uint8Array;
  /** Without the rights of root. */
  readonly unprivileged?: boolean;
}

/** Starts `holdfast` with these arguments; `stdout` is a descriptor, a pipe unless given. */
export function start(
  args: readonly string[],
  options: RunOptions = {},
  stdout?: number,
): ChildProcess {
  const dropped = options.unprivileged === true && process.getuid?.() === 0;
  return spawn(process.execPath, [MAIN, ...args], {
    stdio: ['pipe', stdout ?? 'pipe', 'pipe'],
    ...(dropped && { uid: NOBODY, gid: NOBODY }),
  });
}

/** Runs `holdfast` with these arguments to its end. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const child = start(args, options);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin?.on('error', () => undefined); // it may end before it has read all of it
  child.stdin?.end(options.input ?? '');
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const bytes = Buffer.concat(stdout);
  return { code, stdout: bytes, text: bytes.toString(), stderr: Buffer.concat(stderr).toString() };
}

/** A store, empty at first, and what a test does with it. */
export class Bench {
  readonly #t: ExecutionContext;
  readonly directory: string;
  readonly store: string;

  constructor(t: ExecutionContext) {
    this.#t = t;
    this.directory = temporaryDirectory(t);
    chmodSync(this.directory, 0o755);
    this.store = join(this.directory, 'store');
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Runs a command on the store that must succeed; gives what it printed. */
  async ok(command: string, ...args: string[]): Promise<string> {
    return (await this.okWith({}, command, ...args)).text;
  }

  async okWith(options: RunOptions, command: string, ...args: string[]): Promise<Run> {
    const result = await run([...command.split(' '), this.store, ...args], options);
    this.#t.is(result.code, 0, result.stderr);
    this.#t.is(result.stderr, '');
    return result;
  }

  /** Runs a command on the store, however it ends. */
  async run(command: string, ...args: string[]): Promise<Run> {
    return await run([...command.split(' '), this.store, ...args]);
  }

  /** Runs a command on the store with --json; gives the document. */
  async json<T>(command: string, ...args: string[]): Promise<T> {
    return JSON.parse(await this.ok(command, ...args, '--json')) as T;
  }

  /** Runs a command on the store that must fail with this code and one line that matches. */
  async fails(code: number, line: RegExp, command: string, ...args: string[]): Promise<void> {
    await this.failsWith({}, code, line, command, ...args);
  }

  async failsWith(
    options: RunOptions,
    code: number,
    line: RegExp,
    command: string,
    ...args: string[]
  ): Promise<void> {
    const result = await run([...command.split(' '), this.store, ...args], options);
    checkFailure(this.#t, result, code, line);
  }
}

export function checkFailure(t: ExecutionContext, result: Run, code: number, line: RegExp): void {
  t.is(result.code, code, result.stderr);
  t.is(result.text, '');
  t.regex(result.stderr, line);
  t.is(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
}

/** A bench whose store is made. */
export async function newBench(t: ExecutionContext, ...options: string[]): Promise<Bench> {
  const bench = new Bench(t);
  await bench.ok('mkfs', ...(options.length > 0 ? options : ['--size', '96MiB']));
  return bench;
}
