import assert from "node:assert/strict";
import { test } from "node:test";
import type { DialogRecord } from "../../src/ports.ts";
import { Session } from "../../src/session.ts";

function session(): Session {
  return new Session({ state: {}, user: {}, flow: {}, epoch: 1 } as unknown as DialogRecord, 0); // only its numbers are asked for
}

test("a repeat gets the first answer, a gap is legal, and a number below the last is old", () => {
  const dialog = session();
  const answer = { status: 200, reason: "OK" };
  assert.equal(dialog.recall(2, 0), undefined);
  dialog.remember(2, answer);
  assert.equal(dialog.recall(2, 0), answer);
  assert.equal(dialog.recall(9, 0), undefined);
  assert.equal(dialog.recall(5, 0), "old");
});

test("a number that was answered 503 may come again", () => {
  const dialog = session();
  assert.equal(dialog.recall(2, 0), undefined);
  dialog.remember(2, { status: 503, reason: "Busy" });
  dialog.forgetAnswer(2);
  assert.equal(dialog.recall(2, 0), undefined);
});

test("just after a takeover a request that was overtaken on the link is carried out once, later it is old", () => {
  const dialog = session();
  const answer = { status: 200, reason: "OK" };
  dialog.takenOver(1_000);
  assert.equal(dialog.recall(11, 1_100), undefined);
  assert.equal(dialog.recall(10, 1_101), undefined, "it came over the other connection");
  dialog.remember(10, answer);
  assert.equal(dialog.recall(10, 1_102), answer);
  assert.equal(dialog.recall(12, 2_000), undefined);
  assert.equal(dialog.recall(9, 11_000), "old");
});
