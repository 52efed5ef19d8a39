/**
 * Starts a writer and kills it without warning in the middle of its work.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const WRITER = fileURLToPath(new URL('./writer.js', import.meta.url));

/** Acknowledged transactions after which it is killed, as far as the time allows. */
const ACKNOWLEDGED_MIN = 400;
const ACKNOWLEDGED_SPREAD = 800;

/** On a slow device it is killed after this time, once anything was acknowledged. */
const PATIENCE_MS = 8000;

/** A writer that acknowledges nothing for so long is broken. */
const SILENCE_MS = 60_000;

export interface KilledWriter {
  readonly pid: number;
  /** The last transaction that was acknowledged, and so all before it. */
  readonly acknowledged: number;
  /** From the first acknowledgement to the last. */
  readonly seconds: number;
}

/** @throws Error when the writer ends by itself or never acknowledges anything */
export async function killWriter(path: string): Promise<KilledWriter> {
  const child = spawn(process.execPath, [WRITER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const enough = ACKNOWLEDGED_MIN + Math.floor(Math.random() * ACKNOWLEDGED_SPREAD);
  const acknowledged = new Set<number>();
  let firstMs = 0;
  let lastMs = 0;
  const silence = setTimeout(() => child.kill('SIGKILL'), SILENCE_MS);
  for await (const line of createInterface({ input: child.stdout })) {
    lastMs = performance.now();
    if (firstMs === 0) firstMs = lastMs;
    acknowledged.add(Number(line));
    if (acknowledged.size >= enough || lastMs - firstMs > PATIENCE_MS) child.kill('SIGKILL');
  }
  clearTimeout(silence);
  await ended;
  if (child.signalCode !== 'SIGKILL' || acknowledged.size === 0) {
    throw new Error(`Cannot kill writer: it ended by itself (exit code ${child.exitCode})`);
  }
  const last = Math.max(...acknowledged);
  const seconds = (lastMs - firstMs) / 1000;
  return { pid: child.pid ?? 0, acknowledged: last, seconds };
}
