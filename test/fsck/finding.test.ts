/**
 * docs/fsck.md says what the code says, and the tests plant what the code finds.
 */

import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { FINDINGS } from '../../src/fsck/finding.js';

test('docs/fsck.md lists every finding with its severity and meaning', (t) => {
  const text = readFileSync('docs/fsck.md', 'utf8');
  const rows = [...text.matchAll(/^\| `([a-z-]+)` \| (\w+) \| (.+) \|$/gm)];
  const listed = rows.map(([, code, severity, meaning]) => [code, { severity, meaning }]);
  t.deepEqual(listed, Object.entries(FINDINGS));
});

test('every finding is planted by a test', (t) => {
  const texts = readdirSync('test/fsck')
    .filter((name) => name.endsWith('.test.ts') && name !== 'finding.test.ts')
    .map((name) => readFileSync(`test/fsck/${name}`, 'utf8'));
  const missing = Object.keys(FINDINGS).filter(
    (code) => !texts.some((text) => text.includes(`'${code}'`)),
  );
  t.deepEqual(missing, []);
});
