/**
 * Finds the native packages, which are installed in bench/peers and nowhere else.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository, seen from dist/bench/compare. */
export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

const PEERS = join(REPOSITORY, 'bench', 'peers');

/** What the package exports; `T` is as much of it as the caller uses. */
export function loadPeer<T>(name: string): T {
  try {
    return createRequire(join(PEERS, 'package.json'))(name) as T;
  } catch (cause) {
    throw notInstalled(name, cause);
  }
}

function notInstalled(name: string, cause: unknown): Error {
  return new Error(`Cannot load ${name}: run npm install --prefix bench/peers first`, { cause });
}

/** The installed version of a package. */
export function peerVersion(name: string): string {
  const path = join(PEERS, 'node_modules', name, 'package.json');
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
  } catch (cause) {
    throw notInstalled(name, cause);
  }
}
