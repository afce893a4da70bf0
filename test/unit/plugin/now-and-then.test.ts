import assert from "node:assert/strict";
import { test } from "node:test";
import { nowAndThen } from "../../../plugin/now-and-then.ts";

test("a thousand strangers are a few lines, and the next line tells how many were not mentioned", async () => {
  const said: [string, number][] = [];
  const tell = nowAndThen<{ why: string }>(({ why }, unsaid) => said.push([why, unsaid]), {
    most: 2,
    periodMs: 50,
  });
  for (let n = 0; n < 1_000; n++) tell({ why: `stranger ${n}` });
  assert.ok(said.length < 500 && said.length >= 2, `${said.length} lines`);
  await new Promise((resolve) => setTimeout(resolve, 60)); // longer than the period
  tell({ why: "later" });
  const unsaid = said.reduce((sum, [, times]) => sum + times, 0);
  assert.equal(said.length + unsaid, 1_001);
  assert.equal(said.at(-1)?.[0], "later");
});
