/** Transactions in flight: half of them are applied while the other half is being written. */

import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { getU32 } from '../../src/format/bytes.js';
import { RECORD, RECORD_TYPE } from '../../src/format/journal-record.js';
import { MemoryDevice, mkfsOn, Store } from '../../src/index.js';

const IN_FLIGHT = 16;
const TRANSACTIONS = 400;

/** Counts the transactions of each journal record; writes wait for the gate, and for a turn. */
class CountingDevice extends MemoryDevice {
  readonly groups: number[] = [];
  gate: Promise<void> = Promise.resolve();

  override async write(offset: number, sources: readonly Uint8Array[]): Promise<void> {
    const [header] = sources;
    if (header?.length === RECORD.size && header[RECORD.type] === RECORD_TYPE.transactions) {
      this.groups.push(getU32(header, RECORD.transactionCount));
    }
    await this.gate;
    await turn();
    this.writeSync(offset, sources);
  }
}

test('commit() of who has so many in flight goes on by halves after they all stood in one record', async (t) => {
  const device = new CountingDevice({ size: 64 * 1024 * 1024 });
  mkfsOn(device);
  const store = await Store.openOn(device);
  let open = (): void => undefined;
  device.gate = new Promise((resolve) => {
    open = resolve;
  });
  const first = store.commit(store.transaction().createCollection('c'));
  await turn();
  const inFlight: Promise<unknown>[] = [];
  for (let i = 0; i < TRANSACTIONS; i++) {
    inFlight.push(store.commit(store.transaction().touch('c', `o${i}`)));
    if (inFlight.length < IN_FLIGHT) continue;
    if (i === IN_FLIGHT - 1) {
      await turn(); // all of them are applied, and gather behind the first record
      open();
    }
    await inFlight.shift();
  }
  await Promise.all([first, ...inFlight]);
  await store.close();
  const [, gathered, ...halves] = device.groups;
  t.is(gathered, IN_FLIGHT);
  t.deepEqual(new Set(halves), new Set([IN_FLIGHT / 2]));
});

test('a checkpoint ends while transactions go on without a pause', async (t) => {
  const device = new CountingDevice({ size: 64 * 1024 * 1024 });
  mkfsOn(device);
  const store = await Store.openOn(device);
  await store.commit(store.transaction().createCollection('c'));
  let committed = 0;
  let isEnough = false;
  const client = async (): Promise<void> => {
    while (!isEnough && committed < 50 * TRANSACTIONS) {
      await store.commit(store.transaction().touch('c', `o${committed % 100}`));
      committed++;
    }
  };
  const clients = Array.from({ length: IN_FLIGHT }, client);
  while (committed < TRANSACTIONS) await turn();
  const before = committed;
  await store.checkpoint();
  isEnough = true;
  t.true(committed - before < 2 * TRANSACTIONS, `${committed - before} while it was written`);
  await Promise.all(clients);
  await store.close();
});
