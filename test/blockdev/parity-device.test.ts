import test from 'ava';
import { ParityDevice } from '../support/parity-device.js';
import { Prng } from '../support/prng.js';
import { CONTRACT_SIZE, testContract } from './contract.js';

const RAID5 = { dataDisks: 4, parityDisks: 1, unit: 4096 } as const;
const RAID6 = { dataDisks: 8, parityDisks: 2, unit: 4096 } as const;

testContract('RAID-5', () => ({
  device: new ParityDevice({ ...RAID5, size: CONTRACT_SIZE }),
  canGrow: false,
}));

testContract('RAID-6', () => ({
  device: new ParityDevice({ ...RAID6, size: CONTRACT_SIZE }),
  canGrow: false,
}));

for (const [name, array] of Object.entries({ 'RAID-5': RAID5, 'RAID-6': RAID6 })) {
  test(`${name}: parity is kept, and everything reads with any disks lost`, (t) => {
    const random = new Prng(5);
    const size = 8 * array.dataDisks * array.unit;
    const image = new Uint8Array(size);
    const disks = array.dataDisks + array.parityDisks;
    const device = (): ParityDevice => {
      const one = new ParityDevice({ ...array, size });
      one.writeSync(0, [image]);
      return one;
    };
    const first = device();
    for (let i = 0; i < 200; i++) {
      const offset = 512 * random.below(size / 512);
      const length = 512 * (1 + random.below(Math.min(64, (size - offset) / 512)));
      const bytes = random.bytes(length);
      first.writeSync(offset, [bytes]);
      image.set(bytes, offset);
    }
    t.is(first.badRow(), -1);
    for (let one = 0; one < disks; one++) {
      const other = array.parityDisks === 2 ? (one + 1 + random.below(disks - 1)) % disks : one;
      const lossy = device();
      lossy.loseDisk(one);
      if (other !== one) lossy.loseDisk(other);
      lossy.writeSync(512, [image.subarray(512, 8192)]);
      const read = new Uint8Array(size);
      lossy.readSync(0, read);
      t.deepEqual(read, image, `disks ${one} and ${other} lost`);
      t.true(lossy.reconstructedReads > 0);
    }
  });

  test(`${name}: damage to parity is found`, (t) => {
    const device = new ParityDevice({ ...array, size: CONTRACT_SIZE });
    device.writeSync(3 * device.width, [new Prng(1).bytes(512)]);
    t.is(device.badRow(), -1);
    device.loseDisk(0);
    t.not(device.badRow(), -1);
  });
}

test('RAID-5: rows count as full, read-modify or reconstruct', (t) => {
  const device = new ParityDevice({ ...RAID5, size: CONTRACT_SIZE });
  const write = (offset: number, length: number): object => {
    device.resetCosts();
    device.writeSync(offset, [new Uint8Array(length / 2), new Uint8Array(length / 2)]);
    const { fullStripes, readModifyWrites, reconstructWrites, diskReads, diskWrites } =
      device.costsOf('all');
    return [fullStripes, readModifyWrites, reconstructWrites, diskReads, diskWrites];
  };
  t.deepEqual(write(0, 16384), [1, 0, 0, 0, 5]);
  // Rows that follow each other are one run of each disk.
  t.deepEqual(write(16384, 8 * 16384), [8, 0, 0, 0, 5]);
  t.deepEqual(write(0, 4096), [0, 1, 0, 2, 2]);
  t.deepEqual(write(1024, 1024), [0, 1, 0, 2, 2]);
  t.deepEqual(write(0, 12288), [0, 0, 1, 1, 4]);
  // Aligned in length but not in start: nothing is whole.
  t.is((write(8192, 16384) as number[])[0], 0);
});
