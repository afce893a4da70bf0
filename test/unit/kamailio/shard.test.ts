import assert from "node:assert/strict";
import { test } from "node:test";
import { Told } from "../../../kamailio/lines.ts";
import type { Load } from "../../../kamailio/load.ts";
import { encodeCall } from "../../../kamailio/load.ts";
import { Shard } from "../../../kamailio/shard.ts";
import { formatIncarnation } from "../../../src/sip/dialog.ts";
import { aSession } from "../../support/sessions.ts";

const many = Array.from({ length: 1_200 }, (_, index) => aSession("alice", index + 1));
const about = {
  ...{ node: "n1", me: formatIncarnation("n1", 1), start: "a" },
  ...{ homes: undefined, hello: false },
};
const bob = aSession("bob", 900);
const taken = (shard: Shard) => shard.take().copies.map(({ body, dialogs }) => `${body}×${dialogs.length}`);

test("a large room is cut into calls of 500 copies, and a small one takes its turn in between", () => {
  const told = new Told();
  told.encode([{ body: "before", dialogs: many }]);
  const shard = new Shard(120_000, told);
  shard.addCopies("large", 7, many, 1, 0);
  shard.addCopies("small", 10, [bob], 2, 0);
  assert.deepEqual(taken(shard), ["large×500"]);
  assert.deepEqual(taken(shard), ["small×1", "large×499"]);
  assert.deepEqual(taken(shard), ["large×201"]);
  assert.ok(shard.empty);
});

test("names that have been told take no room in a call: messages of one room leave together", () => {
  const told = new Told();
  const shard = new Shard(20_000, told);
  const some = many.slice(0, 200);
  const calls = () => {
    let count = 0;
    for (; !shard.empty; count++)
      assert.ok(Buffer.byteLength(encodeCall(shard.take(), about, told)) < 20_000);
    return count;
  };
  shard.addCopies("first", 7, some, 1, 0);
  assert.ok(calls() > 2);
  for (const body of ["second", "third"]) shard.addCopies(body, 8, some, 1, 0);
  assert.deepEqual(taken(shard), ["second×200", "third×200"]);
});

test("messages of one room never overtake each other", () => {
  const shard = new Shard(120_000, new Told());
  for (const body of ["one", "two", "three"]) shard.addCopies(body, 10, many, 1, 0);
  const order: string[] = [];
  while (!shard.empty) for (const copy of shard.take().copies) order.push(copy.body);
  assert.deepEqual(
    order,
    [...order].sort((a, b) => ["one", "two", "three"].indexOf(a) - ["one", "two", "three"].indexOf(b)),
  );
});

test("replies and notices go before the rooms, answers with whatever leaves next", () => {
  const shard = new Shard(120_000, new Told());
  shard.addCopies("room", 10, [bob], 1, 0);
  shard.addCopies("reply", 10, [bob], 0, 0);
  shard.addAnswer({ index: 1, label: 2, answer: { status: 200, reason: "OK" }, onGone: undefined });
  const load = shard.take();
  assert.equal(load.answers.length, 1);
  assert.deepEqual(
    load.copies.map(({ body }) => body),
    ["reply", "room"],
  );
});

test("a body too large to share a call travels alone", () => {
  const shard = new Shard(120_000, new Told());
  const large = "x".repeat(109_000);
  shard.addCopies("s".repeat(20_000), 20_002, [bob], 1, 0);
  shard.addCopies(large, 109_002, [bob], 2, 0);
  assert.equal(shard.take().copies.length, 1);
  assert.equal(shard.take().copies[0]?.body, large);
  assert.ok(shard.empty);
});

/** Of a call to an edge that has been told nothing yet. */
const callBytes = (load: Load) => Buffer.byteLength(encodeCall(load, about, new Told()));

test("no call is longer than Kamailio can read, whatever names clients choose and whatever they write", () => {
  const long = {
    callId: "\\".repeat(256),
    remoteTag: "t".repeat(256),
    remoteTarget: `sip:${"c".repeat(500)}`,
  };
  const dialogs = Array.from({ length: 90 }, (_, index) => {
    const plain = aSession("alice", index + 1).state;
    return aSession("alice", index + 1, { state: { ...plain, ...long } });
  });
  const shard = new Shard(120_000, new Told());
  const headers = [`Contact: <sip:${"x".repeat(900)}>`];
  for (let label = 0; label < 300; label++)
    shard.addAnswer({ index: 1, label, answer: { status: 200, reason: "OK", headers }, onGone: undefined });
  for (let turn = 0; turn < 3; turn++)
    shard.addCopies(JSON.stringify('"'.repeat(50_000)), 100_002, dialogs, turn, 0);
  let copies = 0;
  let answers = 0;
  for (let call = 0; !shard.empty; call++) {
    assert.ok(call < 200, "every call takes something with it");
    const load = shard.take();
    assert.ok(callBytes(load) < 120_000, `${callBytes(load)} bytes`);
    copies += load.copies.reduce((sum, copy) => sum + copy.dialogs.length, 0);
    answers += load.answers.length;
  }
  assert.deepEqual([answers, copies], [300, 270]);
});

test("a call never grows beyond what the edge reads, whatever the names of the dialogs", () => {
  const shard = new Shard(20_000, new Told());
  shard.addCopies("x".repeat(5_000), 5_002, many, 1, 0);
  let copies = 0;
  while (!shard.empty) {
    const load = shard.take();
    assert.ok(callBytes(load) < 20_000);
    copies += load.copies.reduce((sum, { dialogs }) => sum + dialogs.length, 0);
  }
  assert.equal(copies, many.length);
  assert.ok(shard.isTooLarge(17_000));
});

test("what an edge does not take is bounded", () => {
  const shard = new Shard(120_000, new Told());
  let added = 0;
  while (added < 10_000 && shard.addCopies("more", 10, many, 1, 0)) added += 1;
  assert.equal(added, Math.floor(500_000 / many.length));
});

test("a copy whose names are longer than was counted on leaves all the same, alone", () => {
  const plain = aSession("alice", 1).state;
  const long = aSession("alice", 1, { state: { ...plain, remoteTarget: `sip:${"x".repeat(3_000)}` } });
  const shard = new Shard(20_000, new Told());
  assert.ok(!shard.isTooLarge(16_000));
  shard.addCopies("x".repeat(15_998), 16_000, [long, bob], 1, 0);
  assert.deepEqual(
    [shard.take(), shard.take()].map(({ copies }) => copies[0]?.dialogs.length),
    [1, 1],
  );
  assert.ok(shard.empty);
});

test("a copy that leaves no room for an answer has its turn though answers never end", () => {
  const shard = new Shard(20_000, new Told());
  shard.addCopies("x".repeat(15_998), 16_000, [bob], 1, 0);
  const leaving = [];
  for (let label = 0; label < 4; label++) {
    const headers = [`Contact: <sip:${"x".repeat(2_000)}>`];
    shard.addAnswer({ index: 1, label, answer: { status: 200, reason: "OK", headers }, onGone: undefined });
    const { answers, copies } = shard.take();
    leaving.push([answers.length, copies.length]);
  }
  assert.deepEqual(leaving, [
    [1, 0],
    [0, 1],
    [2, 0],
    [1, 0],
  ]);
});
