/** A page of the names of collections. */

import { checkOptions, type OptionNames } from '../errors.js';
import { textOf } from '../format/bytes.js';
import { type Bytes, toBytes, toOwnBytes } from '../txn/argument.js';
import { DamageLog } from './damage-log.js';
import type { DamageOption } from './entry-page.js';
import { pageLimit } from './page.js';
import type { View } from './view.js';

/** A page of names. */
export interface NamePage extends DamageOption {
  /** The names behind this one: for paging. */
  readonly after?: Bytes;
  /** Most names; 1000 by default. */
  readonly limit?: number;
}

const NAME_PAGE: OptionNames<NamePage> = { after: true, limit: true, onDamage: true };

/** A page, and what could not be read of it. */
interface ListedNames {
  readonly names: Uint8Array[];
  readonly damage: DamageLog;
}

/** Names of collections in order. */
export function listNamesSync(view: View, options: NamePage): Uint8Array[] {
  const { names, damage } = view.sync(() => namesOf(view, options));
  damage.tell();
  return names;
}

/** As `listNamesSync`. */
export async function listNames(view: View, options: NamePage): Promise<Uint8Array[]> {
  const { after } = checkOptions(options, NAME_PAGE);
  const own = after === undefined ? options : { ...options, after: toOwnBytes(after) };
  const { names, damage } = await view.run(() => namesOf(view, own));
  damage.tell();
  return names;
}

function namesOf(view: View, options: NamePage): ListedNames {
  const { after } = checkOptions(options, NAME_PAGE);
  const limit = pageLimit(options.limit);
  const damage = new DamageLog(options.onDamage);
  const names: Uint8Array[] = [];
  const cursor = view.collections.cursor();
  const next = (): boolean => cursor.next();
  const first = after === undefined ? undefined : toBytes(after);
  const skip = (): boolean => cursor.skip();
  damage.step(() => (first === undefined ? cursor.seekFirst() : cursor.seek(first)), skip);
  while (cursor.valid && names.length < limit) {
    const name = cursor.key();
    const isAfter = first === undefined || names.length > 0 || textOf(name) !== textOf(first);
    if (isAfter) names.push(name);
    if (names.length < limit) damage.step(next, skip);
  }
  return { names, damage };
}
