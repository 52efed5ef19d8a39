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

/**
 * Calls that fail for good, and reads of a journal, of which one is tried: these runs are alike.
 * `OPS=1` tries every one.
 */
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
async function callsOf(
  mode: TrialOptions['mode'],
  on: TrialOptions['on'],
): Promise<Readonly<Record<CallKind, number>>> {
  const trial = new IoTrial({ mode, on, prng: new Prng(seed), faults: [] });
  await trial.run();
  if (trial.failure !== undefined) throw trial.failure;
  return trial.device.calls;
}

const MODES = [
  { mode: 'sync', on: undefined, where: 'sync' },
  { mode: 'async', on: undefined, where: 'async' },
  { mode: 'sync', on: 'journal', where: 'sync, on the device of the journal' },
  { mode: 'async', on: 'journal', where: 'async, on the device of the journal' },
] as const;

for (const { mode, on, where } of MODES) {
  for (const [title, [kind, fault]] of Object.entries(VARIANTS)) {
    test(`nothing acknowledged is lost wherever ${title} (${where})`, async (t) => {
      t.timeout(600_000);
      t.log('SEED', seed);
      const calls = (await callsOf(mode, on))[kind];
      const isAlike = fault.permanent === true || (on === 'journal' && kind === 'read');
      const step = isAlike ? STEP : 1;
      let tried = 0;
      let failed = 0;
      for (let n = 1 + (seed % step); n <= calls; n += step) {
        tried++;
        const faults = [{ kind, n, ...fault }];
        const trial = new IoTrial({ mode, on, prng: new Prng(seed + n), faults });
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
