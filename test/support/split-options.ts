/** The options of a test's store, which is made and opened: each call takes its own. */

import { MKFS_OPTIONS, type MkfsOptions } from '../../src/store/mkfs.js';
import { OPEN_OPTIONS, type OpenOptions } from '../../src/store/store.js';

export function mkfsPart(options: object): MkfsOptions {
  return part(options, MKFS_OPTIONS);
}

export function openPart(options: object): OpenOptions {
  return part(options, OPEN_OPTIONS);
}

function part(options: object, names: object) {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(names, name)));
}
