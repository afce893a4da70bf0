import assert from "node:assert/strict";
import { test } from "node:test";
import { GatheredWaker } from "../../../src/store/redis/gathered-waker.ts";
import { until } from "../../support/until.ts";

const ids = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `id ${from + index}`);

function recorder() {
  const announced: (readonly string[])[] = [];
  return { announced, waker: new GatheredWaker({ announce: (some) => announced.push(some) }) };
}

test("the ids of several commits are announced together, each once and in order", async () => {
  const { announced, waker } = recorder();
  waker.announce(ids(0, 3));
  waker.announce([]);
  waker.announce(ids(3, 5));
  assert.deepEqual(announced, [], "nothing is announced before others had the time to join");
  await until("announced", () => announced.length > 0);
  assert.deepEqual(announced, [ids(0, 5)]);
});

test("a job's worth of ids leaves at once", () => {
  const { announced, waker } = recorder();
  waker.announce(ids(0, 255));
  assert.equal(announced.length, 0);
  waker.announce(ids(255, 300));
  assert.deepEqual(announced, [ids(0, 300)]);
});

test("at the end what waits is announced, and nothing twice", async () => {
  const { announced, waker } = recorder();
  waker.announce(ids(0, 2));
  waker.flush();
  waker.flush();
  assert.deepEqual(announced, [ids(0, 2)]);
});
