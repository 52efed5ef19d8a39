/**
 * A sample store that is damaged in one place after the other, each time asked everything, and
 * made whole again.
 *
 * What is demanded of each damage:
 * - Opening gives a store or a typed error. Every question has the right answer or E_CORRUPT.
 *   Right is the state before the first journal record that is not as it was; the store says that
 *   it is cut there, or damaged if it had been durable for certain.
 * - Fsck has a finding that names each place where a byte changed that a checksum covers, and has
 *   none when no such byte changed.
 * - Nothing is remembered: made whole, the store gives the right answers.
 *
 * What makes millions of damages feasible: where opening reads nothing that changed, a store that
 * is open already is asked, and only what reads a changed block. All other reads do what they did
 * before, as they see the same bytes; which blocks a read sees is recorded, not guessed.
 */

import { CorruptError, hasCode } from '../../src/errors.js';
import type { Finding } from '../../src/fsck/finding.js';
import { Store } from '../../src/store/store.js';
import { ImageDevice } from './image-device.js';
import { checkSample } from './sample-check.js';
import { type MappedRecord, SampleMap } from './sample-map.js';
import { SAMPLE_OPEN, type Sample } from './sample-store.js';
import {
  type Answer,
  answerOf,
  CORRUPT,
  type Question,
  questionsOf,
  sameAnswer,
} from './store-questions.js';

/** New bytes at a place. */
export interface Damage {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface LabOptions {
  /** Of the questions behind an opening, one in so many is asked; all unless given. */
  readonly thinning?: number;
  /** Fsck stops where the damage is named, but for one in so many; never unless given. */
  readonly stopEarly?: number;
}

/** What is looked at after a damage. */
export interface Looks {
  readonly reads: boolean;
  readonly fsck: boolean;
  /** No change is above another: none may be hidden. */
  readonly isFlat: boolean;
}

const EVERYTHING: Looks = { reads: true, fsck: true, isFlat: false };

/** Damages between two looks at whether the open store has remembered any. */
const RECHECK_EVERY = 5000;

/**
 * Behind bytes that are read and never looked at, all is as it was: an eighth of the questions is
 * enough, another one for each byte.
 */
const PADDING: LabOptions = { thinning: 8 };

/** Most blocks under one checksum of data. */
const CHUNK_BLOCKS = 4;

/** Unit in which reads are recorded, bytes. */
const GRAIN = 512;

/** What a damage is expected to do. */
interface Expected {
  /** Transactions of the journal that are still there. */
  readonly transactions: number;
  /** Records that can't be believed. */
  readonly lost: ReadonlySet<MappedRecord>;
  readonly isDamage: boolean;
  /** Changed bytes in some covered place. */
  readonly isCovered: boolean;
  /** The end of the journal was never durable for certain, and may be gone without a trace. */
  readonly maySilence: boolean;
}

export class DamageLab {
  readonly map: SampleMap;
  readonly counts = { damages: 0, opened: 0, refused: 0, corrupt: 0, right: 0, findings: 0 };
  readonly #options: LabOptions;
  readonly #device: ImageDevice;
  readonly #whole: Uint8Array;
  readonly #questions: readonly Question[];
  /** Answers by the number of transactions in the state. */
  readonly #answers: readonly (readonly Answer[])[];
  readonly #steady: Store;
  readonly #openReads = new Set<number>();
  /** Questions by the grain that they read. */
  readonly #readers = new Map<number, Set<number>>();

  /** `marked`: the image whose last record is known to have been durable. */
  constructor(sample: Sample, image: 'unmarked' | 'marked' = 'unmarked', options: LabOptions = {}) {
    this.#options = options;
    this.#whole = image === 'marked' ? sample.marked : sample.bytes;
    this.map = new SampleMap(this.#whole);
    this.#device = new ImageDevice(this.#whole.slice(), { readOnly: true });
    this.#device.onRead = (offset, length) => note(this.#openReads, offset, length);
    this.#steady = openOn(this.#device);
    this.#questions = questionsOf(this.#steady);
    this.#answers = sample.states.map((state) => this.#answersOf(state));
    this.#record();
  }

  /** Bytes of the image. */
  get size(): number {
    return this.#whole.length;
  }

  /** The undamaged bytes of a place. */
  at(offset: number, length: number): Uint8Array {
    return this.#whole.slice(offset, offset + length);
  }

  /** Bytes that neither opening nor a question reads, and no deep check looks at. */
  isUnread(offset: number): boolean {
    return this.map.classOf(offset) === 'free' && !this.#isRead(offset);
  }

  /** A flipped byte. */
  flipped(offset: number, mask: number): Damage {
    return { offset, bytes: new Uint8Array([(this.#whole[offset] as number) ^ mask]) };
  }

  /** Changes bytes. @returns what was wrong with what came of it, if anything */
  damage(damages: readonly Damage[], looks: Looks = EVERYTHING): string | undefined {
    this.counts.damages++;
    for (const { offset, bytes } of damages) this.#device.bytes.set(bytes, offset);
    const changed = this.#changed(damages);
    try {
      const expected = this.#expect(changed);
      const fault = looks.reads ? this.#lookAt(changed, expected) : undefined;
      return fault ?? (looks.fsck ? this.#fsckFault(changed, expected, looks) : undefined);
    } catch (error) {
      return `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    } finally {
      for (const { offset, bytes } of damages) {
        this.#device.bytes.set(this.#whole.subarray(offset, offset + bytes.length), offset);
      }
      if (this.counts.damages % RECHECK_EVERY === 0) this.recheck();
    }
  }

  /**
   * Sets of blocks that can be damaged together, so that fsck has to find each one by itself: none
   * is above another in a tree, no two are under one checksum. Block indices.
   *
   * Found by peeling: of all blocks that are damaged at once, fsck names those with nothing damaged
   * above them. They are a layer; made whole, they leave the next one to be named.
   */
  layers(): number[][] {
    const left = new Set(this.#coveredBlocks());
    const layers: number[][] = [];
    for (const block of left) this.#toggle(block);
    while (left.size > 0) {
      const named = this.#namedOf(left);
      if (named.length === 0) throw new Error(`Fsck names none of the damaged blocks ${[...left]}`);
      for (const block of named) {
        left.delete(block);
        this.#toggle(block);
      }
      for (let part = 0; part < CHUNK_BLOCKS; part++) {
        const layer = named.filter((block) => block % CHUNK_BLOCKS === part);
        if (layer.length > 0) layers.push(layer);
      }
    }
    if (Buffer.compare(this.#device.bytes, this.#whole) !== 0) throw new Error('Not whole again');
    return layers;
  }

  /** Flips a byte in the middle of a block, or flips it back. */
  #toggle(block: number): void {
    const { blockSize } = this.map.superblock;
    const at = block * blockSize + (blockSize >> 1);
    this.#device.bytes[at] = (this.#device.bytes[at] as number) ^ 255;
  }

  /** The blocks in use or written ahead. */
  *#coveredBlocks(): Generator<number> {
    const { blockSize } = this.map.superblock;
    for (let at = 0; at < this.size; at += blockSize) {
      const name = this.map.classOf(at + (blockSize >> 1));
      if (name === 'used' || name === 'ahead') yield at / blockSize;
    }
  }

  /** Those of `blocks` that a finding lies on. */
  #namedOf(blocks: ReadonlySet<number>): number[] {
    const { blockSize } = this.map.superblock;
    const findings = checkSample(this.#device).filter(({ severity }) => severity !== 'note');
    return [...blocks].filter((block) => {
      const at = block * blockSize + (blockSize >> 1);
      return findings.some(({ offset = 0, length = 0 }) => offset <= at && at < offset + length);
    });
  }

  /** @throws when the open store, its device being whole, gives an answer that is not right */
  recheck(): void {
    const fault = this.#ask(this.#steady, this.map.transactions, [...this.#questions.keys()], {
      corruptIsFine: false,
    });
    if (fault !== undefined) throw new Error(`The store remembers damage: ${fault}`);
  }

  #answersOf(bytes: Uint8Array): Answer[] {
    const store = openOn(new ImageDevice(bytes, { readOnly: true }));
    return this.#questions.map((question) => answerOf(question, store));
  }

  /** Records which questions read what; those of a first walk that the second doesn't repeat. */
  #record(): void {
    const first = new Set<number>();
    this.#device.onRead = (offset, length) => note(first, offset, length);
    for (const question of this.#questions) answerOf(question, this.#steady);
    this.#questions.forEach((question, index) => {
      this.#device.onRead = (offset, length) => {
        for (const grain of grainsOf(offset, length)) {
          const readers = this.#readers.get(grain) ?? new Set();
          this.#readers.set(grain, readers.add(index));
        }
      };
      answerOf(question, this.#steady);
    });
    for (const grain of first) if (!this.#readers.has(grain)) this.#openReads.add(grain);
    this.#device.onRead = undefined;
  }

  #isRead(offset: number): boolean {
    const grain = Math.floor(offset / GRAIN);
    return this.#openReads.has(grain) || this.#readers.has(grain);
  }

  /** Offsets of the bytes that differ now. */
  #changed(damages: readonly Damage[]): number[] {
    const changed: number[] = [];
    for (const { offset, bytes } of damages) {
      for (let i = 0; i < bytes.length; i++) {
        if (bytes[i] !== this.#whole[offset + i]) changed.push(offset + i);
      }
    }
    return changed;
  }

  #expect(changed: readonly number[]): Expected {
    const lost = new Set<MappedRecord>();
    let isCovered = false;
    for (const offset of changed) {
      const name = this.map.classOf(offset);
      if (name === 'free' || name === 'padding') continue;
      isCovered = true;
      if (name === 'record' || name === 'body' || name === 'ahead') {
        const record = this.map.recordOf(offset);
        if (record === undefined) continue;
        if (name !== 'ahead' || this.map.isRead(record)) lost.add(record);
      }
    }
    const state = this.map.stateWithout(lost);
    const maySilence = lost.size > 0 && !state.isDamage && changed.length > 1;
    return { ...state, lost, isCovered, maySilence };
  }

  #lookAt(changed: readonly number[], expected: Expected): string | undefined {
    const grains = new Set(changed.map((offset) => Math.floor(offset / GRAIN)));
    if ([...grains].some((grain) => this.#openReads.has(grain))) return this.#reopen(expected);
    const questions = new Set<number>();
    for (const grain of grains) {
      for (const index of this.#readers.get(grain) ?? []) questions.add(index);
    }
    return this.#ask(this.#steady, expected.transactions, [...questions], { corruptIsFine: true });
  }

  /** Opens the damaged image, and asks everything. */
  #reopen(expected: Expected): string | undefined {
    let store: Store;
    try {
      store = openOn(new ImageDevice(this.#device.bytes, { readOnly: true }));
    } catch (error) {
      this.counts.refused++;
      if (error instanceof CorruptError && expected.isCovered) return undefined;
      throw error;
    }
    this.counts.opened++;
    const { cut, damage, obstacle } = store.recovery;
    if (obstacle !== undefined) {
      // What the journal needs is damaged: the last checkpoint is shown.
      if (!expected.isCovered) return `nothing is damaged, and still: ${obstacle}`;
      return this.#ask(store, 0, [...this.#questions.keys()], { corruptIsFine: true });
    }
    if (expected.isDamage !== (damage !== undefined)) return `damage is ${JSON.stringify(damage)}`;
    const isCut = expected.lost.size > 0 && !expected.isDamage;
    if (isCut && !expected.maySilence && cut === undefined)
      return 'the end of the journal is cut off silently';
    if (expected.isDamage) {
      const fault = this.#writableFault();
      if (fault !== undefined) return fault;
    }
    const { thinning = 1 } = expected.isCovered ? this.#options : PADDING;
    const shift = this.counts.damages % thinning;
    const questions = [...this.#questions.keys()].filter((i) => i % thinning === shift);
    return this.#ask(store, expected.transactions, questions, { corruptIsFine: true });
  }

  #writableFault(): string | undefined {
    try {
      const device = new ImageDevice(this.#device.bytes);
      Store.openOnSync(device, SAMPLE_OPEN);
      device.undo();
      return 'a damaged journal was opened for writing';
    } catch (error) {
      if (hasCode(error, 'E_DAMAGED_JOURNAL')) return undefined;
      throw error;
    }
  }

  #ask(
    store: Store,
    transactions: number,
    questions: readonly number[],
    options: { readonly corruptIsFine: boolean },
  ): string | undefined {
    const answers = this.#answers[transactions] ?? [];
    for (const index of questions) {
      const question = this.#questions[index] as Question;
      const answer = answerOf(question, store);
      if (answer === CORRUPT && options.corruptIsFine) this.counts.corrupt++;
      else if (sameAnswer(answer, answers[index] as Answer)) this.counts.right++;
      else return `wrong answer to "${question.what}" after ${transactions} transactions`;
    }
    return undefined;
  }

  /** Every changed place is named, and nothing is found where nothing counts. */
  #fsckFault(changed: readonly number[], expected: Expected, looks: Looks): string | undefined {
    if (!expected.isCovered && changed.every((offset) => this.isUnread(offset))) return undefined;
    const { stopEarly = 0 } = this.#options;
    const mayStop = stopEarly > 0 && this.counts.damages % stopEarly !== 0;
    const isNamed = (finding: Finding): boolean =>
      changed.every((offset) => this.#names(finding, offset, expected));
    const enough = mayStop && expected.isCovered ? isNamed : undefined;
    const findings = checkSample(this.#device, enough);
    this.counts.findings += findings.length;
    if (!expected.isCovered) {
      const [first] = findings;
      return first === undefined ? undefined : `fsck finds ${first.code}: ${first.message}`;
    }
    if (enough !== undefined && findings.some(isNamed)) return undefined;
    return this.#unnamed(changed, findings, expected, looks);
  }

  #unnamed(
    changed: readonly number[],
    findings: readonly Finding[],
    expected: Expected,
    looks: Looks,
  ): string | undefined {
    const isHidden = !looks.isFlat && findings.some(({ code }) => code === 'space-unknown');
    const isOnlyCopy = changed.every((offset) => this.map.classOf(offset) === 'copy');
    const cutAt = this.#firstCut(changed);
    const covered = changed.filter((offset) => {
      const name = this.map.classOf(offset);
      // Nobody knows what lies ahead for a record that is not believed.
      if (name === 'ahead') return (this.map.recordOf(offset)?.record.sequence ?? 0) < cutAt;
      if (name === 'record' && expected.maySilence) return false;
      if (name === 'copy') return isOnlyCopy; // else the block is damaged, and named as such
      return name !== 'free' && name !== 'padding';
    });
    const named = (offset: number): boolean =>
      findings.some((finding) => this.#names(finding, offset, expected));
    const missing = covered.filter((offset) => !named(offset));
    if (missing.length === 0 || (isHidden && missing.length < covered.length)) return undefined;
    const codes = [...new Set(findings.map(({ code }) => code))].join();
    return `fsck does not name byte ${missing[0]} (${this.map.classOf(missing[0] as number)}), but finds [${codes}]`;
  }

  /** Sequence of the first record of which header or body has changed. */
  #firstCut(changed: readonly number[]): number {
    return changed.reduce((first, offset) => {
      const name = this.map.classOf(offset);
      if (name !== 'record' && name !== 'body') return first;
      return Math.min(first, this.map.recordOf(offset)?.record.sequence ?? first);
    }, Number.POSITIVE_INFINITY);
  }

  #names(finding: Finding, offset: number, expected: Expected): boolean {
    const name = this.map.classOf(offset);
    if (name === 'free' || name === 'padding') return true;
    if (finding.severity === 'note' && !finding.code.endsWith('torn')) return false;
    const { offset: from, length = 1 } = finding;
    if (from === undefined) return false;
    if (name === 'record' || name === 'body') {
      const [first] = this.map.records.filter((one) => expected.lost.has(one));
      return finding.code.startsWith('journal-') && from === first?.offset;
    }
    return from <= offset && offset < from + length;
  }
}

function openOn(device: ImageDevice): Store {
  return Store.openOnSync(device, { ...SAMPLE_OPEN, readOnly: true });
}

function* grainsOf(offset: number, length: number): Generator<number> {
  for (let at = Math.floor(offset / GRAIN); at * GRAIN < offset + length; at++) yield at;
}

function note(set: Set<number>, offset: number, length: number): void {
  for (const grain of grainsOf(offset, length)) set.add(grain);
}
