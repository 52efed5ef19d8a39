import test from 'ava';
import { MemoryImage } from '../support/memory-image.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { CONTRACT_SIZE, CONTRACT_SIZE_MAX, testContract } from './contract.js';

const SECTOR = 512;
const SIZE = 64 * 1024;

testContract('SimulatedDevice', () => {
  const device = new SimulatedDevice({ size: CONTRACT_SIZE, sizeMax: CONTRACT_SIZE_MAX });
  const reopen = () => new SimulatedDevice({ image: device.image(), readOnly: true });
  return { device, canGrow: true, reopen };
});

testContract('SimulatedDevice with a random order', () => {
  const scheduler = new Prng(seedFromEnvironment());
  const device = new SimulatedDevice({
    size: CONTRACT_SIZE,
    sizeMax: CONTRACT_SIZE_MAX,
    history: false,
    scheduler,
  });
  return { device, canGrow: true };
});

function sectors(count: number, value: number): Uint8Array {
  return new Uint8Array(count * SECTOR).fill(value);
}

/** First byte of each of the first `count` sectors. */
function marks(source: SimulatedDevice | MemoryImage, count: number): number[] {
  const bytes = source.bytes();
  return Array.from({ length: count }, (_, i) => bytes[i * SECTOR] ?? -1);
}

function dropAll(device: SimulatedDevice, point = device.point): SimulatedDevice {
  const drop = new Set(device.unflushedAt(point).map((entry) => entry.index));
  return device.crashAt(point, { drop });
}

test('a crash loses what was not flushed and keeps what was', (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.writeSync(0, [sectors(1, 1)]);
  device.flushSync();
  device.writeSync(SECTOR, [sectors(1, 2)]);
  t.deepEqual(marks(device, 2), [1, 2]);
  t.deepEqual(marks(dropAll(device), 2), [1, 0]);
  t.deepEqual(marks(device.crashAt(device.point), 2), [1, 2]);
  t.deepEqual(marks(dropAll(device, 0), 2), [0, 0]);
});

test('a durable write is kept while earlier buffered ones are lost', (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.writeSync(0, [sectors(1, 1)]);
  device.writeSync(SECTOR, [sectors(1, 2)], { durable: true });
  device.writeSync(2 * SECTOR, [sectors(1, 3)]);
  t.deepEqual(
    device.unflushedAt(device.point).map((entry) => entry.kind === 'write' && entry.offset),
    [0, 2 * SECTOR],
  );
  t.deepEqual(marks(dropAll(device), 3), [0, 2, 0]);
});

test('a durable write may be torn while it is under way', (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.writeSync(0, [sectors(3, 1)], { durable: true });
  const [write] = device.log;
  t.is(write?.index, 0);
  t.deepEqual(marks(device.crashAt(1, { tears: [{ entry: 0, sectors: 2 }] }), 3), [1, 1, 0]);
  const ends = { entry: 0, sectors: new Set([0, 2]) };
  t.deepEqual(marks(device.crashAt(1, { tears: [ends] }), 3), [1, 0, 1]);
  t.deepEqual(marks(device.crashAt(2, { tears: [ends] }), 3), [1, 1, 1]);
});

test('of overlapping writes the older never lands on the newer that is durable', (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.writeSync(0, [sectors(3, 1)]);
  device.writeSync(SECTOR, [sectors(1, 2)], { durable: true });
  t.deepEqual(marks(device.crashAt(device.point), 3), [1, 2, 1]);
  t.deepEqual(marks(dropAll(device), 3), [0, 2, 0]);
  device.writeSync(SECTOR, [sectors(1, 3)]);
  t.deepEqual(marks(device.crashAt(device.point), 3), [1, 3, 1]);
  t.deepEqual(marks(device.crashAt(device.point, { drop: new Set([4]) }), 3), [1, 2, 1]);
});

test('a flush covers only what had ended when it began', async (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.hold();
  const first = device.write(0, [sectors(1, 1)]);
  device.endNext();
  const second = device.write(SECTOR, [sectors(1, 2)]);
  const flush = device.flush();
  t.is(device.underWayCount, 2);
  t.deepEqual(marks(device, 2), [1, 0]);
  t.deepEqual(marks(dropAll(device), 2), [0, 0]);
  device.endNext(1); // the flush
  t.deepEqual(marks(dropAll(device), 2), [1, 0]);
  device.endNext();
  t.deepEqual(marks(device, 2), [1, 2]);
  t.deepEqual(marks(dropAll(device), 2), [1, 0]);
  device.release();
  await Promise.all([first, second, flush, device.flush()]);
  t.deepEqual(marks(dropAll(device), 2), [1, 2]);
});

test('a crash may undo a growth that has not ended, and none that has', async (t) => {
  const device = new SimulatedDevice({ size: SIZE, sizeMax: 2 * SIZE });
  const growth = device.grow(2 * SIZE);
  t.is(device.size, SIZE);
  const point = device.point;
  await growth;
  t.is(device.size, 2 * SIZE);
  t.is(dropAll(device, point).size, SIZE);
  t.is(device.crashAt(point, { tears: [{ entry: 0, sectors: 3 }] }).size, SIZE + 3 * SECTOR);
  t.is(dropAll(device).size, 2 * SIZE);
});

test('crashes() gives every subset of a few writes, and torn ones', (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.writeSync(0, [sectors(1, 1)]);
  device.writeSync(SECTOR, [sectors(2, 2)]);
  const seen = new Set<string>();
  for (const crash of device.crashes()) seen.add(marks(crash.device, 3).join(''));
  t.deepEqual([...seen].sort(), ['000', '020', '022', '100', '120', '122']);
});

test('crashPoints() leaves out what changes nothing', (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.writeSync(0, [sectors(1, 1)]); // entries 0 and 1
  device.writeSync(0, [sectors(1, 1)], { durable: true }); // 2 and 3
  device.flushSync(); // 4 and 5
  t.deepEqual([...device.crashPoints()], [0, 1, 3, 4, 6]);
  t.deepEqual([...device.crashPoints(2, 4)], [3, 4]);
});

/** What a sector may hold after a crash, worked out again in the plainest way. */
function mayHold(device: SimulatedDevice, point: number, sector: number): Set<number> {
  const may = new Set([0]);
  for (const entry of device.log.slice(0, point)) {
    if (entry.kind !== 'write') continue;
    const at = sector * SECTOR - entry.offset;
    if (at < 0 || at >= entry.bytes.length) continue;
    if (entry.guaranteed < point) may.clear();
    may.add(entry.bytes[at] ?? -1);
  }
  return may;
}

test('random crashes leave only what the rules allow, and the same each time', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = new SimulatedDevice({ size: 16 * SECTOR });
  for (let i = 1; i < 250; i++) {
    const count = prng.between(1, 4);
    const offset = prng.below(17 - count) * SECTOR;
    device.writeSync(offset, [sectors(count, i)], { durable: prng.chance(0.15) });
    if (prng.chance(0.1)) device.flushSync();
  }
  for (let round = 0; round < 500; round++) {
    const { point, choice, device: left } = device.randomCrash(prng);
    for (const [sector, mark] of marks(left, 16).entries()) {
      if (!mayHold(device, point, sector).has(mark)) {
        t.fail(`sector ${sector} holds ${mark} after a crash at ${point}`);
      }
    }
    t.deepEqual(device.imageAt(point, choice).bytes(), left.bytes());
  }
});

test('without history the log goes back to the last quiet moment', (t) => {
  const device = new SimulatedDevice({ size: SIZE, history: false });
  for (let i = 0; i < 1000; i++) {
    device.writeSync((i % 100) * SECTOR, [sectors(1, i % 251)]);
    device.flushSync();
  }
  t.true(device.log.length < 32);
  t.deepEqual(dropAll(device).bytes(), device.bytes());
  t.throws(() => device.crashAt(0), { instanceOf: RangeError });
});

test('faults.failAt() fails the n-th call, once or for ever', (t) => {
  const device = new SimulatedDevice({ size: SIZE, sizeMax: 2 * SIZE });
  device.faults.failAt({ kind: 'read', n: 2 });
  device.readSync(0, sectors(1, 0));
  t.throws(() => device.readSync(0, sectors(1, 0)), { code: 'E_IO' });
  device.readSync(0, sectors(1, 0));
  device.faults.failAt({ kind: 'flush', n: 1, permanent: true, error: new Error('mine') });
  t.throws(() => device.flushSync(), { message: 'mine' });
  t.throws(() => device.flushSync(), { message: 'mine' });
  device.faults.clear();
  device.flushSync();
  device.faults.failAt({ kind: 'grow', n: 1 });
  t.throws(() => device.growSync(2 * SIZE), { code: 'E_NO_SPACE' });
  t.is(device.size, SIZE);
  t.deepEqual(device.calls, { read: 3, write: 0, flush: 3, grow: 1 });
});

test('a failed write may be there in part', async (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.faults.failAt({ kind: 'write', n: 1, sectors: 1 });
  await t.throwsAsync(device.write(0, [sectors(3, 1)], { durable: true }), { code: 'E_IO' });
  t.deepEqual(marks(device, 3), [1, 0, 0]);
  device.flushSync();
  t.is(device.unflushedAt(device.point).length, 1);
});

test('a failed write never stands over a later one', async (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.faults.failAt({ kind: 'write', n: 1 });
  await t.throwsAsync(device.write(0, [sectors(1, 1)]), { code: 'E_IO' });
  device.writeSync(0, [sectors(1, 2)]);
  device.flushSync();
  for (const choice of device.choicesAt(device.point)) {
    t.deepEqual(marks(device.crashAt(device.point, choice), 1), [2]);
  }
});

test('what a failed flush covered is not made durable by the next', (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.writeSync(0, [sectors(1, 1)]);
  device.faults.failAt({ kind: 'flush', n: 1 });
  t.throws(() => device.flushSync(), { code: 'E_IO' });
  device.writeSync(SECTOR, [sectors(1, 2)]);
  device.flushSync();
  t.deepEqual(marks(dropAll(device), 2), [0, 2]);
});

test('misdirected, lost, flipped, corrupted and unreadable bytes', (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  device.faults.misdirectAt(1, 4 * SECTOR);
  device.faults.loseAt(2);
  device.writeSync(0, [sectors(1, 1)]);
  device.writeSync(SECTOR, [sectors(1, 2)]);
  t.deepEqual(marks(device, 5), [0, 0, 0, 0, 1]);

  const target = sectors(1, 9);
  device.faults.flipAt(1, 7, 0x80);
  device.readSync(0, target);
  t.is(target[7], 0x80);
  device.readSync(0, target);
  t.is(target[7], 0);

  device.corrupt(4 * SECTOR + 1, 2, 0x02);
  device.readSync(4 * SECTOR, target);
  t.deepEqual([...target.subarray(0, 4)], [1, 3, 3, 1]);
  t.deepEqual(marks(dropAll(device), 5), [0, 0, 0, 0, 1]);

  device.faults.makeUnreadable(SECTOR, SECTOR);
  t.throws(() => device.readSync(0, sectors(4, 0)), { code: 'E_IO' });
  device.readSync(0, target);
  device.writeSync(SECTOR, [sectors(1, 3)]);
  device.readSync(SECTOR, target);
  t.is(target[0], 3);
});

test('a buffer that changes under its write is found out', async (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  const bytes = sectors(1, 1);
  const write = device.write(0, [bytes]);
  bytes[0] = 2;
  await t.throwsAsync(write, { message: /changed while/ });
});

test('writes under way at one place must be the same', async (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  const write = device.write(0, [sectors(3, 1)]);
  device.writeSync(SECTOR, [sectors(1, 1)]);
  t.throws(() => device.writeSync(SECTOR, [sectors(1, 2)]), { message: /differ/ });
  await write;
  device.writeSync(SECTOR, [sectors(1, 2)]);
});

test('stripes are counted', (t) => {
  const device = new SimulatedDevice({ size: SIZE, geometry: { unit: 4096, width: 8192 } });
  device.writeSync(0, [sectors(16, 1)]);
  device.writeSync(8192, [sectors(33, 1)]);
  t.deepEqual(device.stripes, { whole: 3, partial: 1 });
  device.writeSync(512, [sectors(16, 1)]);
  t.deepEqual(device.stripes, { whole: 3, partial: 3 });
});

test('powerOff() fails all calls, those under way too', async (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  const write = device.write(0, [sectors(1, 1)]);
  device.powerOff();
  await t.throwsAsync(write, { code: 'E_IO' });
  t.throws(() => device.flushSync(), { code: 'E_IO' });
  t.is(device.unflushedAt(device.point).length, 1);
  t.deepEqual(marks(dropAll(device), 1), [0]);
});

test('MemoryImage.digest() depends on the bytes and nothing else', (t) => {
  const image = new MemoryImage(3 * 4096);
  const empty = image.digest();
  image.write(5000, new Uint8Array(10).fill(1));
  const one = image.digest();
  t.not(one, empty);
  const fork = image.fork();
  fork.write(0, new Uint8Array(4096).fill(2));
  t.not(fork.digest(), one);
  t.is(image.digest(), one);
  fork.write(0, new Uint8Array(4096));
  t.is(fork.digest(), one, 'a page of zeros is one that is not there');
  t.is(MemoryImage.of(image.bytes()).digest(), one);
  fork.resize(4096);
  fork.resize(3 * 4096);
  t.is(fork.digest(), empty, 'what was cut off is gone');
  const swapped = new MemoryImage(3 * 4096);
  swapped.write(5000 - 4096, new Uint8Array(10).fill(1));
  t.not(swapped.digest(), one, 'a page stands for its place');
});

test('MemoryImage forks are independent, whichever writes', (t) => {
  const one = MemoryImage.of(new Uint8Array(10_000).fill(1));
  const two = one.fork();
  one.write(5000, new Uint8Array(10).fill(2));
  two.write(4090, new Uint8Array(10).fill(3));
  t.deepEqual([one.bytes()[5000], one.bytes()[4090]], [2, 1]);
  t.deepEqual([two.bytes()[5000], two.bytes()[4090]], [1, 3]);
  two.resize(4092);
  two.resize(9000);
  t.deepEqual([...two.bytes().subarray(4089, 4094)], [1, 3, 3, 0, 0]);
  t.is(one.bytes()[9999], 1);
});

test('a crash image costs little, also late in a long log', (t) => {
  const device = new SimulatedDevice({ size: 16 * 1024 * 1024 });
  const prng = new Prng(1);
  for (let i = 0; i < 4000; i++) {
    device.writeSync(prng.below(4096) * 4096, [sectors(8, i & 255)]);
    if (i % 10 === 9) device.flushSync();
  }
  const started = performance.now();
  for (let i = 0; i < 500; i++) device.randomCrash(prng);
  const each = (performance.now() - started) / 500;
  t.log(`${each.toFixed(3)} ms a crash`);
  t.true(each < 10);
});
