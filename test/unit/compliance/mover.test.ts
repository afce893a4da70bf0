import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Mover } from "../../../src/compliance/mover.ts";
import type { OutboxStore } from "../../../src/compliance/ports.ts";
import { recordingWatch } from "../../support/compliance-lab.ts";

const idOf = (number: number) => number.toString(16).padStart(32, "0");
const range = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => idOf(from + index));

function memoryStore(fails: (batch: readonly string[]) => boolean = () => false) {
  const batches: (readonly string[])[] = [];
  const store: OutboxStore = {
    move: async (ids) => {
      batches.push(ids);
      if (fails(ids)) throw new Error("database away");
      return { moved: ids.length, conflicts: [] };
    },
    overdue: async () => [],
    waiting: async () => 0,
  };
  return { store, batches };
}

describe("the mover", () => {
  test("few announcements wait for each other and leave in one transaction", async () => {
    const { store, batches } = memoryStore();
    const { watch, seen } = recordingWatch();
    const mover = new Mover(store, watch, { lingerMs: 30 });
    await Promise.all(Array.from({ length: 40 }, (_, index) => mover.announce(range(index * 3, 4))));
    assert.equal(batches.length, 1);
    assert.equal(seen.moved, 121, "an id announced twice is asked for once");
  });

  test("a full batch does not wait, and no batch is larger than 500", async () => {
    const { store, batches } = memoryStore();
    const mover = new Mover(store, recordingWatch().watch, { lingerMs: 3_600_000 });
    await Promise.all(Array.from({ length: 20 }, (_, index) => mover.announce(range(index * 250, 250))));
    assert.deepEqual(
      batches.map(({ length }) => length),
      Array.from({ length: 10 }, () => 500),
    );
  });

  test("a failure reaches those who announced, the next batches are smaller and grow again", async () => {
    let broken = true;
    const { store, batches } = memoryStore(() => broken);
    const { watch, seen } = recordingWatch();
    const mover = new Mover(store, watch, { lingerMs: 1 });
    await assert.rejects(mover.announce(range(0, 250)), /database away/);
    assert.deepEqual(seen.troubles, ["move"]);
    broken = false;
    await mover.announce(range(0, 250));
    await mover.announce(range(0, 500));
    assert.deepEqual(
      batches.map(({ length }) => length),
      [250, 125, 125, 500],
    );
  });

  test("what exceeds the waiting room is left to the sweeper, and its announcer does not wait", async () => {
    const { store, batches } = memoryStore();
    const mover = new Mover(store, recordingWatch().watch, { lingerMs: 20, maxWaiting: 300 });
    const first = mover.announce(range(0, 200));
    await mover.announce(range(200, 200));
    assert.equal(batches.length, 0);
    await first;
    assert.equal(batches.flat().length, 200);
  });
});
