/**
 * The process of one system: does what its parent says, one step at a time. Between steps it
 * rests, so that rounds of several systems can alternate without touching each other.
 */

import { Bench, quiet } from './bench.js';
import type { SystemName, SystemOptions } from './system.js';
import { type Sample, SCALES, type Scale, type Workload } from './workload.js';
import { workloadsAt } from './workloads.js';

/** What the parent asks for. */
export type Step =
  | {
      readonly kind: 'open';
      readonly system: SystemName;
      readonly workload: string;
      readonly scale: Scale['name'];
      readonly options: SystemOptions;
    }
  | { readonly kind: 'fill' }
  | { readonly kind: 'setup' }
  | { readonly kind: 'round'; readonly round: number }
  | { readonly kind: 'close' };

/** What it gets. */
export type Answer = { readonly sample?: Sample } | { readonly error: string };

let bench: Bench | undefined;
let workload: Workload | undefined;

async function take(step: Step): Promise<Answer> {
  if (step.kind === 'open') {
    const scale = SCALES[step.scale];
    workload = workloadsAt(scale).find(({ name }) => name === step.workload);
    bench = new Bench(step.system, scale, step.options);
    await bench.open();
    return {};
  }
  if (bench === undefined || workload === undefined) throw new Error('Cannot run: not open');
  if (step.kind === 'fill') await workload.fill?.(bench);
  else if (step.kind === 'setup') await workload.setup?.(bench);
  else if (step.kind === 'close') await bench.close();
  else return { sample: await workload.round(bench, step.round) };
  await quiet();
  return {};
}

process.on('message', (step: Step) => {
  take(step).then(
    (answer) => process.send?.(answer),
    (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.send?.({ error: text } satisfies Answer);
    },
  );
});
process.on('disconnect', () => process.exit());
