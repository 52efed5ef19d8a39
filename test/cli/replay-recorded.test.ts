/**
 * Transactions that real OSDs made, replayed: killed on the way, and compared with the state that
 * the OSD itself ended in. `npm run replay:full` does all of them, on files and block devices.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { mkfsSync } from '../../src/index.js';
import { CephModel } from '../support/ceph-model.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { recordedTrace, replayWithKills, traceLines } from '../support/recorded-replay.js';
import { temporaryDirectory, temporaryPath } from '../support/temp-directory.js';
import { makeLoopDevice } from '../support/temp-loop-device.js';

const MIB = 2 ** 20;

/** Lines of the longer trace that are replayed here: rados bench, snapshots. */
const PREFIX_LINES = 9000;

test.serial(
  'a recorded trace, killed on the way, ends with every byte as the OSD had it',
  async (t) => {
    t.timeout(300_000);
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed);
    const path = temporaryPath(t);
    mkfsSync(path, { size: 1024 * MIB, journalBytes: 8 * MIB });
    const recorded = recordedTrace('content');
    const result = await replayWithKills({
      ...recorded,
      path,
      prng,
      kills: 4,
      writtenBytes: 120 * MIB,
    });
    t.deepEqual(result.check.listed, []);
    t.is(result.check.differences, 0);
    t.is(result.check.dataVerified, 538); // of 614: the others have bytes that the trace does not give
    t.is(result.check.valuesVerified, 4397 + 21); // with the empty ones, whose bytes are known too
    t.is(result.resumedAt + result.lines, 11_511);
    t.log(`the last replay went on behind line ${result.resumedAt}`);
  },
);

test.serial(
  'a recorded trace, killed on the way, ends in its state on a block device',
  async (t) => {
    t.timeout(300_000);
    const device = makeLoopDevice(256 * MIB);
    if (typeof device === 'string') {
      t.log(`Not run: ${device}`);
      t.pass();
      return;
    }
    t.teardown(() => device.close());
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed);
    const directory = temporaryDirectory(t);
    const files = { trace: join(directory, 'trace'), state: join(directory, 'state') };
    const lines = traceLines(recordedTrace('lengths')).slice(0, PREFIX_LINES);
    const model = new CephModel({ withData: false });
    for (const line of lines) model.applyLine(line);
    writeFileSync(files.trace, `${lines.join('\n')}\n`);
    writeFileSync(files.state, model.stateLines().join('\n'));
    mkfsSync(device.path, { journalBytes: 8 * MIB });
    const { path } = device;
    const result = await replayWithKills({
      ...files,
      path,
      prng,
      kills: 2,
      writtenBytes: 70 * MIB,
    });
    t.deepEqual(result.check.listed, []);
    t.is(result.check.differences, 0);
    t.is(result.resumedAt + result.lines, PREFIX_LINES);
    t.log(`the last replay went on behind line ${result.resumedAt}`);
  },
);
