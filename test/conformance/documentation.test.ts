/**
 * docs/objectstore.md has every call that reads or that concerns the whole store, and the programs
 * of the documents run as they stand.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Store } from '../../src/store/store.js';
import { StoredCollection } from '../../src/store/stored-collection.js';
import { StoredObject } from '../../src/store/stored-object.js';
import { temporaryDirectory } from '../support/temp-directory.js';

const ROOT = new URL('../../../', import.meta.url);
const DOCUMENT = readFileSync(new URL('docs/objectstore.md', ROOT), 'utf8');
const README = readFileSync(new URL('README.md', ROOT), 'utf8');

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

/** The first program of a document. */
function programOf(document: string): string {
  return /```js\n(.*?)```/s.exec(document)?.[1] ?? '';
}

/** Lines that a program prints, with this build; it runs in a directory of its own. */
function linesOf(t: ExecutionContext, program: string): string[] {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'program.mjs');
  const build = new URL('../../src/index.js', import.meta.url);
  writeFileSync(file, program.replace("'holdfast'", `'${build}'`));
  const printed = execFileSync(process.execPath, [file], { cwd: directory, encoding: 'utf8' });
  return printed.trim().split('\n');
}

test('the program of the README runs as it stands', (t) => {
  t.deepEqual(linesOf(t, programOf(README)), ['25']);
});

test('the program of docs/objectstore.md runs', (t) => {
  const lines = linesOf(
    t,
    `
    import { hasCode, MemoryDevice, mkfsOn, Store } from 'holdfast';
    const device = new MemoryDevice({ size: 64 * 2 ** 20 });
    mkfsOn(device);
    const store = await Store.openOn(device);
    const keys = Array.from({ length: 25 }, (_, i) => [\`tag/\${10 + i}\`, 'v']);
    const b = store.transaction().createCollection('photos').touch('photos', 'kelp.jpg');
    await store.commit(b.mapSet('photos', 'kelp.jpg', keys));
    ${programOf(DOCUMENT)}
    const first = (page) => Buffer.from(page[0][0]).toString();
    console.log(first(last), first(more), missing);`,
  );
  t.is(lines.length, 26);
  t.is(lines.at(-1), 'tag/34 tag/24 undefined');
});
