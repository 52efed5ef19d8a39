/** `holdfast replay`: transactions of Ceph's OSDs, as a trace has them. */

import { checkStore, type Store, StoreError } from '../../index.js';
import type { Call, Command } from '../command.js';
import { EXIT } from '../command.js';
import { withStore } from '../open-store.js';
import { writeFacts, writeJson } from '../output.js';
import { Progress } from '../progress.js';
import { readLines } from '../replay/line-reader.js';
import { type ReplayFigures, replay } from '../replay/replayer.js';
import { checkState, type StateReport } from '../replay/state-check.js';
import { formatSeconds, formatSize } from '../size.js';

const IN_FLIGHT_DEFAULT = 16;

/** Differences that a JSON document lists; all are counted. */
const DIFFERENCES_LISTED_MAX = 1000;

export const REPLAY: Command = {
  name: 'replay',
  arguments: 'STORE TRACE',
  summary: 'Replays a trace of Ceph OSD transactions (.jsonl, gzipped or not) on an empty store.',
  details: [
    'Each line is one atomic transaction. Data of which the trace has only the length is made up,',
    'always in the same way. A replay that was killed goes on behind its last durable transaction.',
    'With --check the store is then compared with the state that the OSD ended in; differences are',
    'printed by name, and make the exit code 1.',
    'Amplification is bytes written to the device for each byte of data, attributes, keys and values.',
  ],
  options: {
    check: { value: 'STATE', help: 'compare with this state (.jsonl, gzipped or not) afterwards' },
    batch: { value: 'N', help: 'lines in one transaction; 1 by default' },
    'in-flight': { value: 'N', help: 'transactions that may wait to be durable; 16 by default' },
  },
  advice: {
    E_NOT_FOUND: 'check the paths, and that the trace begins with an empty store',
    E_EXISTS: 'check that the trace begins with an empty store',
    E_INVALID: 'check the trace',
    E_TRACE: 'get the file anew',
  },
  run,
};

/** What the device had to do, and what is on it. */
interface DeviceFigures {
  /** Undefined where the device does not count. */
  readonly writtenBytes: number | undefined;
  /** Bytes by which a file grew; zeros, written beside what is counted above. */
  readonly grownBytes: number;
  readonly amplification: number | undefined;
}

interface SpaceFigures {
  /** Sizes of all objects. */
  readonly stored: number;
  readonly allocated: number;
  /** In tree nodes, those that wait to be removed included. */
  readonly metadata: number;
  readonly objects: number;
}

async function run(call: Call): Promise<number> {
  const batch = call.positive('batch') ?? 1;
  const inFlight = call.positive('in-flight') ?? IN_FLIGHT_DEFAULT;
  const { figures, device } = await withStore(call, 'write', async (store) => {
    const before = usageOf(store);
    const done = await replayWhole(call, store, { batch, inFlight });
    await store.checkpoint();
    return { figures: done, device: deviceFigures(done.userBytes, before, usageOf(store)) };
  });
  const differences: string[] = [];
  const state = await compare(call, differences);
  const space = await spaceOf(call);
  if (call.json) {
    await writeJson({
      ...figures,
      transactionsPerSecond: figures.transactions / figures.seconds,
      cpuMicrosecondsPerTransaction: (1e6 * figures.cpuSeconds) / Math.max(1, figures.transactions),
      device,
      space,
      ...(state !== undefined && { check: { ...state, listed: differences } }),
    });
  } else await account(figures, device, space, state);
  return (state?.differences ?? 0) > 0 ? EXIT.failure : EXIT.success;
}

async function replayWhole(
  call: Call,
  store: Store,
  options: { readonly batch: number; readonly inFlight: number },
): Promise<ReplayFigures> {
  const total = Progress.isSeen ? await countLines(call.argument(1)) : undefined;
  const progress = new Progress({ what: 'replay', unit: 'lines', total });
  try {
    const onLines = (count: number): void => progress.advance(count);
    return await replay({ store, path: call.argument(1), ...options, onLines });
  } finally {
    progress.end();
  }
}

/** Lines of the trace; undefined for one that can't be read: the replay itself says why. */
async function countLines(path: string): Promise<number | undefined> {
  try {
    let count = 0;
    for await (const { number } of readLines(path)) count = number;
    return count;
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

/** Undefined unless --check was given. */
async function compare(call: Call, listed: string[]): Promise<StateReport | undefined> {
  const path = call.text('check');
  if (path === undefined) return undefined;
  return await withStore(call, 'read', async (store) => {
    return await checkState({
      store,
      path,
      onDifference: (difference) => {
        if (!call.json) process.stdout.write(`${difference}\n`);
        else if (listed.length < DIFFERENCES_LISTED_MAX) listed.push(difference);
      },
    });
  });
}

interface Usage {
  readonly deviceBytes: number;
  readonly writtenBytes: number | undefined;
}

function usageOf(store: Store): Usage {
  const { deviceBytes, writtenBytes } = store.info();
  return { deviceBytes, writtenBytes };
}

function deviceFigures(userBytes: number, before: Usage, after: Usage): DeviceFigures {
  const grownBytes = after.deviceBytes - before.deviceBytes;
  if (before.writtenBytes === undefined || after.writtenBytes === undefined) {
    return { writtenBytes: undefined, grownBytes, amplification: undefined };
  }
  const writtenBytes = after.writtenBytes - before.writtenBytes;
  return { writtenBytes, grownBytes, amplification: writtenBytes / Math.max(1, userBytes) };
}

/** Counts the nodes of all trees, so it costs as much as there is metadata. */
async function spaceOf(call: Call): Promise<SpaceFigures> {
  const { stored, allocated, objects, nodeSize } = await withStore(call, 'read', async (store) => {
    return { ...store.statfsSync(), ...store.info() };
  });
  const force = call.flag('force-lock');
  const report = await checkStore(call.store, { force, journal: call.text('journal') });
  return { stored, allocated, metadata: report.nodes * nodeSize, objects };
}

async function account(
  figures: ReplayFigures,
  device: DeviceFigures,
  space: SpaceFigures,
  state: StateReport | undefined,
): Promise<void> {
  const { resumedAt, lines, transactions, seconds, cpuSeconds, userBytes, commitMs } = figures;
  const rate = Math.round(transactions / seconds);
  const cpu = Math.round((1e6 * cpuSeconds) / Math.max(1, transactions));
  const { writtenBytes, grownBytes, amplification } = device;
  const written = writtenBytes === undefined ? 'not counted' : formatSize(writtenBytes);
  const times = amplification === undefined ? '' : `, ${amplification.toFixed(2)} times that`;
  const facts: [string, string][] = [
    ['lines', `${lines} in ${transactions} transactions, all durable`],
    ['time', `${formatSeconds(seconds)}, ${rate} transactions/s, ${cpu} us of CPU each`],
    ['commit', `p50 ${commitMs.p50.toFixed(2)} ms, p99 ${commitMs.p99.toFixed(2)} ms`],
    ['written by the trace', formatSize(userBytes)],
    ['written to the device', `${written}${times}`],
    ['grown by', formatSize(grownBytes)],
    ['stored', `${formatSize(space.stored)} in ${space.objects} objects`],
    ['allocated', `${formatSize(space.allocated)}, ${formatSize(space.metadata)} of it metadata`],
  ];
  if (resumedAt > 0) facts.unshift(['gone on', `behind line ${resumedAt}`]);
  if (state !== undefined) facts.push(['check', verdict(state)]);
  await writeFacts(facts);
}

function verdict(state: StateReport): string {
  const { collections, objects, dataVerified, valuesVerified, differences } = state;
  return (
    `${differences} differences in ${collections} collections and ${objects} objects; ` +
    `the bytes of ${dataVerified} objects and ${valuesVerified} values verified`
  );
}
