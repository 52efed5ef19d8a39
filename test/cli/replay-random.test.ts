import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { replay } from '../../src/cli/replay/replayer.js';
import { checkState } from '../../src/cli/replay/state-check.js';
import { mkfs, Store } from '../../src/index.js';
import { CephWorkload } from '../support/ceph-workload.js';
import { fsckFileFault } from '../support/crash-fsck.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { temporaryDirectory } from '../support/temp-directory.js';

const TRACES = Number(process.env['TRACES'] ?? 6);
const LINES = Number(process.env['OPS'] ?? 400);

test('replay() of random traces, erasure-coded ones too, ends in the state of the model', async (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const directory = temporaryDirectory(t);
  for (let round = 0; round < TRACES; round++) {
    const workload = new CephWorkload(prng);
    while (workload.lines.length < LINES) workload.step();
    const path = join(directory, `${round}.trace`);
    writeFileSync(path, gzipSync(`${workload.lines.join('\n')}\n`));
    const statePath = join(directory, `${round}.state`);
    writeFileSync(statePath, `${workload.model.stateLines().join('\n')}\n`);
    const storePath = join(directory, `${round}.store`);
    await mkfs(storePath, { size: 256 * 1024 * 1024, journalBytes: 1024 * 1024 });
    const store = await Store.open(storePath, { cacheBytes: 1024 * 1024, dirtyBytes: 512 * 1024 });
    const batch = prng.pick([1, 1, 2, 7]);
    const figures = await replay({ store, path, batch, inFlight: prng.pick([1, 4, 16]) });
    t.is(figures.lines, workload.lines.length);
    const differences: string[] = [];
    const onDifference = (one: string): number => differences.push(one);
    const report = await checkState({ store, path: statePath, onDifference });
    t.deepEqual(differences.slice(0, 5), []);
    t.true(report.dataVerified > 0 && report.valuesVerified > 0);
    await store.close();
    t.is(fsckFileFault(storePath), undefined);
  }
});
