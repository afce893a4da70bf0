import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePostings, encodePostings, pairsOf } from "../../../src/store/mysql/search-postings.ts";
import { seededRandom } from "../../bench/statistics.ts";

const COLUMN_BYTES = 4_096;

test("postings come back as they were given, each once, in parts that fit their column", () => {
  const random = seededRandom(11);
  const spans = [3, 200, 20_000, 2 ** 32 - 1];
  for (let round = 0; round < 60; round++) {
    const rooms = new Map<number, number[]>();
    for (let room = 0; room < 1 + random() * 40; room++) {
      const span = spans[Math.floor(random() * spans.length)] ?? 1;
      const numbers = Array.from({ length: 1 + Math.floor(random() * 900) }, () =>
        Math.ceil(random() * span),
      );
      rooms.set(1 + Math.floor(random() * (2 ** 32 - 2)), [...numbers, numbers[0] ?? 1]);
    }
    const parts = encodePostings(pairsOf(rooms));
    const found = new Map([...rooms.keys()].map((room) => [room, [] as number[]]));
    let hits = 0;
    for (const part of parts) {
      assert.ok(part.bytes.length <= COLUMN_BYTES, `${part.bytes.length} bytes`);
      decodePostings(part.bytes, part.roomFrom, found);
      hits += part.hits;
    }
    assert.equal(new Set(parts.map((part) => `${part.roomFrom} ${part.numberFrom}`)).size, parts.length);
    for (const [room, numbers] of rooms) {
      const once = [...new Set(numbers)].sort((a, b) => a - b);
      assert.deepEqual(found.get(room), once);
      hits -= once.length;
    }
    assert.equal(hits, 0);
  }
});

test("rooms that are not wanted are passed over", () => {
  const [part] = encodePostings([3, 1, 3, 2, 3, 300, 9, 7, 70_000, 5_000_000]);
  assert.ok(part);
  const wanted = new Map([[70_000, [] as number[]]]);
  decodePostings(part.bytes, part.roomFrom, wanted);
  assert.deepEqual([...wanted], [[70_000, [5_000_000]]]);
  assert.throws(() => decodePostings(part.bytes.subarray(0, 2), part.roomFrom, wanted), RangeError);
});
