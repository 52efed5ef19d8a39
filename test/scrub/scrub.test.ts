/**
 * Scrub while the store is in use: it sees no damage where there is none, misses nothing, ends and
 * goes on where it was, and keeps its rate.
 */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { type Clock, type Finding, MemoryDevice, mkfsOn, Store } from '../../src/index.js';
import { scrub } from '../../src/scrub/scrub.js';
import { readSuperblocks } from '../../src/txn/superblock-slots.js';
import { BY_LENGTH, check, close, deepStore, open } from '../fsck/fixture.js';
import { Prng } from '../support/prng.js';
import { BLOCK, fill, filledDevice, flipByte, newDevice, pattern, scrubOf } from './fixture.js';

const SEED = Number(process.env['SEED'] ?? 20_261_121);
const MIB = 1024 * 1024;

/** Gives a scrub its turn: a device in memory never waits for the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One random transaction; what makes no sense is refused, and that is fine. */
async function change(store: Store, random: Prng): Promise<void> {
  const names = ['a', 'b', 'c', 'd'];
  const [one, other] = [random.pick(names), random.pick(names)];
  const [object, target] = [`o${random.below(30)}`, `o${random.below(30)}`];
  const tx = store.transaction();
  const offset = random.below(30_000);
  const choices: readonly (() => unknown)[] = [
    () => tx.write(one, object, offset, random.bytes(random.between(1, 9000))),
    () => tx.write(one, object, offset, random.bytes(random.between(40_000, 90_000))),
    () => tx.truncate(one, object, offset),
    () => tx.remove(one, object),
    () => tx.mapSet(one, object, [[`k${random.below(500)}`, random.bytes(random.below(400))]]),
    () => tx.setAttribute(one, object, `a${random.below(9)}`, random.bytes(random.below(3000))),
    () => tx.clone(one, object, target, other),
    () => tx.cloneRange(one, object, target, 0, 5000, offset),
    () => tx.moveRename(one, object, other, target),
    () => tx.cloneCollection(one, other),
    () => random.chance(0.1) && tx.dropCollection(one),
    () => tx.createCollection(one),
  ];
  random.pick(choices)();
  await turn();
  await store.commit(tx).catch((error: unknown) => {
    const known = /^E_(NOT_FOUND|EXISTS|NOT_EMPTY|INVALID|NO_SPACE)$/;
    if (!(error instanceof Error && 'code' in error && known.test(String(error.code)))) throw error;
  });
  if (random.chance(0.5)) await store.checkpoint();
}

test('scrub() of a store under random changes finds nothing', async (t) => {
  t.log(`SEED=${SEED}`);
  const random = new Prng(SEED);
  const store = Store.openOnSync(newDevice(3 * MIB), { dirtyBytes: 300_000 });
  store.commitSync(store.transaction().createCollection('a').createCollection('b'));
  let passes = 0;
  let bytes = 0;
  let isEnding = false;
  const changing = (async () => {
    for (let i = 0; i < 600 || passes < 3; i++) await change(store, random);
    isEnding = true;
  })();
  const findings: Finding[] = [];
  while (!isEnding) {
    const report = await store.scrub({ partBytes: random.between(2000, 2_000_000) });
    t.true(report.isComplete);
    findings.push(...report.findings);
    bytes += report.bytesVerified;
    passes++;
  }
  await changing;
  t.deepEqual(findings, []);
  t.log(`${passes} passes`);
  t.is((await store.scrub()).errors, 0);
  t.true(bytes > 1_000_000);
});

test('a scrub that is aborted again and again, its store reopened, misses nothing', async (t) => {
  const device = filledDevice();
  const readBy = async (work: () => Promise<void>): Promise<Set<number>> => {
    const blocks = new Set<number>();
    device.hook = {
      before(offset, length) {
        for (let at = offset; at < offset + length; at += BLOCK) blocks.add(at / BLOCK);
      },
    };
    await work();
    return blocks;
  };
  const partBytes = 30_000; // parts of one size read the same gaps between what they verify
  const expected = await readBy(async () => void (await scrubOf(device, { partBytes })));
  let runs = 0;
  const read = await readBy(async () => {
    let from: string | undefined;
    do {
      const abort = new AbortController();
      const options = { signal: abort.signal, onProgress: () => abort.abort(), partBytes };
      const report = await scrubOf(device, { ...options, ...(from !== undefined && { from }) });
      t.deepEqual(report.findings, []);
      t.is(report.isComplete, report.position === undefined);
      from = report.position;
      runs++;
    } while (from !== undefined);
  });
  t.true(runs > 10);
  t.deepEqual(
    [...expected].filter((block) => !read.has(block)),
    [],
  );
});

test('a scrub that goes on verifies each byte of a store without clones once', async (t) => {
  const device = newDevice();
  const store = Store.openOnSync(device);
  const tx = store.transaction().createCollection('c');
  for (let i = 0; i < 50; i++) tx.write('c', `o${i}`, 0, pattern(7000, i * 7919));
  for (let i = 0; i < 40; i++) tx.write('c', 'large', i * 9000, pattern(9000, i * 104_729));
  for (let i = 0; i < 20; i++) tx.setAttribute('c', 'o1', `a${i}`, pattern(3000, i * 1299));
  for (let i = 0; i < 20; i++) tx.mapSet('c', 'o2', [[`k${i}`, pattern(3000, i * 15_485)]]);
  store.commitSync(tx);
  const whole = await store.scrub();
  const sums = { bytesVerified: 0, objects: 0, extents: 0, collections: 0 };
  let from: string | undefined;
  do {
    const abort = new AbortController();
    const { signal } = abort;
    const onProgress = (): void => abort.abort();
    const options = { signal, onProgress, partBytes: 3000, ...(from !== undefined && { from }) };
    const report = await store.scrub(options);
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += report[key];
    from = report.position;
  } while (from !== undefined);
  const { bytesVerified, objects, extents, collections } = whole;
  t.deepEqual(sums, { bytesVerified, objects, extents, collections });
  t.is(bytesVerified, 50 * 7168 + 40 * 9216 + 40 * 3072);
});

test('a scrub reads what clones share once, also over many parts', async (t) => {
  const device = newDevice();
  const store = Store.openOnSync(device);
  const tx = store.transaction().createCollection('c');
  for (let i = 0; i < 50; i++) tx.write('c', `o${i}`, 0, pattern(7000, i * 7919));
  store.commitSync(tx);
  for (const name of ['d', 'e', 'f']) {
    store.commitSync(store.transaction().cloneCollection('c', name));
  }
  t.is((await store.scrub({ partBytes: 9000 })).bytesVerified, 50 * 7168);
  t.is((await store.scrub()).bytesVerified, 50 * 7168);
});

test('a scrub ends at its signal, before it has begun too', async (t) => {
  const store = Store.openOnSync(filledDevice());
  const { isComplete, bytesRead } = await store.scrub({ signal: AbortSignal.abort() });
  t.false(isComplete);
  t.is(bytesRead, 0);
});

test('what moves to where a scrub was already is verified all the same', async (t) => {
  const device = newDevice();
  const store = Store.openOnSync(device);
  const tx = store.transaction().createCollection('c');
  for (let i = 0; i < 50; i++) tx.write('c', `o${i}`, 0, pattern(5000, i * 7919));
  tx.write('c', 'z', 0, pattern(5000, 1e6));
  store.commitSync(tx);
  store.checkpointSync();
  const extents = store.collection('c').object('z').extentsSync();
  flipByte(device, extents[0]?.deviceOffset ?? -1);
  let hasMoved = false;
  const { findings } = await store.scrub({
    partBytes: 20_000,
    onProgress({ objects }) {
      if (hasMoved || objects < 10) return;
      hasMoved = true;
      store.commitSync(store.transaction().moveRename('c', 'z', 'c', 'a'));
      store.checkpointSync();
    },
  });
  t.true(hasMoved);
  t.deepEqual(
    findings.map(({ code, object }) => [code, object]),
    [['data-damaged', '"a"']],
  );
});

test('a scrub gives way to whoever needs the blocks that it holds', async (t) => {
  const device = deepStore();
  const engine = open(device);
  const whole = await scrub(engine);
  let ended = 0;
  const readers = engine.readers;
  const timer = setInterval(() => {
    if (ended < 5 && readers.expireSnapshots()) ended++;
  }, 0);
  const read = device.read.bind(device);
  device.read = async (offset, target) => {
    await read(offset, target);
    if (ended >= 5 || !readers.expireSnapshots()) return;
    ended++;
    target.fill(0); // given to somebody else, who has written to it
  };
  const report = await scrub(engine, { partBytes: 4000 });
  clearInterval(timer);
  t.is(ended, 5);
  t.deepEqual(report.findings, []);
  t.is(report.bytesVerified, whole.bytesVerified);
  close(engine);
  t.deepEqual(check(device, { deep: true }).codes, []);
});

test('writing goes on in a full store that is scrubbed without end', async (t) => {
  const device = newDevice(3 * MIB);
  const store = Store.openOnSync(device);
  store.commitSync(store.transaction().createCollection('c'));
  let count = 0;
  const put = (i: number): Promise<number> =>
    store.commit(store.transaction().write('c', `o${i}`, 0, pattern(50_000, i)));
  try {
    for (; ; count++) await put(count);
  } catch (error) {
    t.is((error as { code: string }).code, 'E_NO_SPACE');
  }
  t.true(count > 5);
  const abort = new AbortController();
  const scrubbing = (async () => {
    while (!abort.signal.aborted) {
      const { findings } = await store.scrub({ signal: abort.signal, partBytes: 20_000 });
      t.deepEqual(findings, []);
    }
  })();
  for (let i = 0; i < 60; i++) {
    await store.commit(store.transaction().remove('c', `o${i % count}`));
    await put(i % count);
    await turn();
  }
  abort.abort();
  await scrubbing;
});

/** A clock that goes on only while somebody sleeps. */
class SteppedClock implements Clock {
  ms = 0;

  now(): number {
    return this.ms;
  }

  async sleep(milliseconds: number): Promise<void> {
    this.ms += milliseconds;
  }
}

test('a scrub keeps its rate and tells the time that is left', async (t) => {
  const store = Store.openOnSync(filledDevice());
  const clock = new SteppedClock();
  const rates: number[] = [];
  const { bytesRead } = await store.scrub({
    clock,
    rate: 100_000,
    partBytes: 20_000,
    onProgress: ({ bytesRead: read, bytesTotal, rate, secondsLeft }) => {
      t.true(bytesTotal >= read);
      if (clock.ms > 0) t.is(secondsLeft, (bytesTotal - read) / rate);
      rates.push(read - (clock.ms / 1000) * 100_000);
    },
  });
  // Never ahead by more than one part and its largest entry.
  t.true(Math.max(...rates) < 60_000);
  t.true(clock.ms / 1000 >= (bytesRead - 60_000) / 100_000);
  t.true(clock.ms / 1000 <= bytesRead / 100_000);
});

test('the journal counts among the bytes that a scrub reads, and is waited for', async (t) => {
  const device = filledDevice();
  const { journalBytes } = runSync(readSuperblocks(device)).newest;
  const store = Store.openOnSync(device);
  const clock = new SteppedClock();
  const first: number[] = [];
  const { bytesRead, bytesVerified } = await store.scrub({
    clock,
    rate: journalBytes,
    onProgress: () => first.push(clock.ms),
  });
  t.true(bytesRead > journalBytes + bytesVerified);
  t.true((first[0] ?? 0) >= 1000, 'nothing is read for the second that the journal was worth');
});

test('scrub() refuses options that make no sense', async (t) => {
  const store = Store.openOnSync(newDevice());
  for (const from of ['', '1', '1.5', '2.5.1-00', '1.5.1-0', '1.5.1-zz', 'x']) {
    await t.throwsAsync(async () => await store.scrub({ from }), { code: 'E_INVALID_ARGUMENT' });
  }
  await t.throwsAsync(async () => await store.scrub({ rate: 0 }), { code: 'E_INVALID_ARGUMENT' });
  await t.throwsAsync(async () => await store.scrub({ partBytes: -1 }), {
    code: 'E_INVALID_ARGUMENT',
  });
  store.closeSync();
  await t.throwsAsync(async () => await store.scrub(), { code: 'E_CLOSED' });
});

test('scrub() of an empty store, of a read-only one, and beside another scrub', async (t) => {
  const device = new MemoryDevice({ size: 64 * MIB });
  mkfsOn(device);
  const store = Store.openOnSync(device);
  t.like(await store.scrub(), { isComplete: true, errors: 0, warnings: 0, findings: [] });
  fill(store);
  const snapshot = store.snapshot();
  const [one, other] = await Promise.all([store.scrub({ partBytes: 9000 }), store.scrub()]);
  t.is(one.bytesVerified, other.bytesVerified);
  t.deepEqual([one.findings, other.findings], [[], []]);
  t.is(snapshot.listCollectionsSync().length, 33);
  snapshot.close();
});

test('a map of an order that is not registered is walked whole, and said so once', async (t) => {
  const device = newDevice();
  const store = Store.openOnSync(device, { comparators: [BY_LENGTH] });
  const format = { comparator: BY_LENGTH.name, comparatorVersion: BY_LENGTH.version };
  const tx = store.transaction().createCollection('c').touch('c', 'm').formatMap('c', 'm', format);
  for (let i = 0; i < 300; i++) tx.mapSet('c', 'm', [[`k${i}`, pattern(50, i)]]);
  for (let i = 0; i < 9; i++) tx.write('c', `o${i}`, 0, pattern(3000, i * 7919));
  store.commitSync(tx);
  const known = await store.scrub({ partBytes: 2000 });
  t.deepEqual(known.findings, []);
  const stranger = Store.openOnSync(device, { readOnly: true });
  const report = await stranger.scrub({ partBytes: 2000 });
  t.deepEqual(
    report.findings.map(({ code }) => code),
    ['unknown-comparator'],
  );
  t.true(report.isComplete);
  t.is(report.bytesVerified, known.bytesVerified);
});
