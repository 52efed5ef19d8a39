/**
 * For every kind of finding: k faults are planted, fsck reports exactly these and their places,
 * repair mends them, a second fsck finds nothing, and what was not damaged holds the same bytes.
 */

import test from 'ava';
import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { FINDINGS, type Finding, type FindingCode, REMEDIES } from '../../src/fsck/finding.js';
import { check, registry } from './fixture.js';
import { ALL_KINDS } from './kinds/all-kinds.js';
import type { Expected, Kind } from './kinds/kind.js';
import { contentOf, mend } from './repair-fixture.js';

test('every kind of finding has a planter, and says why where it plants less or more', (t) => {
  t.deepEqual(Object.keys(ALL_KINDS).sort(), Object.keys(FINDINGS).sort());
  for (const [code, kind] of Object.entries(ALL_KINDS)) {
    t.is(kind.fewer === undefined, kind.counts.includes(3), code);
    const isHealed = REMEDIES[code as FindingCode].remedy !== 'none' || kind.asked !== undefined;
    t.is(kind.stays === undefined, isHealed, code);
  }
});

/** Code and place of findings, in an order of their own. */
function placesOf(findings: readonly (Finding | Expected)[]): string[] {
  return findings
    .map((finding) => {
      const { code, severity, message, ...where } = { severity: '', message: '', ...finding };
      return [code, JSON.stringify(Object.fromEntries(Object.entries(where).sort()))].join(' ');
    })
    .sort();
}

function bytesOf(device: BlockDevice): Uint8Array {
  const bytes = new Uint8Array(device.size);
  device.readSync(0, bytes);
  return bytes;
}

for (const [name, kind] of Object.entries(ALL_KINDS)) {
  const code = name as FindingCode;
  for (const count of kind.counts) {
    test(`${count} x ${code}: exactly that is found, and repaired`, (t) => {
      const sound = kind.store();
      const before = contentOf(sound);
      const planted = kind.plant(sound, count);
      const { device = sound, places, implied = [], comparators = registry() } = planted;
      t.is(places.length, count);
      t.is(implied.length > 0, kind.because !== undefined);
      const expected = placesOf([...places.map((where) => ({ code, ...where })), ...implied]);
      const found = check(device, { deep: true, comparators });
      t.deepEqual(placesOf(found.findings), expected);
      t.deepEqual(
        placesOf(check(device, { deep: true, comparators, windowBlocks: 1 }).findings),
        expected,
      );
      const image = kind.stays === undefined ? [] : bytesOf(device);
      const mended = mend(device, { deep: true, comparators, ...kind.asked });
      const after = check(device, { deep: true, comparators });
      if (kind.stays === undefined) {
        t.deepEqual(placesOf(after.findings), []);
        t.deepEqual(placesOf(mended.left), []);
      } else {
        t.deepEqual(placesOf(after.findings), expected);
        t.false(mended.report.isRepaired);
        t.is(Buffer.compare(bytesOf(device), Buffer.from(image)), 0, 'nothing is written');
      }
      if (after.report.nodes > 0) compare(t, kind, before, contentOf(device));
    });
  }
}

function compare(
  t: { readonly deepEqual: (one: unknown, other: unknown, message: string) => void },
  { losses = /^$/, moved = (name) => name }: Kind,
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): void {
  for (const [name, content] of before) {
    if (!losses.test(name)) t.deepEqual(after.get(moved(name)), content, name);
  }
}
