import { existsSync } from 'node:fs';
import test from 'ava';
import {
  checkStore,
  ghobject,
  MemoryDevice,
  mkfs,
  mkfsOn,
  mkfsSync,
  PackedTransaction,
  parseGhobject,
  repairStore,
  resizeStore,
  Store,
  StoreError,
  Transaction,
} from '../../src/index.js';
import { storeBed } from '../support/store-fixture.js';
import { temporaryPath } from '../support/temp-directory.js';

/** What nobody should pass, and JavaScript passes all the same. */
const WRONG: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  0.5,
  Number.NaN,
  2 ** 60,
  '',
  'x',
  new Uint8Array(0),
  {},
  [],
  [1],
  [['k']],
  10n,
  Symbol('s'),
  () => undefined,
];

/** Every list of `count` arguments, each wrong or good, with at least one that is wrong. */
function* argumentLists(count: number): Generator<unknown[]> {
  const good: readonly unknown[] = ['c', 'o', 0, 1];
  for (let place = 0; place < count; place++) {
    for (const wrong of WRONG) {
      const list = Array.from({ length: count }, (_, index) => good[index % good.length]);
      list[place] = wrong;
      yield list;
    }
  }
  for (const wrong of WRONG) yield Array.from({ length: count }, () => wrong);
}

/** The methods that an object inherits from its class. */
function methodsOf(target: object): string[] {
  const prototype: unknown = Object.getPrototypeOf(target);
  return Object.getOwnPropertyNames(prototype).filter((name) => {
    if (name === 'constructor' || name.startsWith('close')) return false;
    const { value } = Object.getOwnPropertyDescriptor(prototype, name) ?? {};
    return typeof value === 'function';
  });
}

/** Calls a method; gives what is thrown or rejected. */
async function thrownBy(target: object, name: string, list: unknown[]): Promise<unknown> {
  try {
    const method: unknown = Reflect.get(target, name);
    if (typeof method !== 'function') throw new Error(`${name} is no method`);
    await Reflect.apply(method, target, list);
    return undefined;
  } catch (error) {
    return error;
  }
}

test('every method answers arguments of wrong types with a StoreError, and nothing has changed', async (t) => {
  const { store } = storeBed(t);
  store.commitSync(
    new Transaction()
      .createCollection('c')
      .write('c', 'o', 0, 'bytes')
      .mapSet('c', 'o', [['k', 'v']])
      .setCollectionAttribute('c', 'a', 'v'),
  );
  const collection = store.collection('c');
  const before = store.durableTransaction;
  for (const target of [store, collection, collection.object('o'), new Transaction()]) {
    for (const name of methodsOf(target)) {
      if (name.startsWith('checkpoint') || name === 'erase' || name === 'scrub') continue;
      for (const count of [1, 2, 4]) {
        for (const list of argumentLists(count)) {
          const error = await thrownBy(target, name, list);
          if (error === undefined || error instanceof StoreError) continue;
          t.fail(`${target.constructor.name}.${name}(${list.map(String).join()}): ${error}`);
        }
      }
    }
  }
  t.is(store.durableTransaction, before);
  t.deepEqual(collection.object('o').readSync(), new Uint8Array(Buffer.from('bytes')));
});

test('what opens, makes or builds answers arguments of wrong types with a StoreError', async (t) => {
  const makers = { open: Store.open, openSync: Store.openSync, mkfs, mkfsSync };
  const functions = {
    ...makers,
    ghobject,
    parseGhobject,
    packed: (bytes: Uint8Array) => new PackedTransaction(bytes),
  };
  for (const name of Object.keys(functions)) {
    for (const wrong of WRONG) {
      if (wrong === 'x' && Object.hasOwn(makers, name)) continue; // that is a path
      const error = await thrownBy(functions, name, [wrong, wrong]);
      t.true(error instanceof StoreError, `${name}(${String(wrong)}): ${error}`);
    }
  }
});

test('an option that nobody knows is refused by its name, and nothing is done', async (t) => {
  const path = temporaryPath(t);
  const absent = temporaryPath(t);
  await mkfs(path, { size: 64 * 2 ** 20 });
  const { store } = storeBed(t);
  store.commitSync(store.transaction().createCollection('c').touch('c', 'o'));
  const collection = store.collection('c');
  const object = collection.object('o');
  const snapshot = store.snapshot();
  const device = new MemoryDevice({ size: 64 * 2 ** 20 });
  // As a program in JavaScript passes it.
  const wrong: object = { fource: true };
  const calls: Readonly<Record<string, () => unknown>> = {
    mkfs: () => mkfs(absent, wrong),
    mkfsSync: () => mkfsSync(absent, wrong),
    mkfsOn: () => mkfsOn(device, wrong),
    open: () => Store.open(path, wrong),
    openSync: () => Store.openSync(path, wrong),
    openOn: () => Store.openOn(device, wrong),
    openOnSync: () => Store.openOnSync(device, wrong),
    checkStore: () => checkStore(path, wrong),
    repairStore: () => repairStore(path, wrong),
    resizeStore: () => resizeStore(path, 64 * 2 ** 20, wrong),
    scrub: () => store.scrub(wrong),
    erase: () => store.erase(wrong),
    createCollection: () => store.transaction().createCollection('d', wrong),
    listCollections: () => store.listCollections(wrong),
    listCollectionsSync: () => store.listCollectionsSync(wrong),
    'listCollectionsSync of a snapshot': () => snapshot.listCollectionsSync(wrong),
    list: () => collection.list(wrong),
    listSync: () => collection.listSync(wrong),
    'attributes of a collection': () => collection.attributesSync(wrong),
    attributes: () => object.attributesSync(wrong),
    mapEntries: () => object.mapEntriesSync(wrong),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = await t.throwsAsync(async () => await call(), undefined, name);
    t.true(error instanceof StoreError && error.code === 'E_INVALID_ARGUMENT', name);
    t.regex(String(error?.message), /Unknown option "fource": expected one of /, name);
  }
  snapshot.close();
  t.false(existsSync(absent));
});
