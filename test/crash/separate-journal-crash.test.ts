/**
 * A journal on a device of its own: a power failure at every write and flush of either device
 * loses nothing that was acknowledged. With stripes, second copies of metadata and erasing too: one
 * combination a run, all of them with COMBINATIONS=all (`npm run sweep:combinations`).
 */

import test, { type ExecutionContext } from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { fsck } from '../../src/fsck/fsck.js';
import { type MkfsOptions, mkfsOn, Store } from '../../src/index.js';
import { SEQUENCE_SHAPE } from '../sim/sequence-sweep.js';
import { PREPARATION, STEP_KINDS } from '../sim/step-kinds.js';
import { TrackedStore } from '../sim/tracked-store.js';
import { EMPTY_MODEL, type ModelState } from '../support/model.js';
import { compareStore } from '../support/model-compare.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';
import { type PairImages, SimulatedPair } from '../support/simulated-pair.js';

const KIB = 1024;

/** Room for fixed places in stripes, and for metadata twice. */
const SIZES = { data: 1536 * KIB, journal: 96 * KIB };

const PLAIN: MkfsOptions = {};

const STRIPES: MkfsOptions = { geometry: { unit: 4 * KIB, width: 12 * KIB } };

const COMBINATIONS = [PLAIN, STRIPES].flatMap((geometry) =>
  [false, true].flatMap((eraseFreed) =>
    [1, 2].map((metadataCopies) => ({ ...geometry, eraseFreed, metadataCopies })),
  ),
);

/** Longer than the time after which a mark follows the last record. */
const IDLE_MS = 20;

function openPair(pair: SimulatedPair, environment = new SimulatedEnvironment()): Store {
  const { data, journal: journalDevice } = pair;
  return Store.openOnSync(data, { ...SEQUENCE_SHAPE.open, journalDevice, environment });
}

interface SweepOptions {
  readonly isClosed: boolean;
  /** Ends the calls of the devices in a random order. */
  readonly scheduler?: Prng;
  /** How the store is made. */
  readonly mkfs?: MkfsOptions;
}

/** A store with something in it, closed or with all of it in the journal. */
async function prepared({
  isClosed,
  mkfs = PLAIN,
}: SweepOptions): Promise<{ images: PairImages; model: ModelState }> {
  const pair = new SimulatedPair({ sizes: SIZES });
  const environment = new SimulatedEnvironment();
  const journalDevice = pair.journal;
  mkfsOn(pair.data, { ...SEQUENCE_SHAPE.mkfs, ...mkfs, journalDevice, environment });
  const tracked = new TrackedStore(openPair(pair, environment), pair, EMPTY_MODEL);
  for (const operations of PREPARATION) await tracked.commitSync(operations);
  await tracked.settle();
  if (isClosed) tracked.store.closeSync();
  return { images: pair.images(), model: tracked.state };
}

/** Opens what a crash left; gives its last transaction. */
function look(
  t: ExecutionContext,
  images: PairImages,
  tracked: Pick<TrackedStore<SimulatedPair>, 'base' | 'states'>,
  least: number,
): SimulatedPair {
  const pair = new SimulatedPair({ images });
  const store = openPair(pair);
  const number = store.info().transaction;
  t.true(number >= least, `transaction ${least} was acknowledged, ${number} is last`);
  const model = tracked.states[number - tracked.base];
  if (model === undefined) throw new Error(`transaction ${number} was never accepted`);
  compareStore(store, model, { prng: new Prng(number), part: 1 });
  checkImages(pair.images());
  return pair;
}

function checkImages({ data, journal }: PairImages): void {
  const faults: string[] = [];
  const device = new SimulatedDevice({ image: data, readOnly: true });
  const journalDevice = new SimulatedDevice({ image: journal, readOnly: true });
  const options = {
    deep: true,
    journalDevice,
    comparators: new ComparatorRegistry(),
    onFinding: ({
      severity,
      code,
      message,
    }: {
      severity: string;
      code: string;
      message: string;
    }) => {
      const isTolerated = code === 'superblock-slot' || code === 'superblock-gap';
      if (severity !== 'note' && !isTolerated) faults.push(`${code}: ${message}`);
    },
  };
  runSync(fsck(device, options));
  if (faults.length > 0) throw new Error(`fsck finds: ${faults.join('; ')}`);
}

/** Runs the steps, then looks at every crash in them; every few also at crashes of the opening. */
async function sweep(
  t: ExecutionContext,
  steps: readonly string[],
  options: SweepOptions,
): Promise<number> {
  const { scheduler } = options;
  const { images, model } = await prepared(options);
  const pair = new SimulatedPair({ images, ...(scheduler !== undefined && { scheduler }) });
  const environment = new SimulatedEnvironment();
  const tracked = new TrackedStore(openPair(pair, environment), pair, model);
  for (const [i, name] of steps.entries()) {
    const kind = STEP_KINDS[name];
    if (kind === undefined) throw new RangeError(`Invalid step ${name}`);
    if ('act' in kind) {
      if (kind.act === 'checkpoint') tracked.checkpoint();
      else environment.pass(IDLE_MS);
    } else for (const one of kind.transactions(i + 1)) tracked.submit(one);
    if (scheduler === undefined) await tracked.settle();
  }
  await tracked.settle();
  const seen = new Set<string>();
  for (const crash of pair.crashes()) {
    const digest = `${crash.data.digest()} ${crash.journal.digest()}`;
    if (seen.has(digest)) continue;
    seen.add(digest);
    const least = tracked.acknowledgedAt(crash.point);
    const opened = look(t, crash, tracked, least);
    if (seen.size % 40 !== 0) continue;
    const number = opened.point;
    t.true(number > 0);
    for (const again of opened.crashes()) look(t, again, tracked, least);
  }
  return seen.size;
}

for (const [i, steps] of [
  ['write a few bytes', 'checkpoint', 'write a block'],
  ['write ahead', 'set keys', 'checkpoint', 'idle', 'remove'],
  ['record of its own', 'clone collection', 'write ahead'],
].entries()) {
  test(`crashes of two devices: ${steps.join(', ')}`, async (t) => {
    t.timeout(300_000);
    t.true((await sweep(t, steps, { isClosed: i !== 1 })) > 20);
  });
}

test('crashes of two devices: both flushes side by side, ending in any order', async (t) => {
  t.timeout(300_000);
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const steps = ['write ahead', 'write a block', 'record of its own', 'checkpoint', 'set keys'];
  prng.shuffle(steps);
  t.true((await sweep(t, steps, { isClosed: true, scheduler: prng })) > 20);
});

test('random steps on two devices: no crash loses anything acknowledged', async (t) => {
  t.timeout(600_000);
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const names = Object.keys(STEP_KINDS);
  const isWhole = process.env['COMBINATIONS'] === 'all';
  for (const mkfs of isWhole ? COMBINATIONS : [prng.pick(COMBINATIONS)]) {
    for (let runs = Number(process.env['OPS'] ?? 2); runs > 0; runs--) {
      const steps = Array.from({ length: 3 }, () => prng.pick(names));
      try {
        const options = { isClosed: prng.chance(0.5), mkfs };
        await sweep(t, steps, prng.chance(0.5) ? { ...options, scheduler: prng } : options);
      } catch (error) {
        const what = `${JSON.stringify(mkfs)}: ${steps.join('; ')}`;
        throw new Error(`${what}: ${String(error)}`, { cause: error });
      }
    }
  }
});
