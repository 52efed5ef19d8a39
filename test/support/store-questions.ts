/**
 * Everything that can be asked of a store, as a list of questions whose answers can be compared.
 *
 * - The list is made from an undamaged store; asked of a damaged one, each question has the same
 *   answer, or an E_CORRUPT.
 * - A question looks everything up anew: nothing is kept from the one before.
 */

import { hasCode } from '../../src/errors.js';
import type { Store } from '../../src/store/store.js';
import type { StoredObject } from '../../src/store/stored-object.js';

export interface Question {
  readonly what: string;
  ask(store: Store): Answer;
}

/** Bytes, or anything else as text. */
export type Answer = Uint8Array | string;

/** Bytes that a question reads at most: an object may claim to be of any size. */
const READ_MAX = 1024 * 1024;

/** The answer of a store that noticed the damage. */
export const CORRUPT = 'E_CORRUPT';

/** Asks; errors that a correct program must expect are answers too. */
export function answerOf(question: Question, store: Store): Answer {
  try {
    return question.ask(store);
  } catch (error) {
    if (hasCode(error, 'E_CORRUPT')) return CORRUPT;
    if (hasCode(error, 'E_NOT_FOUND')) return 'E_NOT_FOUND';
    throw error;
  }
}

export function sameAnswer(a: Answer, b: Answer): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return Buffer.compare(a, b) === 0;
}

/** All questions about what `store` holds. */
export function questionsOf(store: Store): Question[] {
  const questions: Question[] = [
    { what: 'collections', ask: (one) => textOf(one.listCollectionsSync()) },
    { what: 'reservations', ask: (one) => textOf(one.reservationsSync().map(flat)) },
    { what: 'figures', ask: (one) => `${one.statfsSync().objects} ${one.statfsSync().stored}` },
  ];
  for (const name of store.listCollectionsSync()) questions.push(...aboutCollection(store, name));
  return questions;
}

function aboutCollection(store: Store, name: Uint8Array): Question[] {
  const what = textOf([name]);
  const collection = store.collection(name);
  const questions: Question[] = [
    { what: `stat ${what}`, ask: (one) => textOf([flat(one.collection(name).statSync())]) },
    { what: `list ${what}`, ask: (one) => textOf(one.collection(name).listSync().map(flat)) },
    {
      what: `attributes ${what}`,
      ask: (one) => textOf(one.collection(name).attributeNamesSync()),
    },
  ];
  for (const attribute of collection.attributeNamesSync()) {
    questions.push({
      what: `attribute ${textOf([attribute])} of ${what}`,
      ask: (one) => one.collection(name).getAttributeSync(attribute) ?? 'none',
    });
  }
  for (const { name: object } of collection.listSync()) {
    questions.push(...aboutObject(store, name, object));
  }
  return questions;
}

function aboutObject(store: Store, collection: Uint8Array, name: Uint8Array): Question[] {
  const handle = (one: Store): StoredObject => one.collection(collection).object(name);
  const what = textOf([collection, name]);
  const ask = (verb: string, answer: (object: StoredObject) => Answer): Question => ({
    what: `${verb} ${what}`,
    ask: (one) => answer(handle(one)),
  });
  const questions = [
    ask('read', (object) => object.readSync(0, READ_MAX)),
    ask('stat', (object) => textOf([flat(object.statSync())])),
  ];
  const object = handle(store);
  if (object.statSync().size > 1000) {
    const middle = Math.floor(object.statSync().size / 2);
    questions.push(ask('read a part of', (one) => one.readSync(middle, 500)));
    questions.push(ask('extents', (one) => textOf(one.extentsSync().map(flat))));
  }
  if (object.attributesSync().length > 0) {
    questions.push(ask('attributes', (one) => textOf(one.attributesSync().flat())));
  }
  if (object.mapCountSync() > 0) questions.push(...aboutMap(object, ask));
  return questions;
}

type Ask = (verb: string, answer: (object: StoredObject) => Answer) => Question;

function aboutMap(object: StoredObject, ask: Ask): Question[] {
  const keys = object.mapEntriesSync({ limit: 10_000 }).map(([key]) => key);
  const some = [0, 1, 2, 3, 4].map((i) => keys[Math.floor((i * (keys.length - 1)) / 4)]);
  return [
    ask('map', (one) => textOf(one.mapEntriesSync({ limit: 10_000 }).flat())),
    ask('map backwards', (one) => textOf(one.mapEntriesSync({ limit: 300, reverse: true }).flat())),
    ask('count', (one) => String(one.mapCountSync())),
    ask('header', (one) => one.mapHeaderSync() ?? 'none'),
    ...some.map((key) =>
      ask('key', (one) => (key === undefined ? 'none' : (one.mapGetSync(key) ?? 'none'))),
    ),
  ];
}

/** A record of names and numbers as text. */
function flat(record: object): string {
  return Object.entries(record)
    .map(([key, value]) => `${key}=${value instanceof Uint8Array ? textOf([value]) : value}`)
    .join(' ');
}

function textOf(parts: readonly (Uint8Array | string)[]): string {
  return parts
    .map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString('latin1')))
    .join('|');
}
