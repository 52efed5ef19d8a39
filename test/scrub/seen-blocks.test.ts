/** What a pass of a scrub remembers. */

import test from 'ava';
import { SeenBlocks } from '../../src/scrub/seen-blocks.js';

const EPOCH = 10;

test('what a part has seen is not looked at again, once the part counts', (t) => {
  const seen = new SeenBlocks(EPOCH);
  const lost = seen.part();
  lost.walked({ address: 7, birth: EPOCH });
  t.true(lost.isNewChunk(5, 3));
  t.false(lost.isNewChunk(5, 3), 'a clone names it again');
  t.false(lost.isNew({ address: 7, birth: EPOCH }));
  const part = seen.part();
  t.true(part.isNew({ address: 7, birth: EPOCH }), 'the part before was given up');
  t.true(part.isNewChunk(5, 3));
  part.keep();
  t.false(seen.part().isNewChunk(5, 3));
});

test('what is younger than the pass is looked at wherever it lies', (t) => {
  const seen = new SeenBlocks(EPOCH);
  const part = seen.part();
  part.isNewChunk(5, EPOCH);
  part.walked({ address: 7, birth: EPOCH });
  part.keep();
  const next = seen.part();
  for (let round = 0; round < 2; round++) {
    t.true(next.isNewChunk(5, EPOCH + 1), 'the place holds other data by now');
    t.true(next.isNew({ address: 7, birth: EPOCH + 1 }));
    next.walked({ address: 7, birth: EPOCH + 1 });
  }
});
