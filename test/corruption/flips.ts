/**
 * Flips every byte of a sample store and looks at what comes of it (flip-sweep.ts says how).
 *
 * - A run that its budget has ended says where to go on.
 */

import { milliseconds } from '../support/budget.js';
import { DamageLab } from '../support/damage-lab.js';
import { FlipSweep, SWEEP_PARTS } from '../support/flip-sweep.js';
import { sampleStore } from '../support/sample-store.js';
import { ScriptOptions } from '../support/script-options.js';

/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 15_000;

const USAGE = `Usage: npm run flips -- [OPTION]...

Flips every byte of a store, one at a time, and opens, reads and checks it.

  --seed N      of the store's contents, and of the bits that are flipped (1)
  --budget TIME how long it goes on: 90s, 10m, 2h (24h)
  --from OFFSET, --to OFFSET
                bytes of the image (all of it)
  --stride N    flips one byte of so many (1)
  --image NAME  unmarked, or marked: the last journal record is known to have been durable
                (unmarked)
  --thinning N  behind an opening one question of so many is asked, others for each byte (8)
  --parts LIST  of ${SWEEP_PARTS.join()} (all)

Prints every fault; exits with 1 after any.
`;

const options = ScriptOptions.read(USAGE, {
  seed: '1',
  budget: '24h',
  from: '0',
  to: '',
  stride: '1',
  image: 'unmarked',
  parts: SWEEP_PARTS.join(),
  thinning: '8',
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function imageNamed(name: string): 'marked' | 'unmarked' {
  if (name === 'marked' || name === 'unmarked') return name;
  throw new RangeError(`Cannot use image ${name}: expected marked or unmarked`);
}

function partsNamed(list: string): string[] {
  const parts = list.split(',');
  const known: readonly string[] = SWEEP_PARTS;
  const unknown = parts.find((part) => !known.includes(part));
  if (unknown === undefined) return parts;
  throw new RangeError(`Cannot flip ${unknown}: expected of ${known.join()}`);
}

const seed = options.count('seed');
const stride = options.count('stride');
const image = options.parsed('image', imageNamed);
const lab = new DamageLab(await sampleStore(seed), image, { thinning: options.count('thinning') });
const began = Date.now();
const ends = began + options.parsed('budget', milliseconds);
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
  options.count('from'),
  options.text('to') === '' ? lab.size : options.count('to'),
  options.parsed('parts', partsNamed),
);
for (const fault of faults) print(fault);
const seconds = Math.round((Date.now() - began) / 1000);
print(`seed ${seed}, ${image}: flipped ${JSON.stringify(flipped)}, read by nothing ${unread}`);
print(`${JSON.stringify(lab.counts)}, ${faults.length} faults, ${seconds} s`);
if (endedAt !== undefined) print(`go on with --seed ${seed} --from ${endedAt}`);
process.exitCode = faults.length > 0 ? 1 : 0;
