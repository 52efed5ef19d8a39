/**
 * The process that the kill test kills: writes with many transactions in flight, and says on
 * standard output which of them were acknowledged.
 *
 *     node writer.js STORE [--wait] [--count N] [--serial]
 *
 * - With `--wait` it begins when something comes on standard input.
 * - It opens the store, says `open N` (the last transaction that it found), then `N` for each
 *   that has committed. With `--count` it ends after so many; `--serial` waits for each.
 * - Lines are written synchronously: what was said has left the process.
 */

import { readSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Store } from '../../src/index.js';
import { checkSlots, fill, setUp } from './writer-protocol.js';

const IN_FLIGHT = 16;

const { values, positionals } = parseArgs({
  options: {
    wait: { type: 'boolean' },
    count: { type: 'string', default: '1000000000' },
    serial: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
if (values.wait === true) readSync(0, new Uint8Array(1));
const store = Store.openSync(positionals[0] ?? '', {
  cacheBytes: 1024 * 1024,
  dirtyBytes: 512 * 1024,
});
if (store.listCollectionsSync().length === 0) store.commitSync(setUp(store.transaction()));
let next = checkSlots(store) + 1;
writeSync(1, `open ${next - 1}\n`);

const inFlight: Promise<void>[] = [];
const inFlightMax = values.serial ? 1 : IN_FLIGHT;
for (let left = Number(values.count); left > 0; left--) {
  const n = next++;
  if (n % 31 === 0) {
    store.commitSync(fill(store.transaction(), n));
    writeSync(1, `${n}\n`);
    continue;
  }
  const committed = store.commit(fill(store.transaction(), n));
  inFlight.push(committed.then(() => void writeSync(1, `${n}\n`)));
  if (inFlight.length >= inFlightMax) await inFlight.shift();
}
await Promise.all(inFlight);
await store.close();
