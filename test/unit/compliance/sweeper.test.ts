import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatError } from "../../../src/chat/errors.ts";
import { Mover } from "../../../src/compliance/mover.ts";
import type { OutboxStore } from "../../../src/compliance/ports.ts";
import { Sweeper } from "../../../src/compliance/sweeper.ts";
import { recordingWatch } from "../../support/compliance-lab.ts";

const idOf = (number: number) => number.toString(16).padStart(32, "0");

function sweeping(ids: readonly string[], failure: (batch: readonly string[]) => Error | undefined) {
  const waiting = new Set(ids);
  const store: OutboxStore = {
    move: async (batch) => {
      const error = failure(batch);
      if (error) throw error;
      for (const id of batch) waiting.delete(id);
      return { moved: batch.length, conflicts: [] };
    },
    overdue: async (_young, after, limit) =>
      [...waiting].filter((id) => after === null || id > after).slice(0, limit),
    waiting: async () => waiting.size,
  };
  const { watch, seen } = recordingWatch();
  const sweeper = new Sweeper(store, new Mover(store, watch), watch, { nowMs: () => 0 });
  return { sweeper, waiting, seen };
}

test("a row that cannot be moved is told and passed over; all others go", async () => {
  const ids = Array.from({ length: 1_200 }, (_, index) => idOf(index));
  const bad = [idOf(3), idOf(700)];
  const { sweeper, waiting, seen } = sweeping(ids, (batch) =>
    batch.some((id) => bad.includes(id)) ? new Error("refused") : undefined,
  );
  assert.equal(await sweeper.sweep(), 1_198);
  assert.deepEqual([...waiting], bad);
  assert.ok(seen.troubles.includes("sweep"));
});

test("with the database away a sweep ends at its first word, without trying row by row", async () => {
  let tries = 0;
  const { sweeper, waiting, seen } = sweeping([idOf(1), idOf(2), idOf(3)], () => {
    tries += 1;
    return new ChatError("STORE_DOWN");
  });
  assert.equal(await sweeper.sweep(), 0);
  assert.equal(waiting.size, 3);
  assert.deepEqual([tries, seen.troubles], [1, ["sweep"]]);
});
