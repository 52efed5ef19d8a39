/**
 * What a mixed workload costs the disks of a parity array, by a store that knows the stripes and
 * by one that doesn't: prints the table of docs/stripes.md. Nothing is timed: a model counts.
 *
 *     npm run bench:stripes -- [--megabytes 128] [--transactions 300] [--seed 1]
 */

import { parseArgs } from 'node:util';
import type { WriteCosts } from '../test/support/parity-device.js';
import { LOAD_REGIONS, StripeLoad } from '../test/support/stripe-load.js';

const MIB = 1024 * 1024;

const ARRAYS = {
  'RAID-5 4+1': { dataDisks: 4, parityDisks: 1, unit: 16 * 1024 },
  'RAID-6 8+2': { dataDisks: 8, parityDisks: 2, unit: 16 * 1024 },
} as const;

const FILLS = [0.5, 0.7, 0.8, 0.9];

const COLUMNS = [
  'array',
  'journal',
  'full',
  'stripes',
  'full-stripe',
  'read-modify',
  'reconstruct',
  'outside the ring',
  'all disk operations',
  'of ignored',
  'written / given',
  'lost to padding',
];

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '128' },
    transactions: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
  },
});

const size = Number(values.megabytes) * MIB;
const count = Number(values.transactions);
const seed = Number(values.seed);

/** What the disk operations of one store are for. */
const PURPOSES = [
  'array',
  'full',
  'stripes',
  'ring',
  'superblocks',
  'large data',
  'checkpoints',
  'all',
];

/** Rows of that table: of stores with the journal on the same array. */
const purposes: string[] = [];

/** Brings the load to its steady state, then counts from one checkpoint to another. */
async function measure(load: StripeLoad): Promise<void> {
  await load.fillUp();
  await load.run(count);
  load.store.checkpointSync();
  load.reset();
  await load.run(count);
  load.store.checkpointSync();
}

/** Part of the device that is free, but not in whole stripes. */
function paddingOf({ store }: StripeLoad): string {
  const { stripes, total, allocated, pending } = store.statfsSync();
  if (stripes === undefined) return '-';
  const free = total - allocated - pending;
  const lost = Math.max(0, free - stripes.free * stripes.width);
  return `${((100 * lost) / total).toFixed(1)} %`;
}

interface Case {
  readonly array: keyof typeof ARRAYS;
  readonly separateJournal: boolean;
  readonly fill: number;
}

function row(
  { array, separateJournal, fill }: Case,
  load: StripeLoad,
  ignoring: StripeLoad,
): string {
  const { outside, total } = load;
  const cells = [
    array,
    separateJournal ? 'its own device' : 'same array',
    `${100 * fill} %`,
    load === ignoring ? 'ignored' : 'known',
    outside.fullStripes,
    outside.readModifyWrites,
    outside.reconstructWrites,
    operationsOf(outside),
    operationsOf(total),
    (operationsOf(total) / operationsOf(ignoring.total)).toFixed(2),
    (total.bytes / load.givenBytes).toFixed(2),
    paddingOf(load),
  ];
  return `| ${cells.join(' | ')} |`;
}

function purposesOf({ array, fill }: Case, load: StripeLoad, ignoring: StripeLoad): string {
  const known = load === ignoring ? 'ignored' : 'known';
  const operations = LOAD_REGIONS.map((region) => operationsOf(load.device.costsOf(region)));
  const cells = [array, `${100 * fill} %`, known, ...operations, operationsOf(load.total)];
  return `| ${cells.join(' | ')} |`;
}

function operationsOf({ diskReads, diskWrites }: WriteCosts): number {
  return diskReads + diskWrites;
}

async function compare(one: Case): Promise<void> {
  const { array, ...rest } = one;
  const common = { ...ARRAYS[array], ...rest, size, seed, objectMax: size / 64 };
  const aware = new StripeLoad({ ...common, aware: true });
  await measure(aware);
  const ignoring = new StripeLoad({ ...common, aware: false, follows: aware });
  await measure(ignoring);
  for (const load of [aware, ignoring]) {
    console.log(row(one, load, ignoring));
    if (!one.separateJournal) purposes.push(purposesOf(one, load, ignoring));
    load.close();
  }
}

function printHead(columns: readonly string[]): void {
  console.log(`| ${columns.join(' | ')} |`);
  console.log(`|${' --- |'.repeat(columns.length)}`);
}

printHead(COLUMNS);
for (const array of ['RAID-5 4+1', 'RAID-6 8+2'] as const) {
  for (const separateJournal of [true, false]) {
    for (const fill of FILLS) await compare({ array, separateJournal, fill });
  }
}

console.log();
printHead(PURPOSES);
for (const one of purposes) console.log(one);
