/** Who uses a block device, told by recorded trees of /proc and /sys. */

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { userOf } from '../../src/blockdev/device-users.js';
import { temporaryDirectory } from '../support/temp-directory.js';

/** A machine with a disk `sda` (8:0) and its partition `sda1` (8:1). */
function machine(t: ExecutionContext, files: Readonly<Record<string, string>>) {
  const root = temporaryDirectory(t);
  const all: Readonly<Record<string, string>> = {
    'sys/devices/sda/dev': '8:0\n',
    'sys/devices/sda/sda1/dev': '8:1\n',
    'sys/devices/sda/sda1/partition': '1\n',
    'proc/self/mountinfo': '22 1 254:0 / / rw - ext4 /dev/vda rw\n',
    'proc/swaps': 'Filename\tType\tSize\tUsed\tPriority\n',
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  mkdirSync(join(root, 'sys/dev/block'), { recursive: true });
  symlinkSync('../../devices/sda', join(root, 'sys/dev/block/8:0'));
  symlinkSync('../../devices/sda/sda1', join(root, 'sys/dev/block/8:1'));
  return { proc: join(root, 'proc'), sys: join(root, 'sys') };
}

test('userOf() knows mounts, swap, arrays and what is made by device mapper', (t) => {
  t.is(userOf(8, 0, machine(t, {})), undefined);
  const mounted = machine(t, {
    'proc/self/mountinfo': '30 1 8:1 / /srv/photos rw - xfs /dev/sda1 rw\n',
  });
  t.is(userOf(8, 1, mounted), 'it is mounted at /srv/photos');
  t.is(userOf(8, 0, mounted), 'its partition sda1 is mounted at /srv/photos');
  const swap = machine(t, { 'proc/swaps': 'Filename Type\n/dev/sda1 partition 8388604 0 -2\n' });
  t.is(userOf(8, 1, swap), 'it is used as swap');
  const array = machine(t, { 'sys/devices/sda/sda1/holders/md0/dev': '9:0\n' });
  t.is(userOf(8, 0, array), 'its partition sda1 is part of md0');
  const mapped = machine(t, { 'sys/devices/sda/holders/dm-3/dm/name': 'vg-home\n' });
  t.is(userOf(8, 0, mapped), 'it is part of dm-3 (vg-home)');
  t.is(userOf(9, 9, mapped), undefined);
});
