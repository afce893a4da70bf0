import assert from "node:assert/strict";
import { test } from "node:test";
import { nowAndThen } from "../../../plugin/now-and-then.ts";

test("a thousand strangers are one line, and the next line tells how many there were", async () => {
  const said: [string, number][] = [];
  const tell = nowAndThen<{ why: string }>(({ why }, times) => said.push([why, times]), 30);
  for (let n = 0; n < 1_000; n++) tell({ why: `stranger ${n}` });
  assert.deepEqual(said, [["stranger 0", 1]]);
  await new Promise((resolve) => setTimeout(resolve, 40)); // longer than the period
  tell({ why: "later" });
  assert.deepEqual(said[1], ["later", 1_000]);
});
