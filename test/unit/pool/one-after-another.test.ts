import assert from "node:assert/strict";
import { test } from "node:test";
import { OneAfterAnother } from "../../../src/pool/one-after-another.ts";

/** Work that ends when it is told to. */
function manual() {
  const ends: (() => void)[] = [];
  let beside = 0;
  const work = new OneAfterAnother<string>(async () => {
    beside += 1;
    assert.equal(beside, 1, "never beside itself");
    await new Promise<void>((resolve) => ends.push(resolve));
    beside -= 1;
  });
  return { work, ends };
}

test("however often it is asked for while it runs, it runs once more, begun after the last asked", async () => {
  const { work, ends } = manual();
  const first = work.run("a");
  const more = [work.run("a"), work.run("a"), work.run("a")];
  assert.equal(ends.length, 1);
  ends[0]?.();
  await first;
  const last = work.run("a");
  assert.equal(ends.length, 2);
  ends[1]?.();
  await Promise.all(more);
  assert.equal(ends.length, 3, "the last asked after the second began");
  ends[2]?.();
  await last;
  assert.equal(ends.length, 3);
});

test("a failure is told to who asked, and does not keep the next run from coming", async () => {
  let runs = 0;
  const work = new OneAfterAnother<string>(async () => {
    runs += 1;
    if (runs === 1) throw new Error("once");
  });
  const [first, second] = await Promise.allSettled([work.run("a"), work.run("a")]);
  assert.deepEqual([first.status, second.status, runs], ["rejected", "fulfilled", 2]);
});
