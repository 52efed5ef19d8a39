import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import {
  compareGhobjects,
  formatGhobject,
  type Ghobject,
  ghobject,
  ghobjectOf,
  hasCode,
  hashedName,
  NO_GENERATION,
  NO_SHARD,
  parseGhobject,
  SNAP_DIR,
  SNAP_HEAD,
} from '../../src/index.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

test('parseGhobject() reads what Ceph prints, and formatGhobject() prints it again', (t) => {
  const texts = [
    '#1:00000000::::head#',
    '#-1:7b3f43c4:::osd_superblock:0#',
    '#2:08ce86a1:::percent%25name:head#',
    '#2:4a3b6741:::colon%3aname:4#',
    '#2:1018fbfb:ns:key:uni%c3%a9%e4%b8%ad:snapdir#',
    '#2:42b5a6a6:::tab%09name:head#',
    '#2:cbbc434e:::slash%2fname and # and "quotes":head#',
    '2#2:9459869a:::e_283:head#a',
    'a#2:9459869a:::e_283:head#',
    '1#-4:9459869a:::temp_recovering:head#fffffffffffffffe',
    '#9007199254740991:ffffffff:::n:fffffffffffffffd#0',
  ];
  for (const text of texts) t.is(formatGhobject(parseGhobject(text)), text);
});

test('parseGhobject() gives shard, pool, hash, names, snap and generation', (t) => {
  t.deepEqual(parseGhobject('2#-4:80000001:n%00s::%ff:1f#a'), {
    shard: 2,
    pool: -4,
    hash: 0x8000_0001,
    namespace: Buffer.from([0x6e, 0, 0x73]),
    key: Buffer.alloc(0),
    name: Buffer.from([0xff]),
    snap: 31n,
    generation: 10n,
  });
  const plain = parseGhobject('#3:40000000:::o:head#');
  t.is(plain.shard, NO_SHARD);
  t.is(plain.hash, 2);
  t.is(plain.snap, SNAP_HEAD);
  t.is(plain.generation, NO_GENERATION);
});

test('parseGhobject() refuses everything else with E_INVALID', (t) => {
  const texts = [
    '',
    'GHMAX',
    'GHMIN',
    '#MIN#',
    '#2:08ce86a1:::name:head',
    '2:08ce86a1:::name:head#',
    '#2:08ce86a:::name:head#',
    '#2:08ce86a1::name:head#',
    '#2:08ce86a1:::na%2:head#',
    '#2:08ce86a1:::na%zz:head#',
    '#2:08ce86a1:::name:tail#',
    '#2:08ce86a1:::name:head#g',
    '#2:08ce86a1:::name:head#12345678901234567',
    '80#2:08ce86a1:::name:head#',
    '#x:08ce86a1:::name:head#',
    '#9007199254740993:08ce86a1:::name:head#',
    'x'.repeat(100_000),
  ];
  for (const text of texts) {
    const error = t.throws(() => parseGhobject(text), undefined, text.slice(0, 50));
    t.true(hasCode(error, 'E_INVALID'), text.slice(0, 50));
  }
});

test('ghobject() refuses numbers that are out of range', (t) => {
  const good = { pool: 1, hash: 0, name: 'o' };
  for (const bad of [
    { shard: 128 },
    { hash: -1 },
    { hash: 2 ** 32 },
    { pool: 0.5 },
    { snap: -1n },
  ]) {
    t.throws(() => ghobject({ ...good, ...bad }), { code: 'E_INVALID_ARGUMENT' });
  }
});

test('ghobject() takes a locator key that equals the name for none', (t) => {
  t.is(ghobject({ pool: 1, hash: 0, key: 'o', name: 'o' }).key.length, 0);
});

/** An object of one shard and pool with parts that collide often. */
function randomObject(prng: Prng): Ghobject {
  const text = (): Uint8Array => {
    const length = prng.pick([0, 1, 1, 2, 3]);
    return Uint8Array.from({ length }, () => prng.pick([0, 1, 2, 0x3c, 0x3d, 0x61, 0x80, 0xff]));
  };
  return ghobject({
    shard: 1,
    pool: 7,
    hash: prng.pick([0, 1, 2, 0x8000_0000, 0xffff_ffff]),
    namespace: prng.chance(0.3) ? text() : '',
    key: prng.chance(0.3) ? text() : '',
    name: text(),
    snap: prng.pick([0n, 1n, 255n, 256n, 2n ** 63n, SNAP_DIR, SNAP_HEAD, SNAP_HEAD - 1n]),
    generation: prng.pick([0n, 9n, 65_536n, NO_GENERATION, NO_GENERATION - 1n]),
  });
}

test('hashedName() gives names whose order is that of compareGhobjects()', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const key = (object: Ghobject): string => {
    const reversed = formatGhobject(object).split(':')[1];
    return reversed + Buffer.from(hashedName(object).name).toString('hex');
  };
  for (let i = 0; i < 20_000; i++) {
    const [a, b] = [randomObject(prng), randomObject(prng)];
    const byName = key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
    const expected = Math.sign(compareGhobjects(a, b));
    if (byName !== expected) t.fail(`${formatGhobject(a)} against ${formatGhobject(b)}`);
  }
  t.pass();
});

test('compareGhobjects() orders by shard and pool before the hash, older generations first', (t) => {
  const ordered = [
    '#-3:ffffffff:::z:head#',
    '#-1:ffffffff:::z:head#',
    '#1:00000000::::head#',
    '#1:00000001:::b:head#',
    '#1:00000001:n::a:head#',
    '#1:10000000:::b:4#',
    '#1:10000000:::b:head#1',
    '#1:10000000:::b:head#2',
    '#1:10000000:::b:head#',
    '#1:10000000:::b:snapdir#',
    '#1:10000000::c:a:head#',
    '#1:10000000:::%c3:head#',
    '#2:00000000:::a:head#',
    '0#1:00000000:::a:head#',
    '1#1:00000000:::a:head#',
  ];
  const shuffled = [...ordered].reverse().map(parseGhobject).sort(compareGhobjects);
  t.deepEqual(shuffled.map(formatGhobject), ordered);
});

test('ghobjectOf() gives back the object that hashedName() named', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (let i = 0; i < 5000; i++) {
    const object = randomObject(prng);
    t.deepEqual(formatGhobject(ghobjectOf(hashedName(object))), formatGhobject(object));
  }
  for (const pool of [-(2 ** 52), -257, -256, -2, -1, 0, 1, 255, 256, 2 ** 52]) {
    const object = ghobject({ pool, hash: 5, name: 'o' });
    t.is(ghobjectOf(hashedName(object)).pool, pool);
  }
});

test('ghobjectOf() refuses names that are not of its making with E_INVALID', (t) => {
  const { name } = hashedName(parseGhobject('#2:9459869a:ns:key:e_283:1f#a'));
  const bad: Uint8Array[] = [
    new Uint8Array(0),
    Buffer.from('photo.jpg'),
    Buffer.from([...name, 0]),
  ];
  for (let length = 0; length < name.length; length++) bad.push(name.subarray(0, length));
  for (const one of bad) {
    const error = t.throws(() => ghobjectOf({ name: one, hash: 0 }));
    t.true(hasCode(error, 'E_INVALID'));
  }
});

test('all object names of the recorded traces survive both codecs', (t) => {
  let count = 0;
  for (const file of ['lengths', 'content']) {
    const url = new URL(`../../../test/traces/${file}.state.jsonl.gz`, import.meta.url);
    for (const line of gunzipSync(readFileSync(url)).toString().trimEnd().split('\n')) {
      const { o } = JSON.parse(line) as { o?: string };
      if (o === undefined) continue;
      count++;
      t.is(formatGhobject(ghobjectOf(hashedName(parseGhobject(o)))), o);
    }
  }
  t.is(count, 2628 + 614);
});
