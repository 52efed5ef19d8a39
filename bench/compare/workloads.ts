/** All workloads of a scale, in the order in which they run and are shown. */

import type { Scale, Workload } from './workload.js';
import { agingAt, growthAt } from './workloads/lasting.js';
import { MIXED } from './workloads/mixed.js';
import { readingAt } from './workloads/reading.js';
import { wholeAt } from './workloads/whole.js';
import { writingAt } from './workloads/writing.js';

export function workloadsAt(scale: Scale): readonly Workload[] {
  return [
    ...writingAt(scale),
    ...readingAt(scale),
    ...wholeAt(scale),
    MIXED,
    ...growthAt(scale),
    agingAt(scale),
  ];
}
