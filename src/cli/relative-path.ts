/**
 * Names of objects as paths below a directory.
 */

const SLASH = 0x2f;
const DOT = 0x2e;

/** Why a name can't be a path below a directory; undefined when it can. */
export function pathFault(name: Uint8Array): string | undefined {
  if (name.length === 0) return 'it is empty';
  if (name[0] === SLASH) return 'it is an absolute path';
  if (name.includes(0)) return 'it has a zero byte';
  for (let start = 0; start <= name.length; ) {
    const slash = name.indexOf(SLASH, start);
    const end = slash < 0 ? name.length : slash;
    const dots = name.subarray(start, end).every((byte) => byte === DOT) ? end - start : -1;
    if (dots === 0) return 'it has an empty part';
    if (dots === 1 || dots === 2) return `it has a part ${'.'.repeat(dots)}`;
    start = end + 1;
  }
  return undefined;
}

/** The part in front of the last slash; empty when there is none. */
export function parentOf(name: Uint8Array): Uint8Array {
  return name.subarray(0, Math.max(0, name.lastIndexOf(SLASH)));
}
