/**
 * The process that is killed: submits the stream's transactions, a few at a time, and prints the
 * number of each when it is durable. Ends only when nobody reads that any more.
 */

import { Store } from '../../index.js';
import { firstTransaction, streamTransaction } from './stream.js';

/** Transactions under way at a time. */
const IN_FLIGHT = 16;

const [path = ''] = process.argv.slice(2);
process.stdout.on('error', () => process.exit(1));

const store = await Store.open(path);
await store.commit(firstTransaction());
let next = 1;

async function keepSubmitting(): Promise<void> {
  for (;;) {
    const n = next++;
    await store.commit(streamTransaction(n));
    process.stdout.write(`${n}\n`);
  }
}

await Promise.all(Array.from({ length: IN_FLIGHT }, keepSubmitting));
