/**
 * Struct tables: the format of every fixed struct as one table of named, typed fields.
 *
 * - Fields follow each other without gaps, in table order, little-endian.
 * - `table.name` is the byte offset of the field, `table.size` the encoded size.
 * - docs/format.md repeats the tables; a test compares the two through `fieldsOf`.
 */

/** Field types and their encoded sizes in bytes. `bytesN` is N raw bytes. */
const FIELD_SIZES = { u8: 1, u16: 2, u32: 4, u48: 6, u64: 8 } as const;

export type FieldType = keyof typeof FIELD_SIZES | `bytes${number}`;

/** One row of a struct table, as docs/format.md prints it. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly offset: number;
  readonly size: number;
}

/** Byte offsets by field name, and the size of the whole. */
export type Layout<T> = { readonly [K in keyof T]: number } & { readonly size: number };

const tables = new WeakMap<object, readonly Field[]>();

/** Encoded size of a field type, in bytes. */
function sizeOf(type: FieldType): number {
  return type in FIELD_SIZES
    ? FIELD_SIZES[type as keyof typeof FIELD_SIZES]
    : Number(type.slice('bytes'.length));
}

/** Makes a struct table from field types in order. */
export function layout<const T extends Record<string, FieldType>>(types: T): Layout<T> {
  const fields: Field[] = [];
  const offsets: Record<string, number> = {};
  let at = 0;
  for (const [name, type] of Object.entries(types)) {
    const size = sizeOf(type);
    fields.push({ name, type, offset: at, size });
    offsets[name] = at;
    at += size;
  }
  offsets['size'] = at;
  const table = offsets as Layout<T>;
  tables.set(table, fields);
  return table;
}

/** The rows of a struct table, in order of their offsets. */
export function fieldsOf(table: object): readonly Field[] {
  const fields = tables.get(table);
  if (fields === undefined) throw new TypeError('Cannot list fields: not a struct table');
  return fields;
}
