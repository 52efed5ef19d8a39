/** Milliseconds of `90s`, `10m`, `2h`; a plain number is seconds. */
export function milliseconds(text: string): number {
  const [, count, unit = 's'] = /^(\d+)([smh])?$/.exec(text) ?? [];
  if (count === undefined) throw new RangeError(`Cannot use budget ${text}: expected 90s, 10m, 2h`);
  return Number(count) * { s: 1000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h'];
}
