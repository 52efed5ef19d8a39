/** docs/api.md and the docstrings of the code beside what the package really exports. */

import { readFileSync } from 'node:fs';
import test from 'ava';
import * as holdfast from '../src/index.js';
import { StoredCollection } from '../src/store/stored-collection.js';
import { StoredObject } from '../src/store/stored-object.js';

const ROOT = new URL('../../', import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

const DOCUMENT = text('docs/api.md');
const INDEX = text('src/index.ts');

/** Every name that src/index.ts exports. */
function exportedNames(): string[] {
  return [...INDEX.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list = '']) =>
    list
      .split(',')
      .map((name) => name.replace(/^\s*(type )?/, '').trim())
      .filter((name) => name.length > 0),
  );
}

/** The names in the first cell of every row of a table. */
function rowNames(part: string): string[] {
  return [...part.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)[^`]*`/g)].map(([, name = '']) => name),
  );
}

/** Sections of the classes by name. */
function classSections(): Map<string, string> {
  const [, classes = ''] = /\n## Classes\n(.*?)\n## /s.exec(DOCUMENT) ?? [];
  return new Map(
    classes
      .split('\n### ')
      .slice(1)
      .map((section) => [/^`(\w+)`/.exec(section)?.[1] ?? '', section]),
  );
}

interface ExportedClass {
  readonly name: string;
  readonly prototype: object;
}

function isClass(value: unknown): value is ExportedClass {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

const EXPORTS: readonly unknown[] = Object.values(holdfast);
const CLASSES: readonly ExportedClass[] = [
  ...EXPORTS.filter(isClass),
  StoredCollection,
  StoredObject,
];

/** Methods and accessors of a class, the static ones too. */
function membersOf(exported: ExportedClass): string[] {
  const statics = Object.getOwnPropertyNames(exported);
  const own = Object.getOwnPropertyNames(exported.prototype);
  const builtIn = new Set(['length', 'name', 'prototype', 'constructor']);
  return [...statics, ...own].filter((name) => !builtIn.has(name)).sort();
}

test('docs/api.md lists every exported name once, and no other', (t) => {
  const [before = ''] = DOCUMENT.split('\n## Classes\n');
  const [, types = ''] = DOCUMENT.split('\n## Types\n');
  const listed = [...rowNames(before), ...classSections().keys(), ...rowNames(types)];
  t.deepEqual(listed.sort(), exportedNames().sort());
});

test('docs/api.md lists every member of every exported class', (t) => {
  t.deepEqual([...classSections().keys()].sort(), CLASSES.map(({ name }) => name).sort());
  for (const exported of CLASSES) {
    const rows = rowNames(classSections().get(exported.name) ?? '');
    t.is(new Set(rows).size, rows.length, `${exported.name} names nothing twice`);
    for (const member of membersOf(exported))
      t.true(rows.includes(member), `${exported.name}.${member}`);
  }
});

test('docs/api.md lists no method that a class has not', (t) => {
  for (const exported of CLASSES) {
    const section = classSections().get(exported.name) ?? '';
    const members = new Set([...membersOf(exported), 'constructor']);
    for (const [, name = ''] of section.matchAll(/`(\w+)\([^`]*\)`(?=[^|]*\|[^|]*\|)/g)) {
      if (rowNames(section).includes(name)) t.true(members.has(name), `${exported.name}.${name}`);
    }
  }
});

test('docs/api.md names no error code that does not exist', (t) => {
  const codes = text('src/errors.ts');
  for (const [code] of DOCUMENT.matchAll(/\bE_[A-Z_]+\b/g))
    t.true(codes.includes(`'${code}'`), code);
});

/** Names of modules by what they export, as src/index.ts says. */
function modulesOf(): Map<string, string> {
  const found = [...INDEX.matchAll(/export (?:type )?\{([^}]*)\} from '\.\/([^']*)\.js'/g)];
  return new Map(
    found.flatMap(([, list = '', path = '']) =>
      list
        .split(',')
        .map((name): [string, string] => [name.replace(/^\s*(type )?/, '').trim(), path])
        .filter(([name]) => name.length > 0),
    ),
  );
}

/** What an interface says of its members need not be said again. */
function implementsInterface(source: string, name: string): boolean {
  return source.includes(`class ${name} implements `);
}

test('every exported name has a docstring, and so has every member of an exported class', (t) => {
  const missing: string[] = [];
  for (const [name, path] of modulesOf()) {
    const source = text(`src/${path}.ts`);
    const declared = new RegExp(
      `^export (async )?(interface|class|abstract class|type|const|function\\*?) ${name}\\b`,
      'm',
    );
    const at = source.search(declared);
    if (at < 0) continue; // declared elsewhere and handed on
    if (!source.slice(0, at).trimEnd().endsWith('*/')) missing.push(name);
    const exported = CLASSES.find((one) => one.name === name);
    if (exported === undefined || implementsInterface(source, name)) continue;
    const body = source.slice(at);
    for (const member of membersOf(exported)) {
      const place = body.search(
        new RegExp(`^ {2}(static )?(async )?(get )?${member}(<[^>]*>)?\\(`, 'm'),
      );
      if (place < 0 || !body.slice(0, place).trimEnd().endsWith('*/')) {
        missing.push(`${name}.${member}`);
      }
    }
  }
  t.deepEqual(missing, []);
});
