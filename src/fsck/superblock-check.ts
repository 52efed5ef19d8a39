/**
 * Checking the four superblock slots, and choosing the superblock that everything else is checked
 * against: the newest, which is the last checkpoint.
 *
 * - Where the device ends before the store does, that is one finding: slots behind the end are none
 *   of their own. What else was there is found missing by whatever refers to it.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { hasCode, type StoreError } from '../errors.js';
import { equalBytes } from '../format/bytes.js';
import {
  SUPERBLOCK,
  SUPERBLOCK_SIZE,
  type Superblock,
  superblockNumber,
} from '../format/superblock.js';
import { hasFixedPlaces } from '../format/superblock-bounds.js';
import { findSuperblocks, missingBytes, slotOffsets } from '../txn/superblock-slots.js';
import { DeviceMap, readBytes } from './device-map.js';
import type { FindingCode, Findings } from './finding.js';

/** What a store is checked against. */
export interface Anchor {
  readonly superblock: Superblock;
  readonly map: DeviceMap;
}

/** Errors of finding a superblock that end a check. */
const ENDS: Readonly<Record<string, FindingCode>> = {
  E_NOT_A_STORE: 'no-superblock',
  E_VERSION: 'newer-format',
};

/** The newest superblock; undefined when there is none to go by, which is reported. */
export function* checkSuperblocks(device: BlockDevice, findings: Findings): Io<Anchor | undefined> {
  try {
    const { newest, older, faults } = yield* findSuperblocks(device);
    const missing = missingBytes(device, newest);
    if (missing > 0) {
      const message = `The device ends ${missing} bytes before the store does`;
      findings.add('device-short', message, { offset: device.size, length: missing });
    }
    for (const { offset, reason } of faults) {
      if (offset + SUPERBLOCK_SIZE > device.size) continue;
      findings.add('superblock-slot', `Slot: ${reason}`, { offset, length: SUPERBLOCK_SIZE });
    }
    if (older !== undefined && older.number !== newest.number - 1) {
      const message = `The newest superblock is ${newest.number}, the other one ${older.number}`;
      findings.add('superblock-gap', message);
    }
    yield* checkTwins(device, newest, findings);
    if (missing > 0 && !hasFixedPlaces(newest, device.size - (device.size % newest.blockSize)))
      return undefined;
    return anchorOf(device, newest, findings);
  } catch (error) {
    const code = endOf(error);
    if (code === undefined) throw error;
    findings.add(code, (error as StoreError).message);
    return undefined;
  }
}

function endOf(error: unknown): FindingCode | undefined {
  const code = Object.keys(ENDS).find((one) => hasCode(error, one as StoreError['code']));
  return code === undefined ? undefined : ENDS[code];
}

/** Both slots of a number hold the same but for their own place, which the checksum covers. */
function* checkTwins(device: BlockDevice, newest: Superblock, findings: Findings): Io<void> {
  for (const parity of [0, 1]) {
    const [near, far] = slotOffsets(newest, parity);
    if (far + SUPERBLOCK_SIZE > device.size) continue;
    const one = yield* readBytes(device, near, SUPERBLOCK_SIZE);
    const other = yield* readBytes(device, far, SUPERBLOCK_SIZE);
    if (typeof one === 'string' || typeof other === 'string') continue;
    const number = superblockNumber(one);
    if (number === undefined || number !== superblockNumber(other)) continue;
    for (const bytes of [one, other]) {
      bytes.fill(0, SUPERBLOCK.checksum, SUPERBLOCK.magic);
      bytes.fill(0, SUPERBLOCK.address, SUPERBLOCK.number);
    }
    if (equalBytes(one, other)) continue;
    const message = `Superblock ${number} is another one in its far slot at ${far}`;
    findings.add('superblock-twins', message, { offset: near, length: SUPERBLOCK_SIZE });
  }
}

function anchorOf(
  device: BlockDevice,
  superblock: Superblock,
  findings: Findings,
): Anchor | undefined {
  try {
    const map = new DeviceMap(device, superblock);
    const { groupBlocks } = map.groups;
    if (superblock.groupBlocks !== groupBlocks) {
      const message = `Groups have ${groupBlocks} blocks, the superblock says ${superblock.groupBlocks}`;
      findings.add('superblock-geometry', message);
    }
    return { superblock, map };
  } catch (error) {
    if (!hasCode(error, 'E_INVALID_ARGUMENT')) throw error;
    findings.add('superblock-geometry', error.message);
    return undefined;
  }
}
