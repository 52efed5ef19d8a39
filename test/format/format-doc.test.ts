import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { NODE_BODY, POINTER_SIZE } from '../../src/btree/node-format.js';
import { ROOT_FORM } from '../../src/btree/root-record.js';
import { BLOCK_HEADER, BLOCK_MAGIC, BLOCK_TYPE } from '../../src/format/block.js';
import { GROUP_FLAG } from '../../src/format/group-summary.js';
import { RECORD_MAGIC, RECORD_TYPE } from '../../src/format/journal-record.js';
import { type Field, fieldsOf } from '../../src/format/layout.js';
import { POINTER_FLAG } from '../../src/format/pointer.js';
import { ROLE } from '../../src/format/role.js';
import { ROOT_ROLES, SUPERBLOCK_VERSION } from '../../src/format/superblock.js';
import { INCOMPAT, RO_COMPAT } from '../../src/format/superblock-bounds.js';
import { COLLECTION_KIND } from '../../src/onode/cnode.js';
import { ENTRY_KIND } from '../../src/onode/extent-entry.js';
import { ONODE_FLAG } from '../../src/onode/onode.js';
import { VALUE_KIND } from '../../src/onode/value-record.js';
import { DATA_KIND, OPERATION } from '../../src/txn/operation.js';
import { Transaction } from '../../src/txn/transaction.js';

const ROOT = new URL('../../../', import.meta.url);
const MODULES = new URL('../../src/', import.meta.url);
const FORMAT = readFileSync(new URL('docs/format.md', ROOT), 'utf8');
const OBJECT_STORE = readFileSync(new URL('docs/objectstore.md', ROOT), 'utf8');

/** Number codes of the format, by the name under which docs/format.md has their table. */
const CODES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  BLOCK_TYPE,
  ROLE,
  POINTER_FLAG,
  ROOT_FORM,
  COLLECTION_KIND,
  ONODE_FLAG,
  ENTRY_KIND,
  VALUE_KIND,
  RECORD_TYPE,
  DATA_KIND,
  INCOMPAT,
  RO_COMPAT,
  GROUP_FLAG,
};

/** Tables of a document: rows of cells below the line that begins with `head`. */
function* tablesOf(document: string): Generator<{ above: string; head: string; rows: string[][] }> {
  const lines = document.split('\n');
  let above = '';
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    if (line.startsWith('#')) above = line;
    if (!line.startsWith('|')) continue;
    const rows: string[][] = [];
    for (i += 2; lines[i]?.startsWith('|') === true; i++) rows.push(cellsOf(lines[i] as string));
    yield { above, head: cellsOf(line).join(' '), rows };
  }
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** Struct tables of docs/format.md by name. */
function documentedStructs(): Map<string, { size: number; fields: Field[] }> {
  const structs = new Map<string, { size: number; fields: Field[] }>();
  for (const { above, head, rows } of tablesOf(FORMAT)) {
    if (!head.startsWith('offset size field type')) continue;
    const [, name = '', size] = /^### `([A-Z_]+)`, (\d+) bytes$/.exec(above) ?? [];
    const fields = rows.map(([offset, length, field = '', type = '']) => {
      return { name: field, type, offset: Number(offset), size: Number(length) } as Field;
    });
    structs.set(name, { size: Number(size), fields });
  }
  return structs;
}

/** Modules of src that make a struct table, as paths without extension. */
function modulesWithTables(): string[] {
  const folder = new URL('src/', ROOT);
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && tableCount(path) > 0)
    .map((path) => path.slice(0, -'.ts'.length))
    .sort();
}

function tableCount(path: string): number {
  const source = readFileSync(new URL(`src/${path}`, ROOT), 'utf8');
  return [...source.matchAll(/= layout\(/g)].length;
}

async function exportsOf(module: string): Promise<Record<string, unknown>> {
  return (await import(new URL(`${module}.js`, MODULES).href)) as Record<string, unknown>;
}

/** Every exported struct table of src by name. */
async function structsOfCode(): Promise<Map<string, object>> {
  const structs = new Map<string, object>();
  for (const module of modulesWithTables()) {
    for (const [name, value] of Object.entries(await exportsOf(module))) {
      if (isStruct(value)) structs.set(name, value);
    }
  }
  return structs;
}

function isStruct(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return fieldsOf(value).length > 0;
  } catch {
    return false; // fieldsOf says so: an export that is something else
  }
}

test('every struct table of src is exported under a name of its own', async (t) => {
  let count = 0;
  for (const module of modulesWithTables()) count += tableCount(`${module}.ts`);
  t.true(count > 0);
  t.is((await structsOfCode()).size, count);
});

test('docs/format.md has a section for every struct table, and no other', async (t) => {
  const names = [...(await structsOfCode()).keys()].sort();
  t.deepEqual([...documentedStructs().keys()].sort(), names);
});

test('docs/format.md agrees with every struct table in name, type, offset and size', async (t) => {
  const documented = documentedStructs();
  for (const [name, table] of await structsOfCode()) {
    const { size, fields } = documented.get(name) ?? { size: 0, fields: [] };
    t.deepEqual(fields, [...fieldsOf(table)], name);
    t.is(size, (table as { size: number }).size, `size of ${name}`);
  }
});

test('docs/format.md gives every field of a struct a meaning', (t) => {
  for (const { above, head, rows } of tablesOf(FORMAT)) {
    if (!head.startsWith('offset size field type')) continue;
    for (const row of rows) {
      t.is(row.length, 5, `${above}: ${row[2]}`);
      t.not(row[4], '', `${above}: ${row[2]}`);
    }
  }
});

test('docs/format.md agrees with the codes of the format', (t) => {
  const documented: Record<string, Record<string, number>> = {};
  for (const { above, head, rows } of tablesOf(FORMAT)) {
    const name = /^#### `([A-Z_]+)`$/.exec(above)?.[1];
    if (name === undefined || !head.startsWith('value name')) continue;
    documented[name] = Object.fromEntries(rows.map(([value, code]) => [code, Number(value)]));
  }
  t.deepEqual(documented, CODES);
});

test('docs/format.md agrees with OPERATION', (t) => {
  const tables = [...tablesOf(FORMAT)].filter(({ head }) => head === 'code name arguments');
  t.is(tables.length, 1);
  const rows = tables.flatMap((table) => table.rows);
  t.deepEqual(
    rows.map(([code, name]) => [name, Number(code)]),
    Object.entries(OPERATION),
  );
});

test('docs/format.md agrees with the limits of the code', async (t) => {
  const tables = [...tablesOf(FORMAT)].filter(({ head }) => head.startsWith('constant module'));
  t.is(tables.length, 1);
  for (const [name = '', module = '', value] of tables.flatMap((table) => table.rows)) {
    t.is((await exportsOf(module))[name], Number(value), name);
  }
});

test('docs/format.md lists the roots of the superblock in order', (t) => {
  const listed = [...FORMAT.matchAll(/^\d\. `([a-z]+)`$/gm)].map((match) => match[1]);
  t.deepEqual(listed, [...ROOT_ROLES]);
});

test('docs/format.md states version, magics and fixed offsets', (t) => {
  t.true(FORMAT.includes(`Format version: **${SUPERBLOCK_VERSION}**`));
  t.true(FORMAT.includes(`0x${BLOCK_MAGIC.toString(16)}`));
  t.true(FORMAT.includes(`0x${RECORD_MAGIC.toString(16)}`));
  t.true(FORMAT.includes(`drop record, ${1 + POINTER_SIZE} bytes`));
  t.true(FORMAT.includes(`byte ${BLOCK_HEADER.size} + floor(i / 8)`));
  t.true(FORMAT.includes(`### \`NODE_BODY\`, ${NODE_BODY.size} bytes`));
});

/** Rows of docs/objectstore.md that describe an operation: [name, number]. */
function documentedOperations(): [string, number][] {
  const operations: [string, number][] = [];
  for (const { head, rows } of tablesOf(OBJECT_STORE)) {
    if (!head.startsWith('number operation meaning')) continue;
    for (const [number, call = ''] of rows) {
      operations.push([/^`(\w+)\(/.exec(call)?.[1] ?? call, Number(number)]);
    }
  }
  return operations;
}

test('docs/objectstore.md describes every operation once, with its number', (t) => {
  const byNumber = (a: [string, number], b: [string, number]): number => a[1] - b[1];
  t.deepEqual(documentedOperations().sort(byNumber), Object.entries(OPERATION).sort(byNumber));
});

test('docs/objectstore.md names every method of Transaction that adds operations', (t) => {
  const notOperations = new Set(['constructor', 'operationCount', 'seal']);
  for (const name of Object.getOwnPropertyNames(Transaction.prototype)) {
    if (!notOperations.has(name)) t.true(OBJECT_STORE.includes(`\`${name}(`), name);
  }
});
