/** What it costs to know how many whole stripes a generation may take. */

import test from 'ava';
import { StripeSurvey } from '../../src/alloc/stripe-survey.js';
import { storeBed } from '../support/store-fixture.js';

const KiB = 1024;

test.serial(
  'stripes are counted once a checkpoint, however much is read and written',
  async (t) => {
    let counts = 0;
    const { freeStripes } = StripeSurvey.prototype;
    StripeSurvey.prototype.freeStripes = function (this: StripeSurvey, enough?: number) {
      counts++;
      return freeStripes.call(this, enough);
    };
    t.teardown(() => {
      StripeSurvey.prototype.freeStripes = freeStripes;
    });
    const bed = storeBed(t, { geometry: { unit: 8 * KiB, width: 32 * KiB } });
    const { store } = bed;
    await store.commit(store.transaction().createCollection('c'));
    await store.checkpoint();
    counts = 0;
    for (let i = 0; i < 100; i++) {
      const data = Buffer.alloc(40 * KiB, i);
      await store.commit(store.transaction().write('c', 'o', i * data.length, data));
      await store.collection('c').object('o').read();
    }
    t.true(counts < 20, `${counts} counts`);
    await store.checkpoint();
  },
);
