import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { canonicalBody } from "../../../../src/chat/compliance-event.ts";
import { canonicalContent, type EventRow, takeApart } from "../../../../src/compliance/log/content.ts";
import { leafHash, sha256 } from "../../../../src/compliance/log/hashes.ts";
import { makeSalts, readLeaf, writeLeaf } from "../../../../src/compliance/log/leaf.ts";
import { checkLeaf } from "../../../../src/compliance/verify/leaf-check.ts";
import type { StoredLeaf } from "../../../../src/compliance/verify/ports.ts";
import { eventMaker } from "../../../support/compliance-events.ts";
import { hostileBodies, hostileTexts } from "../../../support/hostile-bodies.ts";

const make = eventMaker("leaf-");

function rowOf(text: string): EventRow {
  const event = make({
    name: text,
    roomName: text,
    fact: { kind: "CHAT", number: 1, alert: false, text, rtf: null },
  });
  const { eventId, stream, streamSeq, atMs, room } = event;
  return {
    eventId,
    stream,
    streamSeq,
    kind: "CHAT",
    atMs,
    roomId: room.id,
    body: Buffer.from(canonicalBody(event)),
  };
}

function stored(row: EventRow, prev: Buffer | null = null): StoredLeaf {
  const content = takeApart(row);
  const salts = makeSalts(content.parts.length);
  const leaf = Buffer.from(writeLeaf({ seq: 7, streamPrev: prev }, content, salts), "latin1");
  const { eventId, stream, streamSeq } = row;
  return {
    seq: 7,
    eventId,
    stream,
    streamSeq,
    hash: leafHash(leaf),
    leaf,
    salts,
    body: Buffer.from(row.body),
  };
}

const before = (row: EventRow) =>
  row.streamSeq === 1 ? undefined : { seq: 3, streamSeq: row.streamSeq - 1, hash: sha256("before") };
const seal = (row: EventRow) => stored(row, before(row)?.hash ?? null);
const check = (one: StoredLeaf, row: EventRow) => checkLeaf(one, before(row), () => false);

describe("a leaf", () => {
  test("is what docs/compliance.md says: head for everybody, commitments for the rest", () => {
    const row = rowOf("hello");
    const one = seal(row);
    const leaf = readLeaf(one.leaf);
    assert.ok(leaf);
    assert.deepEqual(Object.keys(leaf), [...Object.keys(leaf)].sort());
    assert.deepEqual(Object.keys(leaf.c), ["actor", "detail", "room", "rtf", "text"]);
    assert.equal(one.leaf.toString().includes("hello"), false);
    const salts = one.salts ?? Buffer.alloc(0);
    // By hand: the last part is the text.
    const commitment = sha256(Buffer.concat([salts.subarray(-32), Buffer.from('"hello"')])).toString(
      "base64",
    );
    assert.equal(leaf.c.text, commitment);
    assert.equal(check(one, row), undefined);
  });

  test("has other salts each time", () => {
    const row = rowOf("yes");
    assert.notDeepEqual(readLeaf(seal(row).leaf)?.c, readLeaf(seal(row).leaf)?.c);
    const seen = new Set(Array.from({ length: 10_000 }, () => makeSalts(1).toString("hex")));
    assert.equal(seen.size, 10_000);
    assert.throws(() => writeLeaf({ seq: 0, streamPrev: null }, takeApart(row), makeSalts(1)), RangeError);
  });

  test("of each hostile text is checked without an alarm, and every changed byte of its body is found", () => {
    for (const text of hostileTexts) {
      const row = rowOf(text);
      const one = seal(row);
      assert.ok("text" in (readLeaf(one.leaf)?.c ?? {}), JSON.stringify(text).slice(0, 60));
      assert.ok(one.leaf.every((byte) => byte >= 32 && byte < 127));
      assert.equal(check(one, row), undefined);
      const body = one.body ?? Buffer.alloc(0);
      const step = Math.max(1, Math.floor(body.length / 300));
      for (let at = 0; at < body.length; at += step) {
        const changed = Buffer.from(body);
        changed[at] = (changed[at] ?? 0) ^ 1;
        assert.equal(check({ ...one, body: changed }, row)?.seq, 7, `byte ${at}`);
      }
    }
  });

  test("of what is no event of ours commits to all of it", () => {
    for (const body of hostileBodies) {
      const row = { ...rowOf("x"), body };
      const one = seal(row);
      assert.deepEqual(
        Object.keys(readLeaf(one.leaf)?.c ?? {}),
        ["body"],
        body.toString("latin1").slice(0, 60),
      );
      assert.equal(check(one, row), undefined);
      const changed = Buffer.concat([body, Buffer.from(" ")]);
      assert.equal(check({ ...one, body: changed }, row)?.field, "body");
    }
  });

  test("of an event whose body says something else than its row commits to all of it too", () => {
    const row = rowOf("x");
    for (const other of [
      { roomId: 2 },
      { streamSeq: 99 },
      { kind: "JOIN" },
      { atMs: 5 },
      { stream: "room:other" },
    ]) {
      const differing = { ...row, ...other };
      const one = seal(differing);
      assert.deepEqual(Object.keys(readLeaf(one.leaf)?.c ?? {}), ["body"]);
      assert.equal(check(one, differing), undefined);
    }
  });

  test("two texts that UTF-8 cannot tell apart have different commitments", () => {
    const salts = Buffer.alloc(5 * 32);
    const leaves = ["\ud800", "\ud801", "\ufffd"].map(
      (text) =>
        readLeaf(Buffer.from(writeLeaf({ seq: 0, streamPrev: null }, takeApart(rowOf(text)), salts)))?.c.text,
    );
    assert.equal(new Set(leaves).size, 3);
  });

  test("keys in another order, blanks and numbers in another spelling are no canonical form", () => {
    const body = Buffer.from(rowOf("x").body).toString();
    for (const other of [
      ` ${body}`,
      body.replace('"v":1', '"v": 1'),
      body.replace('"v":1', '"v":1.0'),
      body.replace('"alert":false,"number":1', '"number":1,"alert":false'),
      body.replace('"text":"x"', '"text":"\\u0078"'),
      body.replace('"v":1', '"v":1,"v":1'),
    ])
      assert.equal(canonicalContent(Buffer.from(other)), undefined, other);
    assert.ok(canonicalContent(Buffer.from(body)));
  });
});
