import { EMPTY_ROOT, nodeHash } from "./hashes.ts";

/** Height of the subtrees whose hashes are kept: one in 256 leaves, one in 65,536, … */
export const KEPT_HEIGHT = 8;

/** A complete subtree that has just been filled: `level` counts in steps of KEPT_HEIGHT, `index` among those of its level. */
export interface KeptNode {
  readonly level: number;
  readonly index: number;
  readonly hash: Buffer;
}

/**
 * The right edge of a Merkle tree after RFC 6962 §2.1: hashes of the complete subtrees that make up the log, largest first.
 * All that is needed to append and to say the root.
 */
export class Frontier {
  #size: number;
  /** By height; undefined where the binary form of the size has a zero. */
  readonly #peaks: (Buffer | undefined)[] = [];

  /** @param peaks those of the size, largest subtree first, as `peaksOf` lists them. @throws RangeError when their number is wrong */
  constructor(size = 0, peaks: readonly Buffer[] = []) {
    const ranges = peaksOf(size);
    if (ranges.length !== peaks.length) throw new RangeError("not the peaks of this size");
    this.#size = size;
    ranges.forEach(({ height }, place) => {
      this.#peaks[height] = peaks[place];
    });
  }

  get size(): number {
    return this.#size;
  }

  /** @param kept receives the subtrees that this leaf fills and that are worth keeping, smallest first */
  append(leaf: Buffer, kept?: (node: KeptNode) => void): void {
    let hash = leaf;
    let height = 0;
    let index = this.#size;
    for (; index % 2 === 1; height++) {
      const left = this.#peaks[height];
      if (!left) throw new Error("a frontier without a peak it must have");
      this.#peaks[height] = undefined;
      hash = nodeHash(left, hash);
      index = (index - 1) / 2;
      if (kept && (height + 1) % KEPT_HEIGHT === 0) kept({ level: (height + 1) / KEPT_HEIGHT, index, hash });
    }
    this.#peaks[height] = hash;
    this.#size += 1;
  }

  root(): Buffer {
    let root: Buffer | undefined;
    for (const peak of this.#peaks) if (peak) root = root ? nodeHash(peak, root) : peak;
    return root ?? EMPTY_ROOT;
  }

  copy(): Frontier {
    const peaks = this.#peaks.filter((peak) => peak !== undefined).reverse();
    return new Frontier(this.#size, peaks);
  }
}

/** A complete subtree: 2^height leaves, the `index`th of its height. */
export interface Subtree {
  readonly height: number;
  readonly index: number;
}

/** Complete subtrees of a log of this size, largest first. */
export function peaksOf(size: number): Subtree[] {
  return subtreesOf(0, size);
}

/** The largest complete subtrees that make up leaves `from` to `to`, without `to`, from left to right. */
export function subtreesOf(from: number, to: number): Subtree[] {
  const found: Subtree[] = [];
  for (let at = from; at < to; ) {
    let height = 0;
    let leaves = 1;
    while (at % (leaves * 2) === 0 && at + leaves * 2 <= to) {
      leaves *= 2;
      height += 1;
    }
    found.push({ height, index: at / leaves });
    at += leaves;
  }
  return found;
}
