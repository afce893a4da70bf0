import { KEPT_HEIGHT, type Subtree, subtreesOf } from "./frontier.ts";
import { EMPTY_ROOT, nodeHash } from "./hashes.ts";

/** The log has lost a hash that every log of its size has. */
export class MissingHash extends Error {
  constructor(level: number, index: number) {
    super(`hash ${level}/${index} of the archive, or one of those behind it, is missing`);
    this.name = "MissingHash";
  }
}

/** Where the hashes of a log stand: level 0 are its leaves, level n its complete subtrees of 2^(8n) leaves. */
export interface LogHashes {
  /** `count` hashes from `index` on. @throws MissingHash */
  hashes(level: number, index: number, count: number): Promise<Buffer[]>;
}

/** RFC 6962 §2.1: hash of leaves `from` to `to`, without `to`. */
export async function rangeHash(log: LogHashes, from: number, to: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const subtree of subtreesOf(from, to)) parts.push(await subtreeHash(log, subtree));
  return (
    parts.reduceRight<Buffer | undefined>(
      (right, left) => (right ? nodeHash(left, right) : left),
      undefined,
    ) ?? EMPTY_ROOT
  );
}

/** Peaks of the log at this size, as a Frontier begins with. */
export async function readPeaks(log: LogHashes, size: number): Promise<Buffer[]> {
  const peaks: Buffer[] = [];
  for (const subtree of subtreesOf(0, size)) peaks.push(await subtreeHash(log, subtree));
  return peaks;
}

/** At most 256 hashes are read for each. */
async function subtreeHash(log: LogHashes, { height, index }: Subtree): Promise<Buffer> {
  const level = Math.floor(height / KEPT_HEIGHT);
  const count = 2 ** (height % KEPT_HEIGHT);
  let row = await log.hashes(level, index * count, count);
  while (row.length > 1) {
    const above: Buffer[] = [];
    for (let at = 0; at < row.length; at += 2) above.push(nodeHash(at_(row, at), at_(row, at + 1)));
    row = above;
  }
  return at_(row, 0);
}

/** RFC 6962 §2.1.1: path that shows leaf `index` in a log of `size` leaves. @throws RangeError outside of it */
export async function inclusionPath(log: LogHashes, index: number, size: number): Promise<Buffer[]> {
  if (!(index >= 0 && index < size)) throw new RangeError("this leaf is not in a log of this size");
  const path: Buffer[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + split(to - from);
    if (index < middle) {
      path.push(await rangeHash(log, middle, to));
      to = middle;
    } else {
      path.push(await rangeHash(log, from, middle));
      from = middle;
    }
  }
  return path.reverse();
}

/** RFC 6962 §2.1.2: path that shows that the log of `size` leaves begins with that of `first`. @throws RangeError */
export async function consistencyPath(log: LogHashes, first: number, size: number): Promise<Buffer[]> {
  if (!(first > 0 && first <= size)) throw new RangeError("the first size is from 1 to the second");
  const path: Buffer[] = [];
  let from = 0;
  let to = size;
  let whole = true;
  while (first !== to) {
    const middle = from + split(to - from);
    if (first <= middle) {
      path.push(await rangeHash(log, middle, to));
      to = middle;
    } else {
      path.push(await rangeHash(log, from, middle));
      from = middle;
      whole = false;
    }
  }
  if (!whole) path.push(await rangeHash(log, from, to));
  return path.reverse();
}

/** RFC 9162 §2.1.3.2. @returns the root that leaf and path lead to; undefined when the path does not fit */
export function rootByInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  path: readonly Buffer[],
): Buffer | undefined {
  if (!(index >= 0 && index < size)) return undefined;
  let place = index;
  let last = size - 1;
  let root = leaf;
  for (const hash of path) {
    if (last === 0) return undefined;
    if (place % 2 === 1 || place === last) {
      root = nodeHash(hash, root);
      while (place % 2 === 0 && place !== 0) {
        place = Math.floor(place / 2);
        last = Math.floor(last / 2);
      }
    } else root = nodeHash(root, hash);
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? root : undefined;
}

/** RFC 9162 §2.1.4.2: whether the log of `size` leaves and root `secondRoot` begins with that of `first` and `firstRoot`. */
export function isConsistent(
  first: number,
  firstRoot: Buffer,
  size: number,
  secondRoot: Buffer,
  path: readonly Buffer[],
): boolean {
  if (!(first > 0 && first <= size)) return false;
  if (first === size) return path.length === 0 && firstRoot.equals(secondRoot);
  const hashes = isPowerOfTwo(first) ? [firstRoot, ...path] : [...path];
  const [seed, ...rest] = hashes;
  if (!seed) return false;
  let place = first - 1;
  let last = size - 1;
  while (place % 2 === 1) {
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  let one = seed;
  let two = seed;
  for (const hash of rest) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      one = nodeHash(hash, one);
      two = nodeHash(hash, two);
      while (place % 2 === 0 && place !== 0) {
        place = Math.floor(place / 2);
        last = Math.floor(last / 2);
      }
    } else two = nodeHash(two, hash);
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && one.equals(firstRoot) && two.equals(secondRoot);
}

/** The largest power of two below `leaves`, which are two at least. */
function split(leaves: number): number {
  let left = 1;
  while (left * 2 < leaves) left *= 2;
  return left;
}

function isPowerOfTwo(value: number): boolean {
  return 2 ** Math.round(Math.log2(value)) === value;
}

function at_(row: readonly Buffer[], index: number): Buffer {
  const hash = row[index];
  if (!hash) throw new Error("a hash of the log is missing");
  return hash;
}
