/**
 * Flips every byte of a sample store and looks at what comes of it (flip-sweep.ts says how):
 *
 *     npm run flips -- [--seed N] [--budget 10m] [--from OFFSET] [--to OFFSET] [--stride N]
 *         [--image marked] [--thinning N] [--parts reads,checks,padding]
 *
 * - The seed chooses the store's contents and which bits of a byte are flipped.
 * - A run that its budget has ended says where to go on: `--from`.
 * - Behind an opening, one in `--thinning` questions is asked, others for each byte; 8 unless given.
 * - `marked` is the image whose last journal record is known to have been durable.
 */

import { parseArgs } from 'node:util';
import { milliseconds } from '../support/budget.js';
import { DamageLab } from '../support/damage-lab.js';
import { FlipSweep, SWEEP_PARTS } from '../support/flip-sweep.js';
import { sampleStore } from '../support/sample-store.js';

/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 15_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    budget: { type: 'string', default: '24h' },
    from: { type: 'string', default: '0' },
    to: { type: 'string' },
    stride: { type: 'string', default: '1' },
    image: { type: 'string', default: 'unmarked' },
    parts: { type: 'string', default: SWEEP_PARTS.join() },
    thinning: { type: 'string', default: '8' },
  },
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const seed = Number(values.seed);
const stride = Number(values.stride);
const image = values.image === 'marked' ? 'marked' : 'unmarked';
const lab = new DamageLab(await sampleStore(seed), image, { thinning: Number(values.thinning) });
const began = Date.now();
const ends = began + milliseconds(values.budget);
let printed = began;

const sweep = new FlipSweep({
  lab,
  seed,
  wants: (offset) => offset % stride === 0,
  isOver: () => Date.now() > ends,
  onProgress: (part, done) => {
    if (Date.now() < printed + PROGRESS_MS) return;
    printed = Date.now();
    const { faults } = sweep.result;
    const seconds = Math.round((printed - began) / 1000);
    print(`${part} ${(100 * done).toFixed(1)} %, ${seconds} s, ${faults.length} faults`);
  },
});
const { flipped, unread, faults, endedAt } = sweep.run(
  Number(values.from),
  values.to === undefined ? lab.size : Number(values.to),
  values.parts.split(','),
);
for (const fault of faults) print(fault);
const seconds = Math.round((Date.now() - began) / 1000);
print(`seed ${seed}, ${image}: flipped ${JSON.stringify(flipped)}, read by nothing ${unread}`);
print(`${JSON.stringify(lab.counts)}, ${faults.length} faults, ${seconds} s`);
if (endedAt !== undefined) print(`go on with --seed ${seed} --from ${endedAt}`);
process.exitCode = faults.length > 0 ? 1 : 0;
