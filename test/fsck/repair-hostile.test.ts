/**
 * Repair of stores with everything in them, damaged at random: what is read afterwards is what was
 * there or is an error, and nothing that a repair could heal is left.
 */

import test, { type ExecutionContext } from 'ava';
import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { BODY_START } from '../../src/btree/node-format.js';
import { ROLE } from '../../src/format/role.js';
import { type FindingCode, REMEDIES } from '../../src/fsck/finding.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { check, close, commit, deepStore, newStore, open, SMALL } from './fixture.js';
import { grind } from './mill.js';
import { Planter } from './planter.js';
import { type Content, contentOf, copyOf, DAMAGED, mend } from './repair-fixture.js';

/** Images that are tried. */
const ROUNDS = Number(process.env['OPS'] ?? 6);

const NODE_ROLES = [ROLE.collections, ROLE.objects, ROLE.attributes, ROLE.blob, ROLE.map];

/** A store after random transactions, with clones of everything; some may be pending. */
function groundStore(prng: Prng, end: 'closed' | 'killed'): MemoryDevice {
  const device = newStore({ ...SMALL, size: 12 * 1024 * 1024 });
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c0').createCollection('c1'));
  grind(engine, prng, 150);
  if (end === 'closed') close(engine);
  return device;
}

/** Addresses of all nodes that lead to objects or are part of them. */
function nodesOf(planter: Planter): number[] {
  return NODE_ROLES.flatMap((role) => [0, 1, 2].flatMap((level) => planter.nodes(role, level)));
}

function healable(codes: readonly { readonly code: string }[]): string[] {
  return codes
    .map(({ code }) => code)
    .filter((code) => REMEDIES[code as FindingCode].remedy !== 'none');
}

/** What is read and was not there before: lines of objects, by name, that are not damage. */
function inventions(
  before: ReadonlyMap<string, Content>,
  after: ReadonlyMap<string, Content>,
): string[] {
  const all = [...before.values()].flat();
  return [...after].flatMap(([name, content]) => {
    if (name.startsWith('lost+found/#')) return []; // gathered from leaves of one object, and holes
    const known = new Set(name.startsWith('lost+found/') ? all : before.get(name));
    return content.filter((line) => !known.has(line) && !line.endsWith(DAMAGED));
  });
}

test('repair() gives back what was there, or an error, after nodes were lost', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const source = groundStore(prng, 'closed');
  const before = contentOf(source);
  const nodes = nodesOf(new Planter(source));
  for (let round = 0; round < ROUNDS; round++) {
    const device = copyOf(source);
    const planter = new Planter(device);
    const lost = Array.from({ length: prng.pick([1, 1, 2, 5, 20]) }, () => prng.pick(nodes));
    for (const address of lost) planter.page(address).fill(prng.below(256), 300, 340);
    planter.write();
    const { left } = mend(device, { deep: true, dirtyBytesMax: prng.pick([0, 2 ** 24]) });
    t.deepEqual(healable(left), [], `round ${round}, nodes ${lost.join()}`);
    t.deepEqual(inventions(before, contentOf(device)), [], `round ${round}, nodes ${lost.join()}`);
    useAgain(t, device, prng);
  }
});

test('repair() leaves a store that can be used, whatever nodes with right checksums hold', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const source = deepStore();
  const nodes = nodesOf(new Planter(source));
  for (let round = 0; round < ROUNDS; round++) {
    const device = copyOf(source);
    const planter = new Planter(device);
    const address = prng.pick(nodes);
    const page = planter.page(address);
    for (let count = prng.pick([1, 1, 2, 30]); count > 0; count--) {
      page[prng.between(BODY_START, page.length)] = prng.pick([0, 1, 255, prng.below(256)]);
    }
    planter.seal(address);
    planter.write();
    const { left } = mend(device, { deep: true, dirtyBytesMax: prng.pick([0, 2 ** 24]) });
    t.deepEqual(healable(left), [], `round ${round}, node ${address}`);
    useAgain(t, device, prng);
  }
});

test('repair() leaves a store that can be used, also with transactions in the journal', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const source = groundStore(prng, 'killed');
  const nodes = nodesOf(new Planter(source));
  for (let round = 0; round < ROUNDS; round++) {
    const device = copyOf(source);
    const planter = new Planter(device);
    const { journalOffset, slotStride } = planter.superblock;
    const lost = Array.from({ length: prng.pick([0, 1, 5]) }, () => prng.pick(nodes));
    for (const address of lost) planter.page(address).fill(prng.below(256), 300, 340);
    if (prng.chance(0.5)) {
      const at = journalOffset + prng.below(slotStride);
      planter.image.fill(prng.below(256), at, at + prng.pick([1, 100, 3000]));
    }
    planter.write();
    const { left } = mend(device, { deep: true, dirtyBytesMax: prng.pick([0, 2 ** 24]) });
    t.deepEqual(healable(left), [], `round ${round}, nodes ${lost.join()}`);
    useAgain(t, device, prng);
  }
});

/** Works on a mended store; it stays whole. */
function useAgain(t: ExecutionContext, device: MemoryDevice, prng: Prng): void {
  const engine = open(device);
  grind(engine, prng, 10);
  close(engine);
  t.deepEqual(healable(check(device).findings), []);
}
