/**
 * Small traces of a test's own, and stores to replay them on.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { type ReplayFigures, replay } from '../../src/cli/replay/replayer.js';
import { checkState } from '../../src/cli/replay/state-check.js';
import { mkfsSync, Store, StoreError } from '../../src/index.js';
import { CephModel, type TraceOperation } from '../support/ceph-model.js';
import { fsckFileFault } from '../support/crash-fsck.js';
import { temporaryDirectory } from '../support/temp-directory.js';

/** The lines of a trace, one list of operations each. */
export function traceOf(...lines: readonly (readonly TraceOperation[])[]): string {
  const text = lines.map((ops, index) => JSON.stringify({ n: index + 1, c: ops[0]?.[1], ops }));
  return `${text.join('\n')}\n`;
}

export const PG = '2.0_head';
export const OBJECT = '#2:40000000:::o:head#';

/** A trace that touches a little of everything. */
export const SMALL: readonly (readonly TraceOperation[])[] = [
  [['mkcoll', PG, 0]],
  [['touch', PG, '#2:00000000::::head#']],
  [
    ['write', PG, OBJECT, 0, 5000, 77],
    ['setattrs', PG, OBJECT, { _: 250, '_user.a': [20, 5] }],
    ['omap_setkeys', PG, OBJECT, { k1: [15, 6], k2: 10 }],
  ],
  [['clone', PG, OBJECT, '#2:40000000:::o:4#']],
  [['omap_setheader', PG, OBJECT, 12]],
];

/** A directory with a store in it, and replays onto the store. */
export class ReplayBench {
  readonly directory: string;
  readonly path: string;

  constructor(t: ExecutionContext) {
    this.directory = temporaryDirectory(t);
    this.path = join(this.directory, 'store');
    mkfsSync(this.path, { size: 128 * 1024 * 1024, journalBytes: 1024 * 1024 });
    t.teardown(() => {
      const fault = fsckFileFault(this.path);
      if (fault !== undefined) throw new Error(fault);
    });
  }

  file(name: string, content: string | Uint8Array): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  /** Replays a trace, given as its file's content; gives figures or the error. */
  async replay(
    content: string | Uint8Array,
    options: { readonly batch?: number; readonly inFlight?: number } = {},
  ): Promise<ReplayFigures | StoreError> {
    const path = this.file('trace', content);
    const { batch = 1, inFlight = 16 } = options;
    return await this.withStore(async (store) => {
      try {
        return await replay({ store, path, batch, inFlight });
      } catch (error) {
        if (error instanceof StoreError) return error;
        throw error;
      }
    });
  }

  /** Differences from a state. */
  async differences(state: readonly string[]): Promise<string[]> {
    const path = this.file('state', gzipSync(`${state.join('\n')}\n`));
    const found: string[] = [];
    const onDifference = (difference: string): number => found.push(difference);
    await this.withStore((store) => checkState({ store, path, onDifference }));
    return found;
  }

  async withStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const store = await Store.open(this.path);
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }
}

/** What the model says about these lines. */
export function modelOf(lines: readonly (readonly TraceOperation[])[]): CephModel {
  const model = new CephModel({ withData: true });
  for (const ops of lines) for (const operation of ops) model.apply(operation);
  return model;
}
