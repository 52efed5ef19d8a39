/**
 * What a tree is for. The role is stamped on every node, says how the tree's records refer to
 * further blocks, and never changes; clone, split and join keep it.
 */

export const ROLE = {
  collections: 1, // collection name -> cnode record
  objects: 2, // object key -> onode record
  attributes: 3, // attribute key -> value record
  blob: 4, // byte offset -> extent, inline data or hole
  map: 5, // map key -> value record
  references: 6, // first block -> (length, count), for blocks with two or more references
  groups: 7, // allocation group index -> group summary
  drops: 8, // drop number -> root of a tree that nothing else refers to any more
  reservations: 9, // reservation name -> reservation record
  runs: 11, // first block of a packed run -> address and checksum of its summary
  program: 12, // a tree that a program made by itself through the library (plain records)
} as const;

export type Role = (typeof ROLE)[keyof typeof ROLE];

/** Names by role, for messages. */
export const ROLE_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(ROLE).map(([name, role]) => [role, name]),
);
