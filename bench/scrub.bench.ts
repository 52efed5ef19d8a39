/**
 * Scrub and the deep check beside a plain sequential read of the same file, past the page cache;
 * and the check of a million objects.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AlignedMemory } from '../src/blockdev/aligned-memory.js';
import { checkStore, mkfsSync, Store } from '../src/index.js';
import { alternate, type Figure, show } from './measure.js';

const MIB = 1024 ** 2;

/** Bytes of one plain read, as large as those of a scrub. */
const READ_BYTES = MIB;

export interface SuiteSize {
  readonly rounds: number;
  readonly quick: boolean;
}

/** A store of large objects, or of small ones that were written in an order of their own. */
function makeStore(path: string, megabytes: number, objectBytes: number): void {
  mkfsSync(path, { size: 16 * 1024 * MIB });
  const store = Store.openSync(path);
  store.commitSync(store.transaction().createCollection('c'));
  const data = new Uint8Array(objectBytes);
  const words = new Uint32Array(data.buffer);
  const count = (megabytes * MIB) / objectBytes;
  const together = Math.max(1, Math.floor((8 * MIB) / objectBytes));
  for (let at = 0; at < count; at += together) {
    const transaction = store.transaction();
    for (let i = at; i < Math.min(count, at + together); i++) {
      for (let w = 0; w < words.length; w += 16)
        words[w] = Math.imul(i * words.length + w, 0x9e3779b1);
      const name = String(Math.imul(i, 2_654_435_761) >>> 0).padStart(16, '0');
      transaction.write('c', name, 0, data.slice());
    }
    store.commitSync(transaction);
  }
  store.closeSync();
}

/** Bytes a second of reading a whole file from its beginning to its end. */
function plainRead(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
  const buffer = new AlignedMemory(READ_BYTES).take(READ_BYTES);
  const begin = performance.now();
  let done = 0;
  for (let count = 1; count > 0; done += count) {
    count = readSync(fd, buffer, 0, READ_BYTES, done);
  }
  closeSync(fd);
  return (1000 * done) / (performance.now() - begin);
}

async function deepCheck(path: string): Promise<number> {
  const begin = performance.now();
  const onFinding = ({ message }: { readonly message: string }): never => {
    throw new Error(message);
  };
  const { bytesRead } = await checkStore(path, { deep: true, onFinding });
  return (1000 * bytesRead) / (performance.now() - begin);
}

async function scrubOnce(path: string): Promise<number> {
  const store = await Store.open(path, { readOnly: true });
  const begin = performance.now();
  const { bytesRead, findings } = await store.scrub();
  const rate = (1000 * bytesRead) / (performance.now() - begin);
  await store.close();
  if (findings.length > 0) throw new Error('Cannot trust figures: the store is damaged');
  return rate;
}

export async function scrubSuite(directory: string, size: SuiteSize): Promise<void> {
  for (const [what, objectBytes] of [
    ['objects of 8 MiB', 8 * MIB],
    ['objects of 16 KiB', 16 * 1024],
  ] as const) {
    const path = join(directory, `scrub-${objectBytes}.hf`);
    makeStore(path, size.quick ? 256 : 1024, objectBytes);
    const figures = await alternate(size.rounds, {
      plain: () => plainRead(path) / MIB,
      deep: async () => (await deepCheck(path)) / MIB,
      scrub: async () => (await scrubOnce(path)) / MIB,
    });
    const ratio = ({ median }: Figure): string => (median / figures.plain.median).toFixed(2);
    console.log(`${what}, ${Math.round(statSync(path).size / MIB)} MiB`);
    console.log(`plain sequential read: ${show(figures.plain, 'MiB/s')}`);
    console.log(`fsck --deep: ${show(figures.deep, 'MiB/s')}, ${ratio(figures.deep)} of plain`);
    console.log(`scrub: ${show(figures.scrub, 'MiB/s')}, ${ratio(figures.scrub)} of plain`);
  }
}

/** Checks a store in a process of its own: seconds, and megabytes of memory at most. */
export function checkApart(path: string): { readonly seconds: number; readonly megabytes: number } {
  const script = `
    import { checkStore } from ${JSON.stringify(new URL('../src/index.js', import.meta.url).href)};
    const begin = performance.now();
    const { findings } = await checkStore(${JSON.stringify(path)});
    if (findings.error > 0) throw new Error('Cannot trust figures: the store is damaged');
    const megabytes = process.resourceUsage().maxRSS / 1000;
    console.log(JSON.stringify({ seconds: (performance.now() - begin) / 1000, megabytes }));`;
  const args = ['--input-type=module', '-e', script];
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return JSON.parse(stdout) as { seconds: number; megabytes: number };
}
