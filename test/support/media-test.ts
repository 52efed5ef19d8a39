/**
 * Declares tests that run on memory, on a file and on a loop device.
 *
 * - On memory they run in full; on the others, which cost system calls, a part of it, and in full
 *   with MEDIA=full.
 * - Where loop devices can't be used, the test says why and does nothing.
 */

import test, { type ExecutionContext } from 'ava';
import {
  MEDIUM_KINDS,
  type Medium,
  type MediumKind,
  PathMedium,
  SimulatedMedium,
} from './medium.js';
import { temporaryPath } from './temp-directory.js';
import { makeLoopDevice } from './temp-loop-device.js';

export const IS_MEDIA_FULL = process.env['MEDIA'] === 'full';

/** What of a full test runs on media other than memory unless it is asked for all. */
const PART = 0.1;

/** `count` rounds on memory, or as many as there is time for on another medium. */
export function roundsOn({ kind }: Medium, count: number): number {
  return kind === 'memory' || IS_MEDIA_FULL ? count : Math.ceil(count * PART);
}

export interface MediaTestOptions {
  /** Bytes of the medium. */
  readonly size: number;
  /** All unless given. */
  readonly kinds?: readonly MediumKind[];
}

/** Declares a test for each kind of medium, one after the other. */
export function testOnMedia(
  title: string,
  { size, kinds = MEDIUM_KINDS }: MediaTestOptions,
  body: (t: ExecutionContext, medium: Medium) => void | Promise<void>,
): void {
  for (const kind of kinds) {
    test.serial(kind === 'memory' ? title : `${title}, on a ${kind}`, async (t) => {
      const medium = mediumOf(t, kind, size);
      if (typeof medium !== 'string') return await body(t, medium);
      t.log(`Not run: ${medium}`);
      t.pass();
    });
  }
}

/** A medium for the time of the test, or the reason why there can't be one. */
export function mediumOf(t: ExecutionContext, kind: MediumKind, size: number): Medium | string {
  switch (kind) {
    case 'memory':
      return new SimulatedMedium({ size, history: false });
    case 'file':
      return new PathMedium(kind, temporaryPath(t), size);
    case 'loop device': {
      const device = makeLoopDevice(size);
      if (typeof device === 'string') return device;
      t.teardown(() => device.close());
      return new PathMedium(kind, device.path, size);
    }
  }
}
