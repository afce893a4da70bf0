import assert from "node:assert/strict";
import { test } from "node:test";
import { progressOn } from "../../../plugin/progress.ts";

function terminal(isTTY: boolean) {
  const written: string[] = [];
  let nowMs = 0;
  const progress = progressOn({ isTTY, columns: 80, write: (text) => written.push(text) }, () => nowMs);
  return { written, progress, at: (ms: number) => (nowMs = ms) };
}

test("what is done within two seconds shows no bar; what takes longer does, and it goes in the end", () => {
  const { written, progress, at } = terminal(true);
  at(1_999);
  progress.show("messages", 1, 4);
  progress.clear();
  assert.deepEqual(written, []);
  at(2_000);
  progress.show("messages", 2, 4);
  at(2_050);
  progress.show("messages", 3, 4);
  progress.clear();
  assert.deepEqual(written, [
    `\r\u001b[Kmessages [${"#".repeat(15)}${".".repeat(15)}]  50% (2 of 4)`,
    "\r\u001b[K",
  ]);
});

test("where nobody knows how much there is, what is done is counted", () => {
  const { written, progress, at } = terminal(true);
  at(3_000);
  progress.show("messages", 5_000);
  assert.deepEqual(written, ["\r\u001b[K5000 messages"]);
});

test("nothing is shown in a file or a pipe", () => {
  const { written, progress, at } = terminal(false);
  at(60_000);
  progress.show("messages", 1, 2);
  progress.clear();
  assert.deepEqual(written, []);
});
