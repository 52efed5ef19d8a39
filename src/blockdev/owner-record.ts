/**
 * The note beside a store's file that says which process has it open for writing.
 *
 * - It is `<path>.owner`, JSON, written under another name and linked into place: it is there as a
 *   whole or not at all, and of two who write it at once one fails.
 * - It outlives a killed owner; `judge` says whether it still counts.
 */

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { systemCode } from './descriptor-io.js';
import { bootId, namespaceOf, startTimeOf } from './system.js';

export interface OwnerRecord {
  readonly pid: number;
  readonly bootId: string | undefined;
  /** Of the process, in clock ticks since boot. */
  readonly startTime: string | undefined;
  readonly netNamespace: string | undefined;
  readonly pidNamespace: string | undefined;
}

/**
 * - `stale`: its owner is certainly gone.
 * - `alive`: its owner is certainly there.
 * - `here`: it was written in our network namespace, where the socket alone decides.
 * - `unknown`: it is from a namespace whose processes we can't see.
 */
export type OwnerState = 'stale' | 'alive' | 'here' | 'unknown';

export function ownerPath(path: string): string {
  return `${path}.owner`;
}

/** The record of this process. */
export function ownRecord(): OwnerRecord {
  return {
    pid: process.pid,
    bootId: bootId(),
    startTime: startTimeOf(process.pid),
    netNamespace: namespaceOf('net'),
    pidNamespace: namespaceOf('pid'),
  };
}

/** Whether the writer of `record` still has the store, as far as `own` can tell. */
export function judge(record: OwnerRecord, own: OwnerRecord = ownRecord()): OwnerState {
  if (record.bootId !== own.bootId) return 'stale';
  if (record.netNamespace !== undefined && record.netNamespace === own.netNamespace) return 'here';
  if (record.pidNamespace === undefined || record.pidNamespace !== own.pidNamespace) {
    return 'unknown';
  }
  const startTime = startTimeOf(record.pid);
  return startTime !== undefined && startTime === record.startTime ? 'alive' : 'stale';
}

/**
 * True unless the writer of `record` certainly does not hold the lock's socket in this network
 * namespace: it is in another one, or gone.
 */
export function mayHoldSocket(record: OwnerRecord, own: OwnerRecord = ownRecord()): boolean {
  if (judge(record, own) !== 'here') return false;
  if (record.pidNamespace !== own.pidNamespace) return true;
  return startTimeOf(record.pid) === record.startTime;
}

/** The record beside `path`; undefined where there is none. */
export function readOwner(path: string): OwnerRecord | 'unreadable' | undefined {
  return readRecord(ownerPath(path));
}

function readRecord(path: string): OwnerRecord | 'unreadable' | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  return parse(text) ?? 'unreadable';
}

/**
 * Writes `record` beside `path`; false when there is one already.
 * @throws the operating system's error when the directory can't be written
 */
export function writeOwner(path: string, record: OwnerRecord): boolean {
  const target = ownerPath(path);
  const draft = draftName(target);
  writeFileSync(draft, `${JSON.stringify(record)}\n`, { flag: 'wx' });
  try {
    linkSync(draft, target);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') return false;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error;
    renameSync(draft, target); // a file system without hard links
    return true;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Removes the record beside `path` if it still is `expected`; of anybody else's it keeps its hands
 * off. It is moved away first and looked at then, so that nobody can put another one in between.
 */
export function removeOwner(path: string, expected: OwnerRecord | 'unreadable'): void {
  const target = ownerPath(path);
  const moved = draftName(target);
  try {
    renameSync(target, moved);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  try {
    if (!isSame(readRecord(moved), expected)) linkSync(moved, target);
  } finally {
    rmSync(moved, { force: true });
  }
}

function draftName(target: string): string {
  return `${target}.${process.pid}.${process.hrtime.bigint()}`;
}

function isSame(
  found: OwnerRecord | 'unreadable' | undefined,
  expected: OwnerRecord | 'unreadable',
): boolean {
  return JSON.stringify(found) === JSON.stringify(expected);
}

function parse(text: string): OwnerRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  const pid = fields.get('pid');
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid)) return undefined;
  const field = (name: string): string | undefined => {
    const one = fields.get(name);
    return typeof one === 'string' ? one : undefined;
  };
  return {
    pid,
    bootId: field('bootId'),
    startTime: field('startTime'),
    netNamespace: field('netNamespace'),
    pidNamespace: field('pidNamespace'),
  };
}
