import assert from "node:assert/strict";
import { test } from "node:test";
import type { Room } from "../../../src/chat/room.ts";
import type { Entry } from "../../../src/store/mysql/journal-entry.ts";
import { JournalQueue, MAX_FLUSH_ENTRIES } from "../../../src/store/mysql/journal-queue.ts";
import { aRoom, aSession } from "../../support/sessions.ts";

const by = aSession("alice", 1);
const nothing = { resolve: () => {}, reject: () => {} };
const flow = (queuedAtMs = 0): Entry => ({
  ...nothing,
  kind: "flow",
  token: by.token,
  now: { flow: by.flow, awaySinceMs: null, epoch: 0 },
  queuedAtMs,
});
const entering = (rooms: readonly Room[]): Entry => ({
  ...nothing,
  kind: "join",
  by,
  rooms: rooms.map((room) => ({ room, mask: 0 })),
  queuedAtMs: 0,
});

/** Entries that are let in, one after the other, until one is not. */
function letIn(queue: JournalQueue, entry: () => Entry): number {
  let count = 0;
  for (; count < 100_000 && !queue.isFull(0); count++) queue.add(entry());
  return count;
}

/** What the last of them waits for: the transaction under way, those before it, its own. */
const heardAfterMs = (entries: number, flushMs: number) =>
  (1 + Math.ceil(entries / MAX_FLUSH_ENTRIES)) * flushMs;

test("as many are let in as hear within about a second, whatever a transaction takes", () => {
  for (const flushMs of [60, 100, 200, 300, 450]) {
    const queue = new JournalQueue();
    queue.learn(flushMs);
    const count = letIn(queue, flow);
    const ms = heardAfterMs(count, flushMs);
    assert.ok(ms > 700 && ms < 1_400, `${count} entries of ${flushMs} ms: the last hears after ${ms} ms`);
  }
});

test("the next transaction may fill up, however slow the database is", () => {
  const queue = new JournalQueue();
  queue.learn(1_500);
  assert.equal(letIn(queue, flow), MAX_FLUSH_ENTRIES);
});

test("one slow transaction is believed at once, and forgotten when the next ones are fast", () => {
  const queue = new JournalQueue();
  for (let fast = 0; fast < 20; fast++) queue.learn(5);
  queue.learn(400);
  assert.equal(letIn(queue, flow), MAX_FLUSH_ENTRIES);
  for (let fast = 0; fast < 20; fast++) queue.learn(5);
  assert.ok(letIn(queue, flow) > 10 * MAX_FLUSH_ENTRIES);
});

test("who enters hundreds of rooms takes the place of many", () => {
  const queue = new JournalQueue();
  queue.learn(100);
  const rooms = Array.from({ length: 400 }, (_, index) => aRoom(index));
  assert.equal(
    letIn(queue, () => entering(rooms)),
    24,
    "two or three to a transaction",
  );
  while (queue.length > 0) queue.take();
  assert.ok(letIn(queue, flow) > 1_000, "and leaves nothing behind");
});

test("while somebody has been waiting for more than a second nobody is let in", () => {
  const queue = new JournalQueue();
  queue.add(flow(0));
  assert.deepEqual([queue.isFull(1_000), queue.isFull(1_001)], [false, true]);
  queue.take();
  assert.equal(queue.isFull(1_001), false);
});

test("who has been on the way for long is let in only where he is still in time", () => {
  const queue = new JournalQueue();
  queue.learn(200);
  for (let count = 0; count < 2 * MAX_FLUSH_ENTRIES; count++) queue.add(flow());
  assert.deepEqual(
    [queue.isFull(0, 1_500), queue.isFull(0, 601), queue.isFull(0, 599)],
    [false, false, true],
  );
});
