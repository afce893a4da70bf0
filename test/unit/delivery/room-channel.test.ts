import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomChannel } from "../../../src/delivery/room-channel.ts";

const numbers = (leaving: readonly { number: number }[]) => leaving.map(({ number }) => number);

test("numbers leave in order, whatever order they come in", () => {
  const channel = new RoomChannel(1, 10);
  assert.deepEqual(numbers(channel.offer(12, "twelve")), []);
  assert.deepEqual(numbers(channel.offer(13, "thirteen")), []);
  assert.deepEqual(channel.hole, { from: 11, to: 11 });
  assert.deepEqual(channel.offer(11, "eleven"), [
    { number: 11, grpchat: "eleven" },
    { number: 12, grpchat: "twelve" },
    { number: 13, grpchat: "thirteen" },
  ]);
  assert.equal(channel.delivered, 13);
  assert.equal(channel.hole, undefined);
});

test("a number never leaves twice, and one from before the first participant not at all", () => {
  const channel = new RoomChannel(1, 10);
  assert.deepEqual(numbers(channel.offer(10, "old")), []);
  assert.deepEqual(numbers(channel.offer(11, "new")), [11]);
  assert.deepEqual(numbers(channel.offer(11, "again")), []);
  assert.equal(channel.delivered, 11);
});

test("any interleaving of two nodes' commits comes out as 1…n", () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % below;
  };
  for (let round = 0; round < 200; round++) {
    const channel = new RoomChannel(1, 0);
    const waiting = Array.from({ length: 60 }, (_, index) => index + 1);
    const out: number[] = [];
    while (waiting.length > 0) {
      const index = random(Math.min(8, waiting.length));
      const [number = 0] = waiting.splice(index, 1);
      out.push(...numbers(channel.offer(number, String(number))));
      if (random(4) === 0) out.push(...numbers(channel.offer(number, "repeat")));
    }
    assert.deepEqual(
      out,
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
  }
});
