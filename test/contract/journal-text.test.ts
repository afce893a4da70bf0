import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { MysqlJournal } from "../../src/store/mysql/journal.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { type MysqlLab, newScene, postEntry, recorder, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let stores: Stores;
let journal: MysqlJournal;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
  journal = stores.journal(await stores.leases.begin("n1"));
});
after(() => lab.stop());

const hostile = [
  "'; DROP TABLE message; --",
  "\\'; DROP TABLE message; --",
  `"double" 'single' \`back\` \\ \\\\ \\' \\" % _ ? ?? :name @x`,
  "line one\r\nline two\nline three\ttab \u0000 nul \b bell \u001a end",
  "Ünïcödé 漢字 😀👩‍👩‍👧 \u{10ffff} \u2028 \u2029 \ufeff",
  " leading and trailing ",
  '<a href="https://example.com/?a=1&amp;b=2">a page</a> ma-chan://example.com/7c1e0f5a-0000-4000-8000-000000000001 :-) ;(',
  "\\",
  "'",
  "x".repeat(32_000),
];

test("text comes back as it was posted, byte for byte, from the messages and from the archive's copy", async () => {
  const { alice, rooms } = await newScene(stores);
  const [room] = rooms;
  assert.ok(room);
  await Promise.all(
    hostile.map((text) => journal.post(postEntry(recorder(alice), room, text, { rtf: `{\\rtf1 ${text}}` }))),
  );
  const kept = await stores.messages.range(room.id, 1, 100);
  assert.deepEqual(
    kept.map(({ text }) => text),
    hostile,
  );
  assert.deepEqual(
    kept.map(({ rtf }) => rtf),
    hostile.map((text) => `{\\rtf1 ${text}}`),
  );
  const recorded = await stores.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE room_id = ? ORDER BY stream_seq",
    [room.id],
  );
  assert.deepEqual(
    recorded.map(({ body }) => JSON.parse(body.toString("utf8")).detail.text),
    hostile,
  );
});

test("a full flush of the largest messages is stored although it exceeds what one packet holds", async () => {
  const { alice, rooms } = await newScene(stores);
  const [room] = rooms;
  assert.ok(room);
  const text = "漢".repeat(10_000);
  const rtf = "'".repeat(120_000);
  const posts = Array.from({ length: 24 }, () =>
    journal.post(postEntry(recorder(alice), room, text, { rtf })),
  );
  assert.equal((await Promise.all(posts)).length, 24);
  const [last] = await stores.messages.latest(room.id, 1, 1_000);
  assert.equal(last?.number, 24);
  assert.equal(last?.rtf, rtf);
});
