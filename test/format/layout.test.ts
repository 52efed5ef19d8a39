import test from 'ava';
import { fieldsOf, layout } from '../../src/format/layout.js';

test('layout() places fields one behind the other', (t) => {
  const table = layout({ a: 'u8', b: 'u16', c: 'u32', d: 'u48', e: 'u64', f: 'bytes5' });
  t.deepEqual({ ...table }, { a: 0, b: 1, c: 3, d: 7, e: 13, f: 21, size: 26 });
});

test('fieldsOf() lists the rows of a table and refuses anything else', (t) => {
  const table = layout({ a: 'u8', b: 'bytes3' });
  t.deepEqual(fieldsOf(table), [
    { name: 'a', type: 'u8', offset: 0, size: 1 },
    { name: 'b', type: 'bytes3', offset: 1, size: 3 },
  ]);
  t.throws(() => fieldsOf({}), { instanceOf: TypeError });
});
