/**
 * docs/fsck.md says what the code says, and the tests plant what the code finds.
 */

import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { FINDINGS, type FindingCode, REMEDIES } from '../../src/fsck/finding.js';

test('docs/fsck.md lists every finding with its severity, meaning and remedy', (t) => {
  const text = readFileSync('docs/fsck.md', 'utf8');
  const rows = text.matchAll(/^\| `([a-z-]+)` \| (\w+) \| (.+) \| (\w+) \| (.+) \|$/gm);
  const listed = [...rows].map(([, ...cells]) => cells);
  const known = Object.entries(FINDINGS).map(([code, { severity, meaning }]) => {
    const treatment = REMEDIES[code as FindingCode];
    return [code, severity, meaning, treatment.remedy, treatment.meaning];
  });
  t.deepEqual(listed, known);
});

test('every finding is planted by a test', (t) => {
  const texts = readdirSync('test/fsck')
    .filter((name) => /[.-](test|faults)\.ts$/.test(name) && name !== 'finding.test.ts')
    .map((name) => readFileSync(`test/fsck/${name}`, 'utf8'));
  const missing = Object.keys(FINDINGS).filter(
    (code) => !texts.some((text) => text.includes(`'${code}'`)),
  );
  t.deepEqual(missing, []);
});
