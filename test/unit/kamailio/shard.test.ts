import assert from "node:assert/strict";
import { test } from "node:test";
import { Shard } from "../../../kamailio/shard.ts";
import { aSession } from "../../support/sessions.ts";

const many = Array.from({ length: 250 }, (_, index) => aSession("alice", index + 1));
const bob = aSession("bob", 900);
const taken = (shard: Shard) => shard.take().copies.map(({ body, dialogs }) => `${body}×${dialogs.length}`);

test("a large room is cut into calls of 100 copies, and a small one takes its turn in between", () => {
  const shard = new Shard();
  shard.addCopies("large", many, 1, 0);
  shard.addCopies("small", [bob], 2, 0);
  assert.deepEqual(taken(shard), ["large×100"]);
  assert.deepEqual(taken(shard), ["small×1", "large×99"]);
  assert.deepEqual(taken(shard), ["large×51"]);
  assert.ok(shard.empty);
});

test("messages of one room never overtake each other", () => {
  const shard = new Shard();
  for (const body of ["one", "two", "three"]) shard.addCopies(body, many, 1, 0);
  const order: string[] = [];
  while (!shard.empty) for (const copy of shard.take().copies) order.push(copy.body);
  assert.deepEqual(
    order,
    [...order].sort((a, b) => ["one", "two", "three"].indexOf(a) - ["one", "two", "three"].indexOf(b)),
  );
});

test("replies and notices go before the rooms, answers with whatever leaves next", () => {
  const shard = new Shard();
  shard.addCopies("room", [bob], 1, 0);
  shard.addCopies("reply", [bob], 0, 0);
  shard.addAnswer({ index: 1, label: 2, answer: { status: 200, reason: "OK" }, onGone: undefined });
  const load = shard.take();
  assert.equal(load.answers.length, 1);
  assert.deepEqual(
    load.copies.map(({ body }) => body),
    ["reply", "room"],
  );
});

test("a body too large to share a call travels alone", () => {
  const shard = new Shard();
  const large = "x".repeat(80_000);
  shard.addCopies("small", [bob], 1, 0);
  shard.addCopies(large, [bob], 2, 0);
  assert.equal(shard.take().copies.length, 1);
  assert.equal(shard.take().copies[0]?.body, large);
  assert.ok(shard.empty);
});

test("what an edge does not take is bounded", () => {
  const shard = new Shard();
  let added = 0;
  while (added < 10_000 && shard.addCopies("more", many, 1, 0)) added += 1;
  assert.equal(added, 2_000);
});
