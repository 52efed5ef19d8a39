/**
 * docs/fsck.md says what the code says.
 */

import { readFileSync } from 'node:fs';
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
