/**
 * Replays the recorded traces with the command, kills it on the way, and lets it go on.
 *
 * - A replay is killed when it has written a random number of bytes, wherever that is: opening,
 *   between transactions, in a checkpoint. How fast the machine is does not matter.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { fsckFileFault } from './crash-fsck.js';
import type { Prng } from './prng.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const TRACES = fileURLToPath(new URL('../../../test/traces/', import.meta.url));

/** Time between two looks at how much a replay has written. */
const LOOK_MS = 3;

/** A trace and the state that it leads to, as files. */
export interface RecordedTrace {
  readonly trace: string;
  readonly state: string;
}

/** `content`: what clients wrote is given by seeds; `lengths`: only lengths are given. */
export function recordedTrace(name: 'content' | 'lengths'): RecordedTrace {
  return {
    trace: `${TRACES}${name}.trace.jsonl.gz`,
    state: `${TRACES}${name}.state.jsonl.gz`,
  };
}

/** The lines of a recorded trace. */
export function traceLines({ trace }: RecordedTrace): string[] {
  return gunzipSync(readFileSync(trace)).toString().trimEnd().split('\n');
}

export interface KilledReplay extends RecordedTrace {
  /** An empty store. */
  readonly path: string;
  readonly prng: Prng;
  /** Replays that are killed before one is let go to its end. */
  readonly kills: number;
  /** Bytes that the whole replay writes, about. */
  readonly writtenBytes: number;
  /** Further arguments. */
  readonly options?: readonly string[];
}

/** What the last replay printed. */
export interface ReplayResult {
  readonly resumedAt: number;
  readonly lines: number;
  readonly transactionsPerSecond: number;
  readonly cpuMicrosecondsPerTransaction: number;
  readonly commitMs: { readonly p50: number; readonly p99: number };
  readonly device: { readonly amplification: number };
  readonly space: { readonly metadata: number };
  readonly check: {
    readonly dataVerified: number;
    readonly valuesVerified: number;
    readonly differences: number;
    readonly listed: readonly string[];
  };
}

/**
 * Kills replays, checks what each leaves, and gives the result of the last one.
 *
 * @throws Error when fsck finds anything, or a replay fails
 */
export async function replayWithKills(replay: KilledReplay): Promise<ReplayResult> {
  const { path, trace, state, kills, prng, options = [] } = replay;
  const most = Math.ceil((2 * replay.writtenBytes) / (kills + 2));
  for (let left = kills; left > 0; left--) {
    const child = start(['replay', path, trace, ...options]);
    const looking = setInterval(() => killAt(child, bytes), LOOK_MS);
    const bytes = prng.below(most);
    const { code, signal, stderr } = await endOf(child);
    clearInterval(looking);
    if (signal !== 'SIGKILL' && code !== 0) throw new Error(`The replay ended: ${stderr}`);
    checkStore(path);
  }
  const child = start(['replay', path, trace, '--check', state, '--json', ...options]);
  const { stdout, stderr } = await endOf(child);
  if (stdout === '') throw new Error(`The replay ended: ${stderr}`);
  checkStore(path);
  return JSON.parse(stdout) as ReplayResult;
}

function checkStore(path: string): void {
  const fault = fsckFileFault(path);
  if (fault !== undefined) throw new Error(fault);
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function endOf(child: ChildProcess): Promise<End> {
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...said }));
  });
}

/** Kills a process that has written more than this. */
function killAt(child: ChildProcess, bytes: number): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  let io: string;
  try {
    io = readFileSync(`/proc/${child.pid}/io`, 'utf8');
  } catch {
    return; // it has just ended
  }
  const written = Number(/^wchar: (\d+)$/m.exec(io)?.[1] ?? 0);
  if (written > bytes) child.kill('SIGKILL');
}
