/**
 * Reading a damaged store whose journal can't be applied: what can be read is there, as the last
 * checkpoint has it, and the rest fails by itself.
 */

import test from 'ava';
import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { ROLE } from '../../src/format/role.js';
import { Store } from '../../src/index.js';
import { checkpoint, commit, newStore, open, SMALL } from './fixture.js';
import { Planter } from './planter.js';
import { type Content, contentOf, copyOf, DAMAGED, failing } from './repair-fixture.js';

/** A store with three levels of trees, and two pending transactions that change its first leaves. */
function pendingStore(): { readonly atCheckpoint: MemoryDevice; readonly device: MemoryDevice } {
  const device = newStore({ ...SMALL, size: 12 * 1024 * 1024 });
  const engine = open(device);
  const entries = Array.from({ length: 60 }, (_, k) => [`k${k}`, new Uint8Array(40)] as const);
  commit(engine, (tx) => tx.createCollection('c'));
  for (let i = 10; i < 50; i++) {
    commit(engine, (tx) => tx.write('c', `o${i}`, 0, new Uint8Array(2000).fill(i)));
    if (i % 10 === 0) commit(engine, (tx) => tx.mapSet('c', `o${i}`, entries));
  }
  checkpoint(engine);
  const atCheckpoint = copyOf(device);
  commit(engine, (tx) => tx.write('c', 'o10', 0, new Uint8Array(50_000).fill(1)));
  commit(engine, (tx) => tx.mapSet('c', 'o10', [['k0', new Uint8Array(9)]]));
  return { atCheckpoint, device };
}

/** Lines that are neither what they were nor damaged. */
function wrong(content: Map<string, Content>, expected: Map<string, Content>): string[] {
  return [...content].flatMap(([name, lines]) => {
    const known = new Set(expected.get(name));
    return lines.filter((line) => !known.has(line) && !line.endsWith(DAMAGED));
  });
}

test('a read-only open shows the last checkpoint where a node that the journal needs is damaged', (t) => {
  const { atCheckpoint, device } = pendingStore();
  const [before, after] = [contentOf(atCheckpoint), contentOf(device)];
  const original = new Planter(device);
  const nodes = [ROLE.objects, ROLE.map].flatMap((role) =>
    [0, 1, 2].flatMap((level) => original.nodes(role, level)),
  );
  const broken = [...nodes, ...original.bitmaps()];
  let refused = 0;
  for (const address of broken) {
    const damaged = copyOf(device);
    const planter = new Planter(damaged);
    planter.page(address).fill(0);
    planter.write();
    for (const one of [copyOf(damaged), failing(device, address)]) {
      const store = Store.openOnSync(one, { readOnly: true });
      const { pending, replayed, obstacle } = store.recovery;
      t.is(pending + replayed, 2);
      t.is(obstacle === undefined, pending === 0);
      if (pending > 0) refused++;
      store.closeSync();
    }
    const content = contentOf(damaged);
    const isEarly = wrong(content, before).length === 0;
    t.true(isEarly || wrong(content, after).length === 0, `node ${address}`);
  }
  t.true(refused > 4, 'the journal needs some of them');
});

test('a read-only open shows all but space where reservations cannot be read', async (t) => {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  commit(engine, (tx) => tx.write('c', 'o', 0, new Uint8Array(2000).fill(7)));
  for (let i = 0; i < 40; i++) {
    const units = { bytes: 1000, operations: 0, keys: 0 };
    commit(engine, (tx) => tx.reserve(`reservation-${i}`, units));
  }
  checkpoint(engine);
  commit(engine, (tx) => tx.write('c', 'o', 0, new Uint8Array(3000).fill(8)));
  const planter = new Planter(device);
  planter.page(planter.nodes(ROLE.reservations, 0)[0] as number).fill(0);
  planter.write();
  t.throws(() => open(device), { code: 'E_CORRUPT' });
  const store = await Store.openOn(device, { readOnly: true });
  t.is(store.recovery.pending, 1);
  t.is(typeof store.recovery.obstacle, 'string');
  t.deepEqual([...(await store.collection('c').object('o').read())], Array(2000).fill(7));
  t.throws(() => store.reservationsSync(), { code: 'E_CORRUPT' });
  t.throws(() => store.statfsSync(), { code: 'E_CORRUPT', message: /space/ });
  await store.close();
});
