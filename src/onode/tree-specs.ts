/** The kinds of trees that objects and collections are made of; the owner is set where one is opened. */

import { U64 } from '../btree/comparator.js';
import { treeSpec } from '../btree/tree-spec.js';
import { ROLE } from '../format/role.js';

/** Byte offset (u64, big-endian) -> extent, inline data or hole. */
export const BLOB_SPEC = treeSpec({ role: ROLE.blob, comparator: U64 });

/** Attribute key -> value record. */
export const ATTRIBUTES_SPEC = treeSpec({ role: ROLE.attributes });

/** Map key -> value record, where the program chooses nothing else. */
export const MAP_SPEC = treeSpec({ role: ROLE.map });

/** Object key -> onode record. */
export const OBJECTS_SPEC = treeSpec({ role: ROLE.objects });

/** Collection name -> cnode record. */
export const COLLECTIONS_SPEC = treeSpec({ role: ROLE.collections });
