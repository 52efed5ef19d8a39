import { readFileSync } from 'node:fs';
import test from 'ava';

const SOURCE = readFileSync(new URL('../../src/errors.ts', import.meta.url), 'utf8');
const DOCUMENT = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** The members of the union type ErrorCode, in order. */
function codesOfSource(): string[] {
  const union = /export type ErrorCode =\n(.*?';)/s.exec(SOURCE)?.[1] ?? '';
  return [...union.matchAll(/\| '(E_[A-Z_]+)'/g)].map((match) => match[1] as string);
}

/** Sections of the document by code, in order. */
function sectionsOfDocument(): Map<string, string> {
  const sections = new Map<string, string>();
  for (const part of DOCUMENT.split(/^### /m).slice(1)) {
    const code = /^`(E_[A-Z_]+)`\n/.exec(part)?.[1];
    if (code !== undefined) sections.set(code, part);
  }
  return sections;
}

test('docs/errors.md lists every error code of src/errors.ts in its order, and no other', (t) => {
  const codes = codesOfSource();
  t.true(codes.length > 0);
  t.deepEqual([...sectionsOfDocument().keys()], codes);
});

test('docs/errors.md says for each code when it is given and what to do', (t) => {
  for (const [code, section] of sectionsOfDocument()) {
    t.regex(section, /^\*\*When\.\*\* \S/m, code);
    t.regex(section, /^\*\*Do\.\*\* \S/m, code);
  }
});

test('docs/errors.md names no code that does not exist', (t) => {
  const codes = new Set(codesOfSource());
  for (const [code] of DOCUMENT.matchAll(/\bE_[A-Z_]+\b/g)) t.true(codes.has(code), code);
});
