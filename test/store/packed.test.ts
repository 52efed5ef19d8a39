import test from 'ava';
import { hasCode, PackedTransaction, Transaction } from '../../src/index.js';
import { storeBed } from '../support/store-fixture.js';

/** A transaction with a little of everything: names, data ahead, a reservation. */
function sample(): Transaction {
  return new Transaction()
    .redeem('r', { bytes: 100_000, operations: 3, keys: 1 })
    .write('c', 'large', 0, Buffer.alloc(100_000, 'l'))
    .write('c', 'small', 3, 'small')
    .setAttribute('c', { name: 'small', hash: 7 }, 'a', Buffer.alloc(50_000, 'a'));
}

test('pack() gives what submit() takes, as if it had been built here', async (t) => {
  const bed = storeBed(t);
  const units = { bytes: 200_000, operations: 10, keys: 10 };
  bed.commit((b) => b.createCollection('c').touch('c', 'small').reserve('r', units));
  let place = new Uint8Array(0);
  const packed = sample().pack((length) => {
    place = new Uint8Array(length + 32).subarray(16, 16 + length);
    return place;
  });
  t.is(packed, place);
  const { buffer } = structuredClone(packed, { transfer: [packed.buffer as ArrayBuffer] });
  await bed.store.commit(new PackedTransaction(new Uint8Array(buffer, 16, buffer.byteLength - 32)));
  const second = new PackedTransaction(new Transaction().touch('c', 'second').pack());
  bed.store.commitSync(second);
  t.throws(() => bed.store.commitSync(second), { code: 'E_INVALID_ARGUMENT' });
  for (const reopen of [false, true]) {
    if (reopen) bed.reopen();
    const collection = bed.store.collection('c');
    t.deepEqual(Buffer.from(collection.object('large').readSync()), Buffer.alloc(100_000, 'l'));
    t.is(Buffer.from(collection.object('small').readSync()).toString(), '\0\0\0small');
    t.deepEqual(
      Buffer.from(collection.object('small').getAttributeSync('a') ?? []),
      Buffer.alloc(50_000, 'a'),
    );
    t.is(collection.statSync().objects, 3);
    t.is(bed.store.reservationsSync().at(0)?.bytes, 100_000);
  }
});

test('pack() ends the building', (t) => {
  const transaction = new Transaction().touch('c', 'o');
  transaction.pack();
  t.throws(() => transaction.pack(), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => transaction.touch('c', 'p'), { code: 'E_INVALID_ARGUMENT' });
});

test('PackedTransaction refuses bytes that were not packed, were cut short or changed', (t) => {
  const packed = new Transaction().touch('c', 'o').write('c', 'o', 0, Buffer.alloc(40_000)).pack();
  const cases = [new Uint8Array(0), new Uint8Array(16), new Uint8Array(1000).fill(255)];
  for (const length of [3, 15, 16, 40, packed.length - 1]) cases.push(packed.slice(0, length));
  cases.push(Uint8Array.of(...packed, 0));
  for (let at = 0; at < packed.length - 40_000; at++) {
    const changed = packed.slice();
    changed[at] = (changed[at] ?? 0) ^ 16;
    cases.push(changed);
  }
  for (const bytes of cases) {
    const error = t.throws(() => new PackedTransaction(bytes));
    t.true(hasCode(error, 'E_INVALID'));
  }
});
