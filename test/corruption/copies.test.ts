/**
 * Metadata that is kept twice: each node and each bitmap of a store with one of everything is
 * damaged, in either place, one at a time; nobody notices, and a scrub heals it.
 *
 * `COPIES=full` asks everything of every damaged store, else a part that the seed chooses.
 *
 */

import test from 'ava';
import { ROLE } from '../../src/format/role.js';
import { Store, StoreError } from '../../src/index.js';
import { ImageDevice } from '../support/image-device.js';
import { metadataPlaces } from '../support/metadata-places.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { checkSample, sampleRegistry } from '../support/sample-check.js';
import { SAMPLE_OPEN, sampleStore } from '../support/sample-store.js';
import { answerOf, CORRUPT, questionsOf, sameAnswer } from '../support/store-questions.js';

const SEED = seedFromEnvironment();

/** Of places, and of questions, one in so many. */
const STRIDE = process.env['COPIES'] === 'full' ? 1 : 5;

const SHAPE = { size: 2 * 1024 * 1024, metadataCopies: 2 };

const sample = (await sampleStore(SEED, SHAPE)).states[0] as Uint8Array;
const places = metadataPlaces(
  deviceWith(() => undefined, true),
  sampleRegistry(),
);
const whole = Store.openOnSync(
  deviceWith(() => undefined, true),
  SAMPLE_OPEN,
);
const questions = questionsOf(whole);
const answers = questions.map((question) => question.ask(whole));

function deviceWith(damage: (bytes: Uint8Array) => void, readOnly = false): ImageDevice {
  const bytes = sample.slice();
  damage(bytes);
  return new ImageDevice(bytes, { readOnly });
}

/** Some of the places. */
function some() {
  return places.filter((_, i) => (i + SEED) % STRIDE === 0);
}

/** What fsck finds, but for notes. */
function faultsOf(device: ImageDevice): string[] {
  const found = checkSample(device).filter(({ severity }) => severity !== 'note');
  return found.map(({ code, message }) => `${code}: ${message}`);
}

test('each node and bitmap is there twice, in places far from each other', (t) => {
  const roles = new Set(places.map(({ role }) => role));
  t.true(roles.size >= 7, `roles: ${[...roles]}`);
  for (const { first, second, length, role } of places) {
    t.not(second, 0, `role ${role} at ${first}`);
    const [one, other] = [first, second].map((at) => sample.subarray(at, at + length));
    t.is(Buffer.compare(one as Uint8Array, other as Uint8Array), 0, `role ${role} at ${first}`);
  }
  const far = places.filter(({ first, second }) => Math.abs(second - first) > SHAPE.size / 4);
  t.true(far.length > places.length / 2, `${far.length} of ${places.length} are far apart`);
  t.deepEqual(faultsOf(deviceWith(() => undefined)), []);
});

for (const which of ['first', 'second'] as const) {
  test(`reads do not notice a damaged ${which} copy, and a scrub heals it`, async (t) => {
    t.timeout(600_000);
    t.log('SEED', SEED);
    const prng = new Prng(SEED);
    let [healedByReads, healedByScrub] = [0, 0];
    for (const place of places) {
      const { length, role } = place;
      const at = place[which];
      const where = `role ${role} at ${at}`;
      const device = deviceWith((bytes) => {
        const flipped = at + prng.below(length);
        if (prng.chance(0.5)) bytes.fill(0, at, at + length);
        else bytes[flipped] = (bytes[flipped] as number) ^ (1 << prng.below(8));
      });
      const [finding] = checkSample(device);
      t.is(finding?.code, 'copy-damaged', where);
      t.is(finding?.offset, at, where);
      const store = Store.openOnSync(device, SAMPLE_OPEN);
      for (const [i, question] of questions.entries()) {
        if (!prng.chance(1 / STRIDE)) continue;
        const isSame = sameAnswer(answerOf(question, store), answers[i] ?? '');
        if (!isSame) t.fail(`${where}: ${question.what}`);
      }
      healedByReads += store.info().healedCopies;
      const scrubbed = await store.scrub();
      t.is(scrubbed.errors, 0, where);
      t.is(scrubbed.warnings, scrubbed.copiesHealed, where);
      healedByScrub += scrubbed.copiesHealed;
      const { findings } = await store.scrub();
      t.deepEqual(findings, [], where);
      await store.close();
      t.deepEqual(faultsOf(new ImageDevice(device.bytes)), [], where);
    }
    t.log(`${places.length} places: ${healedByReads} by reads, ${healedByScrub} by scrub`);
    t.true(which === 'second' || healedByReads > 0);
    t.true(which === 'first' || healedByScrub > 0);
  });
}

test('a place that cannot be read is read from its copy, in both forms; nothing is written read-only', async (t) => {
  t.timeout(600_000);
  for (const { first, length, role } of some()) {
    const where = `role ${role} at ${first}`;
    const device = deviceWith(() => undefined, true);
    device.onRead = (offset, bytes) => {
      if (offset >= first + length || offset + bytes <= first) return;
      throw new StoreError('E_IO', `Cannot read at ${offset}`);
    };
    const store = await Store.openOn(device, SAMPLE_OPEN);
    const listed = await store.listCollections();
    for (const name of listed) {
      for (const object of await store.collection(name).list()) {
        const handle = store.collection(name).object(object.name);
        const bytes = whole.collection(name).object(object.name).readSync();
        t.is(Buffer.compare(await handle.read(), bytes), 0, where);
        await handle.attributes();
        await handle.mapEntries({ limit: 10_000 });
      }
    }
    for (const [i, question] of questions.entries()) {
      t.true(sameAnswer(answerOf(question, store), answers[i] ?? ''), `${where}: ${question.what}`);
    }
    const { badCopies, healedCopies } = store.info();
    t.is(healedCopies, 0, where);
    t.true(badCopies > 0 || role === ROLE.references || role === 0, where);
    t.is(Buffer.compare(device.bytes, sample), 0, where);
  }
});

test('what is damaged in both places is a typed error', async (t) => {
  t.timeout(600_000);
  for (const { first, second, length, role } of some()) {
    const where = `role ${role} at ${first}`;
    const device = deviceWith((bytes) => {
      for (const at of [first, second]) bytes.fill(0, at, at + length);
    }, true);
    t.true(
      checkSample(device).some(({ severity }) => severity === 'error'),
      where,
    );
    let store: Store;
    try {
      store = Store.openOnSync(device, SAMPLE_OPEN);
    } catch (error) {
      t.regex(String(error), /checksum differs/, where);
      continue;
    }
    for (const [i, question] of questions.entries()) {
      const answer = answerOf(question, store);
      if (answer !== CORRUPT && !sameAnswer(answer, answers[i] ?? '')) {
        t.fail(`${where}: ${question.what}`);
      }
    }
    t.true((await store.scrub()).errors > 0, where);
  }
});

test('a bitmap that is damaged in both places is neither used nor written over', (t) => {
  const bitmaps = places.filter(({ role }) => role === 0);
  t.true(bitmaps.length > 0);
  for (const { first, second, length } of bitmaps) {
    const device = deviceWith((bytes) => {
      for (const at of [first, second]) bytes.fill(0, at, at + length);
    });
    const change = (): void => {
      const store = Store.openOnSync(device, SAMPLE_OPEN);
      const transaction = store.transaction().createCollection('new');
      store.commitSync(transaction.write('new', 'o', 0, new Uint8Array(100_000)));
      store.checkpointSync();
    };
    t.throws(change, { code: 'E_CORRUPT' });
    for (const at of [first, second]) {
      t.true(device.bytes.subarray(at, at + length).every((byte) => byte === 0));
    }
  }
});
