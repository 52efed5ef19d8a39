/** docs/objectstore.md has every call that reads or that concerns the whole store. */

import { readFileSync } from 'node:fs';
import test from 'ava';
import { Store } from '../../src/store/store.js';
import { StoredCollection } from '../../src/store/stored-collection.js';
import { StoredObject } from '../../src/store/stored-object.js';

const DOCUMENT = readFileSync(new URL('../../../docs/objectstore.md', import.meta.url), 'utf8');

/** Public methods and getters of a class, in the form that has no `Sync` at its end. */
function callsOf(methods: object): string[] {
  const names = Object.getOwnPropertyNames(methods).map((name) => name.replace(/Sync$/, ''));
  return [...new Set(names)].filter((name) => /^[a-z]/.test(name) && name !== 'constructor');
}

for (const [title, found, section] of [
  ['store', Store.prototype, /### Of the store\n(.*?)\n### /s],
  ['collection', StoredCollection.prototype, /### Of a collection\n(.*?)\n### /s],
  ['object', StoredObject.prototype, /### Of an object\n(.*?)\n## /s],
] as const) {
  test(`docs/objectstore.md has every call of: ${title}`, (t) => {
    const [, listed = ''] = section.exec(DOCUMENT) ?? [];
    const whole = title === 'store' ? listed + DOCUMENT.split('## Of the whole store')[1] : listed;
    const rows = whole.split('\n').filter((line) => line.startsWith('| `'));
    const calls = callsOf(found);
    t.true(calls.length > 5);
    const exempt = title === 'store' ? ['collection'] : [];
    for (const call of calls) {
      if (exempt.includes(call)) continue;
      const pattern = new RegExp(`^\\| [^|]*\`${call}[(\`]`);
      t.true(
        rows.some((row) => pattern.test(row)),
        call,
      );
    }
  });
}
