import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Frontier, type KeptNode } from "../../../../src/compliance/log/frontier.ts";
import { EMPTY_ROOT, leafHash } from "../../../../src/compliance/log/hashes.ts";
import {
  consistencyPath,
  inclusionPath,
  isConsistent,
  type LogHashes,
  rangeHash,
  readPeaks,
  rootByInclusion,
} from "../../../../src/compliance/log/proofs.ts";
import { seeded } from "../../../support/compliance-events.ts";

/** Leaves and roots that the implementations of Certificate Transparency test with (RFC 6962). */
const LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/** [leaf from 1, size, path] */
const PATHS: readonly (readonly [number, number, readonly string[]])[] = [
  [
    1,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    6,
    8,
    [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
  [3, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]],
];
/** [first size, second size, path] */
const CONSISTENCY: readonly (readonly [number, number, readonly string[]])[] = [
  [1, 1, []],
  [
    1,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    6,
    8,
    [
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
  [
    2,
    5,
    [
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  ],
];

/** A log in memory that keeps what the archive keeps. */
class MemoryLog implements LogHashes {
  readonly frontier = new Frontier();
  readonly #rows: Buffer[][] = [[]];

  append(hash: Buffer): void {
    this.#rows[0]?.push(hash);
    this.frontier.append(hash, ({ level, index, hash: node }: KeptNode) => {
      this.#rows[level] ??= [];
      assert.equal(this.#rows[level]?.push(node), index + 1, "kept in their order");
    });
  }

  async hashes(level: number, index: number, count: number): Promise<Buffer[]> {
    const found = this.#rows[level]?.slice(index, index + count) ?? [];
    assert.ok(count <= 256, "a proof reads little at once");
    assert.equal(found.length, count);
    return found;
  }
}

function hex(hashes: readonly Buffer[]): string[] {
  return hashes.map((hash) => hash.toString("hex"));
}

describe("the Merkle tree of RFC 6962", () => {
  test("has the published roots, and that of nothing", async () => {
    const log = new MemoryLog();
    assert.equal(
      EMPTY_ROOT.toString("hex"),
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    assert.deepEqual(log.frontier.root(), EMPTY_ROOT);
    for (const [index, leaf] of LEAVES.entries()) {
      log.append(leafHash(Buffer.from(leaf, "hex")));
      assert.equal(log.frontier.root().toString("hex"), ROOTS[index]);
      assert.equal((await rangeHash(log, 0, index + 1)).toString("hex"), ROOTS[index]);
    }
  });

  test("gives the published paths", async () => {
    const log = new MemoryLog();
    for (const leaf of LEAVES) log.append(leafHash(Buffer.from(leaf, "hex")));
    for (const [leaf, size, path] of PATHS)
      assert.deepEqual(hex(await inclusionPath(log, leaf - 1, size)), path);
    for (const [first, size, path] of CONSISTENCY)
      assert.deepEqual(hex(await consistencyPath(log, first, size)), path);
  });

  test("goes on from its peaks at any size, and its proofs hold at all of them", async () => {
    const random = seeded(6962);
    const log = new MemoryLog();
    const roots = [log.frontier.root()];
    const hashes: Buffer[] = [];
    const size = 70_000;
    for (let seq = 0; seq < size; seq++) {
      const hash = leafHash(Buffer.from(`event ${seq}`));
      hashes.push(hash);
      log.append(hash);
      roots.push(log.frontier.root());
    }
    for (let round = 0; round < 200; round++) {
      const second = 1 + Math.floor(random() * (round < 50 ? 300 : size));
      const first = 1 + Math.floor(random() * second);
      const root = roots[second] ?? EMPTY_ROOT;
      const resumed = new Frontier(first, await readPeaks(log, first));
      assert.deepEqual(resumed.root(), roots[first]);
      const path = await consistencyPath(log, first, second);
      assert.ok(isConsistent(first, roots[first] ?? EMPTY_ROOT, second, root, path), `${first} to ${second}`);
      if (first < second) {
        assert.equal(isConsistent(first, roots[first - 1] ?? EMPTY_ROOT, second, root, path), false);
        assert.equal(
          isConsistent(first, roots[first] ?? EMPTY_ROOT, second, roots[second - 1] ?? EMPTY_ROOT, path),
          false,
        );
      }
      const way = await inclusionPath(log, first - 1, second);
      const leaf = hashes[first - 1] ?? EMPTY_ROOT;
      assert.deepEqual(rootByInclusion(leaf, first - 1, second, way), root);
      assert.notDeepEqual(
        rootByInclusion(leaf, first - 1, second, way.slice(1)),
        way.length > 0 ? root : undefined,
      );
      if (second > 1) assert.notDeepEqual(rootByInclusion(leaf, first === 1 ? 1 : 0, second, way), root);
    }
  });

  test("refuses proofs for what is not there", async () => {
    const log = new MemoryLog();
    await assert.rejects(inclusionPath(log, 0, 0), RangeError);
    await assert.rejects(consistencyPath(log, 0, 1), RangeError);
    await assert.rejects(consistencyPath(log, 2, 1), RangeError);
    assert.throws(() => new Frontier(3, []), RangeError);
    assert.equal(rootByInclusion(EMPTY_ROOT, 1, 1, []), undefined);
    assert.equal(isConsistent(0, EMPTY_ROOT, 1, EMPTY_ROOT, []), false);
  });
});
