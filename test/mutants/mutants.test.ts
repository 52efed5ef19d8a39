import { existsSync, readFileSync } from 'node:fs';
import test from 'ava';
import { MUTANTS } from './mutants.js';
import { edited } from './plant.js';

test('every mutant can still be planted, and its tests are there', (t) => {
  t.true(MUTANTS.length >= 20);
  t.is(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
  for (const { name, edits, tests } of MUTANTS) {
    for (const edit of edits) {
      const text = readFileSync(edit.file, 'utf8');
      t.notThrows(() => edited(text, edit), name);
      t.not(edited(text, edit), text, name);
    }
    for (const file of tests) t.true(existsSync(file), `${name}: ${file}`);
  }
});

test('edited() refuses a text that stands twice, or nowhere', (t) => {
  t.is(edited('a b', { file: 'f', from: 'a', to: 'c' }), 'c b');
  t.throws(() => edited('a a', { file: 'f', from: 'a', to: 'c' }), { instanceOf: RangeError });
  t.throws(() => edited('b', { file: 'f', from: 'a', to: 'c' }), { instanceOf: RangeError });
});
