import assert from "node:assert/strict";
import { test } from "node:test";
import { isFancyTerminal, runConversation, type Step } from "../../../plugin/client/conversation.ts";

const NOON = () => new Date(2026, 10, 23, 12, 0, 5);

function step(who: string, kind: Step["kind"], words: string, room?: string): Step {
  return { who, kind, ...(room === undefined ? {} : { room }), run: async () => words };
}

const failing: Step = {
  who: "Carol",
  kind: "heard",
  run: async () => {
    throw new Error("nothing within 50 ms");
  },
};

test("names and rooms are padded to columns and the lines are plain", async () => {
  const lines: string[] = [];
  const result = await runConversation(
    [
      step("Alice", "entered", "Night shift", "Night"),
      step("Bo", "said", "hello", "Night"),
      step("Bo", "note", "done"),
    ],
    { print: (line) => lines.push(line), now: NOON },
  );
  assert.deepEqual(lines, [
    "12:00:05  Alice  Night  enters: Night shift",
    "12:00:05  Bo     Night  says: hello",
    "12:00:05  Bo            done",
  ]);
  assert.deepEqual(result, { done: 3, failure: undefined });
});

test("the first failure is shown and ends the conversation", async () => {
  const lines: string[] = [];
  const result = await runConversation([failing, step("Alice", "said", "never")], {
    print: (line) => lines.push(line),
    now: NOON,
  });
  assert.equal(result.done, 0);
  assert.equal(result.failure?.who, "Carol");
  assert.deepEqual(lines, ["FAILED 12:00:05  Carol  reads: nothing within 50 ms"]);
});

test("message text cannot steer the terminal", async () => {
  const lines: string[] = [];
  await runConversation([step("Eve", "said", "a\u001b[2Jb\r\nc\u202ed \u{1F468}\u200d\u{1F469}")], {
    print: (line) => lines.push(line),
    now: NOON,
  });
  assert.deepEqual(lines, ["12:00:05  Eve  says: a [2Jb c d \u{1F468}\u200d\u{1F469}"]);
});

test("check marks appear only on a terminal that speaks UTF-8", async () => {
  assert.equal(isFancyTerminal(true, "de_DE.UTF-8"), true);
  assert.equal(isFancyTerminal(true, "C"), false);
  assert.equal(isFancyTerminal(false, "C.utf8"), false);
  const lines: string[] = [];
  await runConversation([step("Alice", "said", "hi")], {
    print: (line) => lines.push(line),
    fancy: true,
    now: NOON,
  });
  assert.match(lines[0] ?? "", /✓/);
});
