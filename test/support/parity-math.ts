/**
 * The parity of RAID-5 and RAID-6: P is the sum of all data, Q the sum of each data unit times a
 * power of 2, in the field of 256 elements with the polynomial 0x11d.
 *
 * - All arrays of one call are equally long, a multiple of four bytes, and at such offsets.
 */

const LOGARITHMS = new Uint8Array(256);
const POWERS = new Uint8Array(510);

for (let i = 0, value = 1; i < 255; i++) {
  POWERS[i] = value;
  POWERS[i + 255] = value;
  LOGARITHMS[value] = i;
  value = value < 128 ? value << 1 : ((value << 1) ^ 0x11d) & 0xff;
}

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** `target` becomes the sum of `units`. */
export function sumOf(units: readonly Uint8Array[], target: Uint8Array): void {
  const sum = words(target);
  sum.fill(0);
  for (const unit of units) {
    const added = words(unit);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) ^ (added[i] as number);
  }
}

/** `target` becomes the sum of each of `units` times 2 to the power of its index. */
export function weightedSumOf(units: readonly Uint8Array[], target: Uint8Array): void {
  const sum = words(target);
  sum.fill(0);
  for (let index = units.length - 1; index >= 0; index--) {
    const added = words(units[index] as Uint8Array);
    for (let i = 0; i < sum.length; i++) {
      const value = sum[i] as number;
      const carried = ((value >>> 7) & 0x0101_0101) * 0x1d;
      sum[i] = ((value << 1) & 0xfefe_fefe) ^ carried ^ (added[i] as number);
    }
  }
}

/** Divides every byte of `target` by 2 to the power of `exponent`. */
export function divideByPower(target: Uint8Array, exponent: number): void {
  multiplyAll(target, POWERS[255 - (exponent % 255)] as number);
}

/**
 * The data units at indices `x` and `y`, both lost, from what is left: `p` and `q` are the sums of
 * all data, `partP` and `partQ` those of the data that is left. `p` becomes unit y, `q` unit x.
 */
export function solveTwo(
  x: number,
  y: number,
  p: Uint8Array,
  q: Uint8Array,
  partP: Uint8Array,
  partQ: Uint8Array,
): void {
  const gx = POWERS[x % 255] as number;
  const gy = POWERS[y % 255] as number;
  const inverse = 255 - (LOGARITHMS[gx ^ gy] as number);
  for (let i = 0; i < p.length; i++) {
    const sum = (p[i] as number) ^ (partP[i] as number);
    const weighted = (q[i] as number) ^ (partQ[i] as number);
    const part = weighted ^ multiply(sum, gy);
    const unitX = part === 0 ? 0 : (POWERS[(LOGARITHMS[part] as number) + inverse] as number);
    q[i] = unitX;
    p[i] = sum ^ unitX;
  }
}

function multiplyAll(target: Uint8Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i] = multiply(target[i] as number, factor);
}

function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return POWERS[(LOGARITHMS[a] as number) + (LOGARITHMS[b] as number)] as number;
}
