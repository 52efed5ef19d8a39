/** Opens a system by its name, and tells versions. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPeer, peerVersion, REPOSITORY } from './peer-package.js';
import type { Later, System, SystemName, SystemOptions } from './system.js';
import { openHoldfast } from './systems/holdfast-system.js';
import { openLeveldb } from './systems/leveldb-system.js';
import { openLmdb } from './systems/lmdb-system.js';
import { openRaw } from './systems/raw-system.js';
import { openSqlite } from './systems/sqlite-system.js';

const OPENERS: Readonly<Record<SystemName, (options: SystemOptions) => Later<System>>> = {
  holdfast: openHoldfast,
  lmdb: openLmdb,
  leveldb: openLeveldb,
  sqlite: openSqlite,
  raw: openRaw,
};

export async function openSystem(name: SystemName, options: SystemOptions): Promise<System> {
  return await OPENERS[name](options);
}

/** Package and version of a system; throws when it is not installed. */
export function versionOf(name: SystemName): string {
  switch (name) {
    case 'holdfast': {
      const text = readFileSync(join(REPOSITORY, 'package.json'), 'utf8');
      return `holdfast ${(JSON.parse(text) as { version: string }).version}`;
    }
    case 'lmdb':
      return `lmdb ${peerVersion('lmdb')}`;
    case 'leveldb':
      return `classic-level ${peerVersion('classic-level')}`;
    case 'sqlite':
      return `better-sqlite3 ${peerVersion('better-sqlite3')} (SQLite ${sqliteVersion()})`;
    case 'raw':
      return 'write, fdatasync, pread';
  }
}

interface SqliteProbe {
  prepare(sql: string): { pluck(): { get(): unknown } };
  close(): void;
}

function sqliteVersion(): string {
  const database = new (loadPeer<new (path: string) => SqliteProbe>('better-sqlite3'))(':memory:');
  const version = String(database.prepare('SELECT sqlite_version()').pluck().get());
  database.close();
  return version;
}
