/**
 * The lock that lets one process at a time write to a store in a file.
 *
 * - Node has no flock. The lock is a Linux abstract socket named after device and inode: the kernel
 *   lets one process bind it, and frees it however that process ends. So no lock is ever stale.
 * - An abstract socket is seen only within its network namespace. The owner record beside the file
 *   (owner-record.ts) covers the others; one that can't be judged is refused unless forced.
 * - Within one network namespace the socket alone decides, whatever a record says.
 * - Readers take no lock. They are let in while nobody writes; a writer may start afterwards, and
 *   then overwrites what they look at: their reads may fail their checksums, never lie.
 * - The socket is unreferenced: it never keeps the process alive.
 */

import { createServer, type Server } from 'node:net';
import { StoreError } from '../errors.js';
import type { Releasable } from './descriptor-device.js';
import { reasonOf } from './descriptor-io.js';
import {
  judge,
  mayHoldSocket,
  type OwnerRecord,
  ownerPath,
  ownRecord,
  readOwner,
  removeOwner,
  writeOwner,
} from './owner-record.js';
import { abstractSocketInode, holderOf } from './system.js';

/** The file to lock, as `fstat` tells it. */
export interface FileIdentity {
  readonly dev: number | bigint;
  readonly ino: number | bigint;
}

export interface LockOptions {
  /** Overrides an owner record that can't be judged; never a live owner that can be seen. */
  readonly force: boolean;
}

/**
 * Name space in the address of a Unix socket, behind the NUL. It is filled up: some versions of
 * libuv bind the name as it is and some pad it with NULs, and all must get the same address.
 */
const NAME_SIZE = 107;

/**
 * How long a socket without the record of a living owner is looked at again. While a process starts
 * a child, the child has copies of its sockets for a moment: one that was just closed is still
 * bound. The same is seen of an owner that has bound the socket and not yet written its record.
 */
const OWNERLESS_MS = 1000;

/**
 * Takes the lock for the file at `path`.
 * @throws StoreError E_BUSY naming the owner's pid, E_PERMISSION when no record can be written
 */
export function acquireLock(
  path: string,
  identity: FileIdentity,
  { force }: LockOptions,
): Releasable {
  const name = socketName(identity);
  const server = bindOrRefuse(path, name);
  const own = ownRecord();
  try {
    replaceRecord(path, own, force);
  } catch (error) {
    server.close();
    throw error;
  }
  return {
    release() {
      try {
        removeOwner(path, own);
      } finally {
        server.close();
      }
    },
  };
}

/**
 * Lets a reader in while nobody writes to the file at `path`.
 * @throws StoreError E_BUSY naming the owner's pid
 */
export function checkNoWriter(path: string, identity: FileIdentity, { force }: LockOptions): void {
  const name = socketName(identity);
  const until = performance.now() + OWNERLESS_MS;
  while (abstractSocketInode(name) !== undefined) {
    if (isOwned(path, until)) throw busy(path, socketOwner(path, name));
  }
  const record = readOwner(path);
  if (record !== undefined) checkRecord(path, record, force);
}

/** The abstract name of the lock, without its NUL. */
export function socketName({ dev, ino }: FileIdentity): string {
  return `holdfast-${dev}-${ino}-`.padEnd(NAME_SIZE, '.');
}

function bindOrRefuse(path: string, name: string): Server {
  const until = performance.now() + OWNERLESS_MS;
  // A second try is for an owner that ended between the first one and the look for it.
  for (let unexplained = 0; unexplained < 2; ) {
    const server = bind(name);
    if (server !== undefined) return server;
    if (abstractSocketInode(name) === undefined) unexplained++;
    else if (isOwned(path, until)) throw busy(path, socketOwner(path, name));
  }
  throw new StoreError(
    'E_PERMISSION',
    `Cannot open ${path}: its lock, an abstract Unix socket, cannot be bound on this system; ` +
      'open it read-only',
  );
}

/** True when the bound socket has an owner who says so, or has been there for too long. */
function isOwned(path: string, until: number): boolean {
  const record = readOwner(path);
  const explained = record !== undefined && record !== 'unreadable' && mayHoldSocket(record);
  return explained || performance.now() > until;
}

/**
 * Binds the abstract socket; undefined when somebody has it.
 *
 * `listen` reports by events in a later turn, but for a Unix socket binds before it returns, and
 * `listening` is true from then on exactly when it succeeded (a test holds Node to that). Were it
 * ever later, every lock would be refused: the safe way to be wrong. `exclusive` keeps a cluster
 * worker from asking its primary, which would share the socket.
 */
function bind(name: string): Server | undefined {
  const server = createServer((connection) => connection.destroy());
  server.on('error', () => server.unref()); // comes later; the answer is `listening`
  server.listen({ path: `\0${name}`, exclusive: true });
  server.unref();
  return server.listening ? server : undefined;
}

/** Puts our record in place of none, or of one whose owner is gone. */
function replaceRecord(path: string, own: OwnerRecord, force: boolean): void {
  // A second round is needed when there was a record; a third when somebody was quicker.
  for (let round = 0; round < 3; round++) {
    if (tryWriteOwner(path, own)) return;
    const found = readOwner(path);
    if (found === undefined) continue;
    checkRecord(path, found, force);
    removeOwner(path, found);
  }
  throw busy(path, undefined);
}

function tryWriteOwner(path: string, own: OwnerRecord): boolean {
  try {
    return writeOwner(path, own);
  } catch (cause) {
    const what = `Cannot open ${path}: its owner record ${ownerPath(path)} cannot be written`;
    throw new StoreError(
      'E_PERMISSION',
      `${what} (${reasonOf(cause)}); make its directory writable, or open it read-only`,
      { cause },
    );
  }
}

function checkRecord(path: string, record: OwnerRecord | 'unreadable', force: boolean): void {
  const state = record === 'unreadable' ? 'unknown' : judge(record);
  if (state === 'stale' || state === 'here') return;
  if (state === 'alive') throw busy(path, record === 'unreadable' ? undefined : record.pid);
  if (force) return;
  const who =
    record === 'unreadable' ? 'nobody known' : `process ${record.pid} of another namespace`;
  throw new StoreError(
    'E_BUSY',
    `Cannot open ${path}: ${ownerPath(path)} says that ${who} has it open; ` +
      'make sure that it is gone, then use force',
  );
}

function socketOwner(path: string, name: string): number | undefined {
  const record = readOwner(path);
  if (record !== undefined && record !== 'unreadable' && judge(record) === 'here') {
    return record.pid;
  }
  const inode = abstractSocketInode(name);
  return inode === undefined ? undefined : holderOf(`socket:[${inode}]`);
}

/** The refusal of a second opener. */
export function busy(path: string, pid: number | undefined): StoreError {
  const owner = pid === undefined ? 'another process' : `process ${pid}`;
  const self = pid === process.pid ? ' (this one)' : '';
  return new StoreError(
    'E_BUSY',
    `Cannot open ${path}: ${owner}${self} has it open; close it there first`,
  );
}
