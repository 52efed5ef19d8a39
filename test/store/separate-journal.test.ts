/**
 * A journal on a device of its own that is lost, exchanged, damaged, or a copy of earlier.
 */

import { copyFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { fsck } from '../../src/fsck/fsck.js';
import { repair } from '../../src/fsck/repair.js';
import { mkfs, mkfsOn, type OpenOptions, Store } from '../../src/index.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { type PairImages, SimulatedPair } from '../support/simulated-pair.js';
import { temporaryDirectory } from '../support/temp-directory.js';

const MiB = 1024 * 1024;
const SIZES = { data: 16 * MiB, journal: MiB };

function newPair(sizes = SIZES): SimulatedPair {
  const pair = new SimulatedPair({ sizes });
  mkfsOn(pair.data, { journalDevice: pair.journal });
  return pair;
}

function open(pair: SimulatedPair, options: OpenOptions = {}): Store {
  return Store.openOnSync(pair.data, { journalDevice: pair.journal, ...options });
}

function put(store: Store, name: string, length = 100): number {
  const transaction = store.transaction();
  if (!store.collection('c').existsSync()) transaction.createCollection('c');
  return store.commitSync(transaction.write('c', name, 0, new Uint8Array(length).fill(7)));
}

function has(store: Store, name: string): boolean {
  return store.collection('c').existsSync() && store.collection('c').object(name).existsSync();
}

/** Codes of what fsck finds; notes left out. */
function faultsOf({ data, journal }: Partial<PairImages>): string[] {
  const codes: string[] = [];
  const device = new SimulatedDevice({
    ...(data !== undefined && { image: data }),
    readOnly: true,
  });
  const journalDevice =
    journal === undefined ? undefined : new SimulatedDevice({ image: journal, readOnly: true });
  runSync(
    fsck(device, {
      deep: true,
      journalDevice,
      comparators: new ComparatorRegistry(),
      onFinding: ({ code, severity }) => {
        if (severity !== 'note') codes.push(code);
      },
    }),
  );
  return codes;
}

/** What opening these images says. */
function refusal(t: ExecutionContext, images: PairImages, options: OpenOptions = {}): string {
  const pair = new SimulatedPair({ images });
  const error = t.throws(() => open(pair, options), { code: 'E_NO_JOURNAL' });
  t.true(pair.data.isClosed && pair.journal.isClosed, 'devices are closed');
  t.is(pair.point, 0, 'nothing was written');
  t.deepEqual(faultsOf(images), ['journal-lost']);
  return error?.message ?? '';
}

test('records go to the journal device only, data and checkpoints to the other', (t) => {
  const pair = newPair();
  const store = open(pair);
  const before = { data: pair.data.calls.write, journal: pair.journal.calls.write };
  put(store, 'o');
  t.is(pair.data.calls.write, before.data);
  t.is(pair.journal.calls.write, before.journal + 1);
  t.is(store.info().journalPath, 'journal');
  put(store, 'large', 64 * 1024);
  t.true(pair.data.calls.write > before.data, 'data is written ahead');
  const copy = new SimulatedPair({ images: pair.images() });
  const again = open(copy);
  t.true(has(again, 'o') && has(again, 'large'));
  t.is(again.recovery.replayed, 2);
  again.closeSync();
  t.deepEqual(faultsOf(copy.images()), []);
});

test("a journal that is not given, or is another store's, is refused", (t) => {
  const [one, other] = [newPair(), newPair()];
  for (const pair of [one, other]) {
    const store = open(pair);
    put(store, 'o');
    store.closeSync();
  }
  const { data, journal } = one.images();
  const alone = new SimulatedDevice({ image: data });
  t.throws(() => Store.openOnSync(alone), { code: 'E_NO_JOURNAL', message: /not given/ });
  t.deepEqual(faultsOf({ data }), ['journal-lost']);
  t.regex(refusal(t, { data, journal: other.images().journal }), /another store/);
  t.regex(refusal(t, { data, journal: other.images().data }), /holds no journal/);
  t.true(has(open(new SimulatedPair({ images: { data, journal } })), 'o'));
});

test('a copy of the journal from before the newest checkpoint is refused', (t) => {
  const pair = newPair();
  const store = open(pair);
  put(store, 'a');
  const earlier = pair.images();
  store.checkpointSync();
  put(store, 'b');
  const now = pair.images();
  t.regex(refusal(t, { data: now.data, journal: earlier.journal }), /copy of earlier/);
  t.true(has(open(new SimulatedPair({ images: now })), 'b'));
  store.closeSync();
  const closed = pair.images();
  t.regex(refusal(t, { data: closed.data, journal: now.journal }), /copy of earlier/);
});

test('a copy of the store from several checkpoints ago is refused beside its journal of now', (t) => {
  const pair = newPair();
  const store = open(pair);
  put(store, 'a');
  const earlier = pair.images();
  for (const name of ['b', 'c', 'd']) {
    put(store, name);
    store.checkpointSync();
  }
  const now = pair.images();
  t.regex(refusal(t, { data: earlier.data, journal: now.journal }), /store, which is a copy/);
  store.closeSync();
});

test('two histories of one store do not mix', (t) => {
  const pair = newPair();
  const begun = open(pair);
  put(begun, 'a');
  begun.closeSync();
  const lives = ['x', 'y'].map((name, i) => {
    const copy = new SimulatedPair({ images: pair.images() });
    const store = open(copy);
    put(store, name, 100 + i);
    store.closeSync();
    return copy.images();
  });
  const [one, other] = lives as [PairImages, PairImages];
  t.regex(refusal(t, { data: one.data, journal: other.journal }), /copy of earlier/);
});

test('a journal that is cut short, or has lost both headers, is refused; one header is enough', (t) => {
  const pair = newPair();
  put(open(pair), 'a');
  const images = pair.images();
  const without = (...offsets: number[]): PairImages => {
    const journal = images.journal.fork();
    for (const offset of offsets) journal.write(offset, new Uint8Array(4096));
    return { data: images.data, journal };
  };
  const last = MiB - 4096;
  t.true(has(open(new SimulatedPair({ images: without(0) })), 'a'));
  t.true(has(open(new SimulatedPair({ images: without(last) })), 'a'));
  t.regex(refusal(t, without(0, last)), /holds no journal/);
  const short = images.journal.fork();
  short.resize(MiB / 2);
  t.regex(refusal(t, { data: images.data, journal: short }), /ends before/);
});

test("an accepted loss gives the last checkpoint and a journal on the store's own device", (t) => {
  const pair = newPair();
  const store = open(pair);
  const kept = put(store, 'a');
  store.checkpointSync();
  put(store, 'b');
  const { data } = pair.images();

  const looking = Store.openOnSync(new SimulatedDevice({ image: data, readOnly: true }), {
    acceptJournalLoss: true,
    readOnly: true,
  });
  t.true(has(looking, 'a') && !has(looking, 'b'));
  t.is(looking.recovery.lost?.transaction, kept);

  const device = new SimulatedDevice({ image: data });
  const accepted = Store.openOnSync(device, { acceptJournalLoss: true });
  const { lost } = accepted.recovery;
  t.is(lost?.transaction, kept);
  t.regex(lost?.reason ?? '', /not given/);
  t.true(has(accepted, 'a') && !has(accepted, 'b'));
  t.is(accepted.info().journalPath, undefined);
  put(accepted, 'c', 100_000);
  t.deepEqual(faultsOf({ data: device.image() }), []);
  const killed = new SimulatedDevice({ image: device.image() });
  const reopened = Store.openOnSync(killed);
  t.is(reopened.recovery.lost, undefined);
  t.true(has(reopened, 'a') && has(reopened, 'c'));
  reopened.closeSync();
  t.deepEqual(faultsOf({ data: killed.image() }), []);
  const old = new SimulatedPair({ images: { ...pair.images(), data: killed.image() } });
  t.throws(() => open(old), { code: 'E_INVALID', message: /its own device/ });
});

test('an accepted loss gives a journal on the device that is given', (t) => {
  const pair = newPair();
  const store = open(pair);
  put(store, 'a');
  const stale = pair.images().journal;
  store.checkpointSync();
  const empty = new SimulatedDevice({ size: 2 * MiB }).image();
  for (const journal of [empty, stale]) {
    const fresh = new SimulatedPair({ images: { data: pair.images().data, journal } });
    const accepted = open(fresh, { acceptJournalLoss: true });
    t.truthy(accepted.recovery.lost);
    t.is(accepted.info().journalBytes, fresh.journal.size - 8192);
    put(accepted, 'b');
    const again = new SimulatedPair({ images: fresh.images() });
    const reopened = open(again, { acceptJournalLoss: true });
    t.is(reopened.recovery.lost, undefined, 'what is there is not given up');
    t.true(has(reopened, 'a') && has(reopened, 'b'));
    reopened.closeSync();
    t.deepEqual(faultsOf(again.images()), []);
  }
  const foreign = pair.images().data;
  const taken = new SimulatedPair({ images: { data: pair.images().data, journal: foreign } });
  t.throws(() => open(taken, { acceptJournalLoss: true }), { code: 'E_EXISTS' });
  t.is(taken.point, 0, 'nothing was written');
});

test('a crash at any point of an accepted loss leaves it to be accepted again, or accepted', (t) => {
  const pair = newPair({ data: 4 * MiB, journal: 512 * 1024 });
  const store = open(pair);
  put(store, 'a');
  store.checkpointSync();
  put(store, 'b');
  const { data } = pair.images();
  const journal = new SimulatedDevice({ size: 512 * 1024 }).image();
  const accepting = new SimulatedPair({ images: { data, journal } });
  open(accepting, { acceptJournalLoss: true });
  let refused = 0;
  let opened = 0;
  for (const images of accepting.crashes()) {
    const crashed = new SimulatedPair({ images });
    try {
      t.true(has(open(crashed), 'a'));
      opened++;
    } catch {
      refused++;
      const again = new SimulatedPair({ images });
      const accepted = open(again, { acceptJournalLoss: true });
      t.true(has(accepted, 'a') && !has(accepted, 'b'));
      t.deepEqual(faultsOf(again.images()), []);
    }
  }
  t.true(refused > 5 && opened > 5);
});

test('repair refuses a store without its journal, and makes another one when told to', (t) => {
  const pair = newPair();
  const store = open(pair);
  put(store, 'a');
  store.checkpointSync();
  put(store, 'b');
  const { data } = pair.images();
  const run = (device: SimulatedDevice, acceptJournalLoss: boolean) =>
    runSync(
      repair(device, {
        comparators: new ComparatorRegistry(),
        acceptJournalLoss,
        onFinding: () => undefined,
        onLeft: () => undefined,
      }),
    );
  const device = new SimulatedDevice({ image: data });
  t.throws(() => run(device, false), { code: 'E_NO_JOURNAL' });
  t.is(device.calls.write, 0);
  const report = run(device, true);
  t.true(report.isRepaired);
  t.is(report.after.findings.error, 0);
  t.true(has(Store.openOnSync(device), 'a'));
});

test('a damaged ring is a damaged journal, and repair cuts it', (t) => {
  const pair = newPair();
  const store = open(pair);
  put(store, 'a');
  store.checkpointSync();
  for (const name of ['b', 'c', 'd']) put(store, name);
  const record = pair.journal.log.filter((one) => one.kind === 'write').at(-3);
  if (record?.kind !== 'write') throw new Error('three records were written');
  const { data, journal } = pair.images();
  const damaged = new SimulatedPair({ images: { data, journal } });
  damaged.journal.corrupt(record.offset + 200);
  const images = damaged.images();
  t.throws(() => open(new SimulatedPair({ images })), { code: 'E_DAMAGED_JOURNAL' });
  t.deepEqual(faultsOf(images), ['journal-damaged']);
  const { data: device, journal: journalDevice } = new SimulatedPair({ images });
  const report = runSync(
    repair(device, {
      journalDevice,
      comparators: new ComparatorRegistry(),
      onFinding: () => undefined,
      onLeft: () => undefined,
    }),
  );
  t.is(report.after.findings.error, 0);
  const after = Store.openOnSync(device, { journalDevice });
  t.true(has(after, 'a') && !has(after, 'b'));
});

test('a scrub looks at the journal on its own device', async (t) => {
  const pair = newPair();
  const store = open(pair);
  put(store, 'a');
  t.is((await store.scrub()).errors, 0);
  const copy = new SimulatedPair({ images: pair.images() });
  const reading = open(copy, { readOnly: true });
  t.is((await reading.scrub()).errors, 0);
  for (const offset of [0, MiB - 4096]) copy.journal.overwrite(offset, new Uint8Array(4096));
  const { findings } = await reading.scrub();
  t.deepEqual(
    findings.map(({ code }) => code),
    ['journal-lost'],
  );
});

test('files: the journal may move, is locked like the store, and goes with it', async (t) => {
  const directory = temporaryDirectory(t);
  const [path, journal, moved] = ['store', 'journal', 'moved'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  await mkfs(path, { size: 64 * MiB, journal, journalBytes: MiB });
  t.is(statSync(journal).size, MiB + 8192);
  const store = await Store.open(path, { journal });
  put(store, 'a');
  await t.throwsAsync(Store.open(path, { journal }), { code: 'E_BUSY' });
  t.throws(() => Store.openSync(path, { journal, readOnly: true }), { code: 'E_BUSY' });
  await store.close();
  renameSync(journal, moved);
  t.throws(() => Store.openSync(path, { journal }), { code: 'E_NOT_FOUND' });
  const again = Store.openSync(path, { journal: moved });
  t.is(again.info().journalPath, moved);
  t.true(has(again, 'a'));
  again.closeSync();

  copyFileSync(moved, journal);
  truncateSync(journal, 4096);
  t.throws(() => Store.openSync(path, { journal }), { code: 'E_NO_JOURNAL' });
  writeFileSync(journal, 'precious');
  await t.throwsAsync(mkfs(join(directory, 'other'), { size: 64 * MiB, journal }), {
    code: 'E_EXISTS',
  });
  rmSync(journal);
  await t.throwsAsync(mkfs(path, { size: 64 * MiB, journal }), { code: 'E_EXISTS' });
  t.throws(() => statSync(journal), { code: 'ENOENT' });
});
