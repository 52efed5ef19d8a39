/**
 * What a mixed workload costs the disks of a parity array, by a store that knows the stripes and
 * by one that doesn't: prints the table of docs/stripes.md. Nothing is timed: a model counts.
 *
 *     npm run bench:stripes -- [--megabytes 128] [--transactions 300] [--seed 1]
 */

import { parseArgs } from 'node:util';
import { StripeLoad } from '../test/support/stripe-load.js';

const MIB = 1024 * 1024;

const ARRAYS = {
  'RAID-5 4+1': { dataDisks: 4, parityDisks: 1, unit: 16 * 1024 },
  'RAID-6 8+2': { dataDisks: 8, parityDisks: 2, unit: 16 * 1024 },
} as const;

const FILLS = [0.5, 0.7, 0.8, 0.9];

const COLUMNS = [
  'array',
  'full',
  'stripes',
  'full-stripe',
  'read-modify',
  'reconstruct',
  'disk operations',
  'with journal',
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

/** Brings the load to its steady state, then counts. */
async function measure(load: StripeLoad): Promise<void> {
  await load.fillUp();
  await load.run(count);
  load.reset();
  await load.run(count);
  load.store.checkpointSync();
}

/** Part of the device that is free, but not in whole stripes. */
function paddingOf({ store }: StripeLoad): string {
  const { stripes, total, allocated, pending } = store.statfs();
  if (stripes === undefined) return '-';
  const free = total - allocated - pending;
  const lost = Math.max(0, free - stripes.free * stripes.width);
  return `${((100 * lost) / total).toFixed(1)} %`;
}

function row(array: string, fill: number, isAware: boolean, load: StripeLoad): string {
  const { outside, total } = load;
  const cells = [
    array,
    `${100 * fill} %`,
    isAware ? 'known' : 'ignored',
    outside.fullStripes,
    outside.readModifyWrites,
    outside.reconstructWrites,
    outside.diskReads + outside.diskWrites,
    total.diskReads + total.diskWrites,
    (total.bytes / load.givenBytes).toFixed(2),
    paddingOf(load),
  ];
  return `| ${cells.join(' | ')} |`;
}

console.log(`| ${COLUMNS.join(' | ')} |`);
console.log(`|${' --- |'.repeat(COLUMNS.length)}`);
for (const [name, array] of Object.entries(ARRAYS)) {
  for (const fill of FILLS) {
    const common = { ...array, size, fill, seed, objectMax: size / 64 };
    const aware = new StripeLoad({ ...common, aware: true });
    await measure(aware);
    console.log(row(name, fill, true, aware));
    const unaware = new StripeLoad({ ...common, aware: false, follows: aware });
    await measure(unaware);
    console.log(row(name, fill, false, unaware));
  }
}
