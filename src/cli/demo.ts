/**
 * The main job on real input, told step by step: a directory goes in, a clone is made, part of
 * the original is overwritten, a writer is killed, and everything is proved afterwards.
 *
 * - Exit code 0 only when everything held. The store is removed at the end, whatever happens.
 */

import { existsSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkStore, mkfs, Store, StoreError, Transaction } from '../index.js';
import { Account } from './demo/account.js';
import { type Comparison, compareTree } from './demo/compare.js';
import { killWriter } from './demo/kill-writer.js';
import { type Overwritten, overwritePart } from './demo/overwrite.js';
import { proveStream } from './demo/stream.js';
import { importTree } from './import-tree.js';
import { formatSize } from './size.js';
import { isSystemError, reasonOf } from './system-error.js';

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
const ORIGINAL = 'tree';
const CLONE = 'clone';

process.exitCode = await main();

async function main(): Promise<number> {
  let directory: string;
  try {
    const { positionals } = parseArgs({ allowPositionals: true, options: {} });
    if (positionals.length > 1) throw new TypeError('expected one directory at most');
    directory = resolve(positionals[0] ?? PROJECT);
    if (!statSync(directory).isDirectory()) throw new TypeError(`${directory} is no directory`);
  } catch (error) {
    const where = isSystemError(error) ? `${error.path ?? ''}: ` : '';
    process.stderr.write(`Cannot start: ${where}${reasonOf(error)}; usage: npm start [-- DIR]\n`);
    return 2;
  }
  if (`${realpathOf(tmpdir())}/`.startsWith(`${realpathOf(directory)}/`)) {
    process.stderr.write(
      `Cannot start: the temporary directory ${tmpdir()} lies in ${directory}; set TMPDIR elsewhere\n`,
    );
    return 2;
  }
  const home = mkdtempSync(join(tmpdir(), 'holdfast-demo-'));
  process.on('exit', () => rmSync(home, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  const account = new Account();
  account.title(`Holdfast, the main job on ${directory}`);
  try {
    await runSteps(account, join(home, 'store'), directory);
  } catch (error) {
    account.fault(
      error instanceof StoreError ? `${error.code}: ${error.message}` : reasonOf(error),
    );
  }
  return account.end() ? 0 : 1;
}

/** The path without symlinks; what is not there is told later. */
function realpathOf(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

async function runSteps(account: Account, path: string, directory: string): Promise<void> {
  await account.step('make', async () => {
    await mkfs(path);
    return `an empty store, ${path}`;
  });
  const importedMs = Date.now();
  const overwritten = await writeAll(account, path, directory);
  const acknowledged = await account.step('kill', async () => {
    const { pid, acknowledged, seconds } = await killWriter(path);
    const rate = Math.round(acknowledged / Math.max(seconds, 0.001));
    account.add(
      `writer ${pid} got SIGKILL in the middle of a stream of transactions, 16 in flight;`,
    );
    account.add(`${acknowledged} were acknowledged by then, ${rate}/s`);
    return acknowledged;
  });
  await proveAll(account, path, { directory, importedMs }, acknowledged, overwritten);
  await account.step('fsck', async () => {
    const report = await checkStore(path, {
      deep: true,
      onFinding: ({ severity, code, message }) => {
        if (severity === 'error') account.fault(`fsck: ${code}: ${message}`);
      },
    });
    const { collections, objects, nodes, bytesVerified, findings } = report;
    const { error, warning } = findings;
    const state = error === 0 ? 'clean' : `${error} errors`;
    account.add(`--deep says ${state}${warning > 0 ? ` with ${warning} warnings` : ''}:`);
    account.add(`${collections} collections, ${objects} objects, ${nodes} nodes,`);
    account.add(`${formatSize(bytesVerified)} of data verified`);
  });
}

/** Import, clone, overwrite. */
async function writeAll(account: Account, path: string, directory: string): Promise<Overwritten> {
  const store = await Store.open(path);
  await account.step('import', async (elapsed) => {
    const collection = Buffer.from(ORIGINAL);
    const onProblem = (message: string): void => account.note(message);
    const done = await importTree({ store, collection, directory, onProblem });
    const { files, directories, symlinks, bytes, transactions } = done;
    const seconds = elapsed();
    account.add(
      `${files} files, ${directories} directories, ${symlinks} symlinks, ${formatSize(bytes)}`,
    );
    account.add(`in ${transactions} transactions, all durable:`);
    account.add(
      `${Math.round(files / seconds)} files/s, ${formatSize(Math.round(bytes / seconds))}/s`,
    );
  });
  await account.step('clone', async () => {
    await store.commit(new Transaction().cloneCollection(ORIGINAL, CLONE));
    const { objects, storedBytes } = await store.collection(CLONE).stat();
    return `the collection, ${objects} objects of ${formatSize(storedBytes)}, in one transaction`;
  });
  const overwritten = await account.step('overwrite', async () => {
    const done = await overwritePart(store, ORIGINAL);
    account.add(`${done.objects} objects of the original in up to three places each,`);
    account.add(`${formatSize(done.bytes)}`);
    return done;
  });
  await store.close();
  return overwritten;
}

/** Reopen, look for every transaction, read everything back. */
async function proveAll(
  account: Account,
  path: string,
  source: { readonly directory: string; readonly importedMs: number },
  acknowledged: number,
  overwritten: Overwritten,
): Promise<void> {
  const store = await account.step('reopen', async () => {
    const opened = await Store.open(path);
    account.add(`${opened.recovery.replayed} transactions replayed from the journal`);
    return opened;
  });
  await account.step('prove', async () => {
    const { present, bytes, faults } = proveStream(store, acknowledged);
    for (const fault of faults) account.fault(fault);
    if (faults.length > 0) return 'NOT every transaction is whole';
    account.add(`all ${acknowledged} acknowledged transactions are there, whole; of the others`);
    account.add(`${present - acknowledged} are there, whole, and none in part;`);
    return `${formatSize(bytes)} compared`;
  });
  await account.step('read', async (elapsed) => {
    const original = compareTree({
      collection: store.collection(ORIGINAL),
      ...source,
      changeOf: overwritten.changeOf,
    });
    tell(account, original, elapsed(), `equal the source, ${original.changed} as overwritten`);
  });
  await account.step('read clone', async (elapsed) => {
    const collection = store.collection(CLONE);
    const clone = compareTree({ collection, ...source, changeOf: () => undefined });
    tell(account, clone, elapsed(), 'equal the source, none overwritten');
  });
  await store.close();
}

function tell(account: Account, result: Comparison, seconds: number, what: string): void {
  const { objects, bytes, unstable, faults, faultCount } = result;
  for (const fault of faults) account.fault(fault);
  if (faultCount > faults.length) account.fault(`${faultCount - faults.length} more of these`);
  const rate = formatSize(Math.round(bytes / Math.max(seconds, 0.001)));
  if (faultCount > 0) account.add(`${faultCount} faults in ${objects} objects`);
  else account.add(`${objects} objects, ${formatSize(bytes)}, ${what}: ${rate}/s`);
  if (unstable > 0)
    account.note(`${unstable} entries changed in the source meanwhile, not compared`);
}
