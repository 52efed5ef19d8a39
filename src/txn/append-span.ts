/**
 * How much of an object that grows shall lie in one run.
 *
 * - Windows are a span long, or end where the object comes to a multiple of it.
 * - What an append does not get at once housekeeping puts right when the object comes there.
 */

/** What a disk reads in 20 ms. */
const SPAN_BYTES = 4 * 1024 * 1024;

/** A run of so much of a span is left alone: not every append fills its blocks. */
const LONG_PART = 7 / 8;

/** Bytes of a span, in whole stripes of `width` bytes; 0 where there are none. */
export function spanFor(width: number): number {
  return width === 0 ? SPAN_BYTES : Math.ceil(SPAN_BYTES / width) * width;
}

/** Bytes from which on a run is long. */
export function longRunOf(span: number): number {
  return span * LONG_PART;
}
