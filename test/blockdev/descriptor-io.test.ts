/** Writes that the system does only in part. */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import test from 'ava';
import { writeFully, writeFullySync } from '../../src/blockdev/descriptor-io.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { temporaryPath } from '../support/temp-directory.js';

/** More than Linux takes in one call. */
const SOURCES = 3000;

for (const [name, write] of Object.entries({ writeFullySync, writeFully })) {
  test(`${name}() goes on where a call has taken only some of the sources`, async (t) => {
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed);
    const path = temporaryPath(t);
    const fd = openSync(path, 'w+');
    const sources = Array.from({ length: SOURCES }, () => prng.bytes(prng.below(50)));
    await write({ fd, path }, 100, sources);
    closeSync(fd);
    t.deepEqual(readFileSync(path).subarray(100), Buffer.concat(sources));
  });

  test(`${name}() fails when the system takes only the front of a write`, (t) => {
    const path = temporaryPath(t);
    const module = new URL('../../src/blockdev/descriptor-io.js', import.meta.url).href;
    const script = `
      import { openSync } from 'node:fs';
      import { ${name} as write } from ${JSON.stringify(module)};
      const path = ${JSON.stringify(path)};
      try {
        await write({ fd: openSync(path, 'w+'), path }, 4096, [new Uint8Array(65536).fill(1)]);
        console.log('written');
      } catch (error) {
        console.log(error.code, error.message);
      }`;
    // A file may have so many blocks: a write that reaches over their end is cut short there.
    const command = 'ulimit -f 20 && exec "$0" --input-type=module -e "$1"';
    const args = ['-c', command, process.execPath, script];
    const { stdout, stderr } = spawnSync('sh', args, { encoding: 'utf8' });
    t.regex(stdout, /^E_IO .*EFBIG/, stderr);
    t.true(statSync(path).size > 4096, 'the front was written');
  });
}
