import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupGraph, MOST_LEVELS } from "../../../src/chat/group-graph.ts";

const graph = (...pairs: [groupId: number, memberId: number][]) =>
  new GroupGraph(pairs.map(([groupId, memberId]) => ({ groupId, memberId })));
const sorted = (found: Set<number>) => [...found].sort((a, b) => a - b);

test("a group holds the groups in it and those in them, and is around each of them", () => {
  const three = graph([1, 2], [2, 3], [3, 4], [9, 3]);
  assert.deepEqual(sorted(three.within(1)), [1, 2, 3, 4]);
  assert.deepEqual(sorted(three.within(9)), [3, 4, 9]);
  assert.deepEqual(sorted(three.around([4])), [1, 2, 3, 4, 9]);
  assert.deepEqual(sorted(three.around([2])), [1, 2]);
  assert.deepEqual(sorted(three.within(77)), [77], "a group without groups holds itself");
});

test("groups in a circle hold each other, each once", () => {
  const circle = graph([1, 2], [2, 3], [3, 1], [3, 3]);
  for (const id of [1, 2, 3]) {
    assert.deepEqual(sorted(circle.within(id)), [1, 2, 3]);
    assert.deepEqual(sorted(circle.around([id])), [1, 2, 3]);
  }
});

test("what is deeper than the bound does not belong, seen from above and from below alike", () => {
  const chain = graph(...Array.from({ length: 40 }, (_, n): [number, number] => [n, n + 1]));
  assert.equal(Math.max(...chain.within(0)), MOST_LEVELS);
  assert.equal(Math.min(...chain.around([40])), 40 - MOST_LEVELS);
  assert.ok(chain.around([MOST_LEVELS]).has(0));
  assert.ok(!chain.around([MOST_LEVELS + 1]).has(0));
});

test("a shorter way counts, whichever was found first", () => {
  const chain = Array.from({ length: 40 }, (_, n): [number, number] => [n, n + 1]);
  assert.ok(
    graph(...chain, [0, 35])
      .within(0)
      .has(40),
  );
});
