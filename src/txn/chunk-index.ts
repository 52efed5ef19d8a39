/**
 * Where chunks of data stand in memory, by what their extent says of them; and which were seen once.
 *
 * - A bucket is a line of the processor's cache: three ways of five words, and the mark of the last
 *   chunk that was seen and not put. A chunk that finds its bucket full pushes the oldest out.
 * - Places rise with time; 0 is none. Nothing is removed: whoever puts knows from which place on
 *   they hold.
 */

const WAYS = 3;

/** Words of a way: address, rest of the address and units of length, halves of the checksum, place. */
const WAY_WORDS = 5;
const PLACE = 4;

/** Words of a bucket. */
const BUCKET_WORDS = 16;
const SEEN = WAYS * WAY_WORDS;

/** Lengths are counted in these bytes: the smallest sector. */
export const LENGTH_UNIT = 512;

/** Lengths stay below this many bytes. */
export const CHUNK_LENGTH_LIMIT = 2 ** 16 * LENGTH_UNIT;

/** What an extent says of a chunk. */
export interface ChunkName {
  readonly address: number; // block index
  readonly length: number; // bytes, a multiple of LENGTH_UNIT below CHUNK_LENGTH_LIMIT
  /** Halves of the checksum. */
  readonly low: number;
  readonly high: number;
}

export class ChunkIndex {
  readonly #words: Uint32Array;
  readonly #mask: number;

  /** `buckets` is a power of two. */
  constructor(buckets: number) {
    this.#words = new Uint32Array(buckets * BUCKET_WORDS);
    this.#mask = buckets - 1;
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  /** The place of a chunk; 0 when none is known. */
  find(chunk: ChunkName): number {
    const words = this.#words;
    const bucket = this.#bucketOf(chunk);
    const { address, low, high } = chunk;
    const rest = restOf(chunk);
    for (let way = bucket; way < bucket + SEEN; way += WAY_WORDS) {
      const isSame =
        words[way + 3] === high &&
        words[way + 2] === low &&
        words[way + 1] === rest &&
        words[way] === address >>> 0;
      if (isSame) return words[way + PLACE] as number;
    }
    return 0;
  }

  /** A chunk is at `place`, in [1, 2^32), from now on. */
  put(chunk: ChunkName, place: number): void {
    const words = this.#words;
    const bucket = this.#bucketOf(chunk);
    let oldest = bucket;
    for (let way = bucket + WAY_WORDS; way < bucket + SEEN; way += WAY_WORDS) {
      if ((words[way + PLACE] as number) < (words[oldest + PLACE] as number)) oldest = way;
    }
    words[oldest] = chunk.address;
    words[oldest + 1] = restOf(chunk);
    words[oldest + 2] = chunk.low;
    words[oldest + 3] = chunk.high;
    words[oldest + PLACE] = place;
  }

  /** True when the chunk was the last one of its bucket to be seen; it is now. */
  see(chunk: ChunkName): boolean {
    const at = this.#bucketOf(chunk) + SEEN;
    const wasSeen = this.#words[at] === chunk.high;
    this.#words[at] = chunk.high;
    return wasSeen;
  }

  /** Forgets all chunks. */
  clear(): void {
    this.#words.fill(0);
  }

  /** Neighbours on the device are neighbours here: most often they are looked for together. */
  #bucketOf({ address }: ChunkName): number {
    return (address & this.#mask) * BUCKET_WORDS;
  }
}

function restOf({ address, length }: ChunkName): number {
  return Math.floor(address / 2 ** 32) * 2 ** 16 + length / LENGTH_UNIT;
}
