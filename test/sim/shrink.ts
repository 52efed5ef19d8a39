/**
 * Makes a failing list shorter as long as it fails: delta debugging. What is returned fails, and
 * no longer does without any single one of its items.
 */

/** `fails` must hold for `items`; it is asked about lists with some of them, in their order. */
export async function shrink<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let best = items;
  for (let pieces = 2; best.length > 0; ) {
    const shorter = await withoutPiece(best, Math.min(pieces, best.length), fails);
    if (shorter !== undefined) {
      best = shorter;
      pieces = Math.max(2, pieces - 1);
    } else if (pieces >= best.length) break;
    else pieces = Math.min(best.length, 2 * pieces);
  }
  return best;
}

/** The list without the first of `pieces` equal parts that can go. */
async function withoutPiece<T>(
  items: readonly T[],
  pieces: number,
  fails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[] | undefined> {
  for (let i = pieces; i > 0; i--) {
    const from = Math.floor(((i - 1) * items.length) / pieces);
    const to = Math.floor((i * items.length) / pieces);
    const rest = [...items.slice(0, from), ...items.slice(to)];
    if (await fails(rest)) return rest;
  }
  return undefined;
}
