/**
 * What listings do about damage: they go on behind it, and the command then ends with an error that
 * says what could not be listed.
 */

import { type DamageOption, StoreError } from '../index.js';

/** In the help of a command that lists. */
export const DAMAGE_DETAILS = 'Goes on behind damage; stderr then says so, and the exit code is 1.';

/** Lists with `list`, then tells what it has come upon. @throws StoreError E_CORRUPT, E_IO */
export async function listBehindDamage(
  list: (damage: DamageOption) => Promise<void>,
): Promise<void> {
  const met: StoreError[] = [];
  await list({ onDamage: (error) => met.push(error) });
  const [first] = met;
  if (first === undefined) return;
  const places = met.length === 1 ? '' : `, and ${met.length - 1} places more`;
  throw new StoreError(first.code, `Cannot list everything: ${first.message}${places}`, {
    cause: first,
  });
}
