/** A device that fails at each call in turn: see io-trial.ts for what must come of it. */

import test from 'ava';
import { StoreError } from '../../src/errors.js';
import { IoTrial, type TrialOptions } from '../support/io-trial.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import type { CallKind, FailOptions } from '../support/simulated-faults.js';

const seed = seedFromEnvironment();

/** Space in a file is there before it is used: that a write finds none is a failure like others. */
const HOST_FULL = new StoreError('E_IO', 'Cannot write: the host is full', {
  cause: new Error('ENOSPC'),
});

/** Calls of which one fails for good: these runs are alike. `OPS=1` tries every one. */
const STEP = Number(process.env['OPS'] ?? 3);

/** Faults of the n-th call of a kind. */
const VARIANTS: Readonly<Record<string, readonly [CallKind, Partial<FailOptions>]>> = {
  'a read fails': ['read', {}],
  'reads fail from then on': ['read', { permanent: true }],
  'a write fails': ['write', {}],
  'writes fail from then on': ['write', { permanent: true }],
  'a write is cut short': ['write', { sectors: 1 }],
  'a write finds the host full': ['write', { error: HOST_FULL }],
  'a flush fails': ['flush', {}],
  'flushes fail from then on': ['flush', { permanent: true }],
};

/** Calls of each kind in a run without a fault. */
async function callsOf(mode: TrialOptions['mode']): Promise<Readonly<Record<CallKind, number>>> {
  const trial = new IoTrial({ mode, prng: new Prng(seed), faults: [] });
  await trial.run();
  if (trial.failure !== undefined) throw trial.failure;
  return trial.device.calls;
}

for (const mode of ['sync', 'async'] as const) {
  for (const [title, [kind, fault]] of Object.entries(VARIANTS)) {
    test(`nothing acknowledged is lost wherever ${title} (${mode})`, async (t) => {
      t.timeout(600_000);
      t.log('SEED', seed);
      const calls = (await callsOf(mode))[kind];
      const step = fault.permanent === true ? STEP : 1;
      let tried = 0;
      let failed = 0;
      for (let n = 1 + (seed % step); n <= calls; n += step) {
        tried++;
        const faults = [{ kind, n, ...fault }];
        const trial = new IoTrial({ mode, prng: new Prng(seed + n), faults });
        try {
          await trial.run();
        } catch (error) {
          t.log(error);
          t.fail(`call ${n} of ${calls}: ${String(error)}`);
        }
        if (trial.failure !== undefined) failed++;
      }
      t.log(`${failed} of ${tried} calls failed for somebody`);
      t.true(failed > tried / 4);
    });
  }
}
