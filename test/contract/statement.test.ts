import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sha256 } from "../../src/compliance/log/hashes.ts";
import { readNote, type Signer, signerOf } from "../../src/compliance/log/note.ts";
import { rangeHash } from "../../src/compliance/log/proofs.ts";
import { StatementMaker } from "../../src/compliance/statement/maker.ts";
import {
  asDay,
  type Day,
  DaySum,
  isComplete,
  type Statement,
} from "../../src/compliance/statement/statement.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import { MysqlStatements } from "../../src/store/mysql/statement-store.ts";
import { ArchiveLab, makeSealer, newSigner } from "../support/archive-lab.ts";
import { eventMaker } from "../support/compliance-events.ts";

const lab = new ArchiveLab();
const FIRST = "2026-03-01" as Day;
const SECOND = "2026-03-02" as Day;
const at = (day: string, time: string) => Date.parse(`${day}T${time}Z`);

let signer: Signer;
let nowMs = 0;
let maker: StatementMaker;
let make: ReturnType<typeof eventMaker>;

beforeEach(async () => {
  await lab.empty();
  for (const table of ["statement", "difference", "reconciliation"])
    await lab.database.change(`DELETE FROM compliance_${table}`);
  await compared(8, 8);
  signer = newSigner();
  make = eventMaker("");
  const fail = (error: unknown) => assert.fail(String(error));
  maker = new StatementMaker(
    new MysqlStatements(lab.database),
    async () => signer,
    { nowMs: () => nowMs },
    fail,
  );
});

async function compared(committed: number, sealed: number): Promise<void> {
  await lab.database.change(
    "INSERT INTO compliance_reconciliation (at_ms, took_ms, whole, streams, committed, sealed, pending, rooms, messages, differences) " +
      "VALUES (1, 1, 1, 1, ?, ?, 0, 1, 1, 0)",
    [committed, sealed],
  );
}

/** Chats in a room, sealed and signed at that time. */
async function sealed(whenMs: number, roomId: number, count: number): Promise<void> {
  await lab.record(Array.from({ length: count }, () => make({ roomId, atMs: whenMs })));
  const { sealer } = makeSealer(lab.database, signer);
  assert.equal((await sealer.sealNow()).end, "done");
  await sealer.stop();
  await lab.database.change("UPDATE archive_checkpoint SET at_ms = ? ORDER BY size DESC LIMIT 1", [whenMs]);
}

const told: string[] = [];

async function statementOf(day: Day): Promise<{ statement: Statement; body: string; note: string }> {
  const made = await maker.of(day, (done, all) => told.push(`${done} of ${all}`));
  assert.ok(made?.note);
  return { statement: JSON.parse(made.body), body: made.body, note: made.note };
}

test("a day's statement names each stream's numbers, their count and root; the days leave nothing out and share nothing", async () => {
  await sealed(at(FIRST, "10:00:00"), 1, 5);
  await sealed(at(FIRST, "23:59:59"), 2, 3);
  await sealed(at(SECOND, "00:00:01"), 1, 4);
  nowMs = at("2026-03-03", "12:00:00");
  const one = (await statementOf(FIRST)).statement;
  const two = (await statementOf(SECOND)).statement;
  assert.deepEqual([one.from, one.to, two.from, two.to, one.final], [0, 8, 8, 12, true]);
  assert.deepEqual(told, ["8 of 8", "4 of 4"], "how far it has come");
  const numbers = ({ streams }: Statement) =>
    streams.map(({ stream, first, last, count, messages }) => [stream, first, last, count, messages]);
  assert.deepEqual(numbers(one), [
    ["room:1", 1, 5, 5, 5],
    ["room:2", 1, 3, 3, 3],
  ]);
  assert.deepEqual(numbers(two), [["room:1", 6, 9, 4, 4]]);
  assert.ok(isComplete(one) && isComplete(two));
  const reader = new MysqlArchiveReader(lab.database);
  assert.equal(one.root, (await rangeHash(reader.hashes, 0, 8)).toString("base64"));
  // All leaves of the second day are of one stream: its root is that of a log of these leaves.
  const { Frontier } = await import("../../src/compliance/log/frontier.ts");
  const frontier = new Frontier();
  for (const hash of await reader.hashes.hashes(0, 8, 4)) frontier.append(hash);
  assert.equal(two.streams[0]?.root, frontier.root().toString("base64"));
});

test("it is signed over its very bytes, and stands as it was made", async () => {
  await sealed(at(FIRST, "10:00:00"), 1, 2);
  await sealed(at(SECOND, "10:00:00"), 1, 1);
  nowMs = at(SECOND, "12:00:00");
  const { body, note } = await statementOf(FIRST);
  const read = readNote(note);
  assert.ok(signerOf(read, [signer]));
  assert.equal(
    read.text,
    `${signer.name}\ncompleteness ${FIRST}\nevents 0 2\nsha256 ${sha256(body).toString("base64")}\n`,
  );
  nowMs = at("2026-05-01", "12:00:00");
  assert.equal((await statementOf(FIRST)).note, note);
});

test("a day that is not over has a preliminary statement that nobody keeps; one that has not begun has none", async () => {
  await sealed(at(FIRST, "10:00:00"), 1, 2);
  nowMs = at(FIRST, "11:00:00");
  assert.equal((await statementOf(FIRST)).statement.final, false);
  await sealed(at(FIRST, "12:00:00"), 1, 2);
  nowMs = at(FIRST, "12:00:01");
  assert.equal((await statementOf(FIRST)).statement.to, 4);
  assert.equal(await maker.of(SECOND), undefined);
  for (const wrong of ["2026-02-30", "2026-3-1", "yesterday", "", "2026-03-01T00:00"])
    assert.equal(asDay(wrong), undefined);
});

test("after midnight the worker makes what is due: every day since the last, empty ones too", async () => {
  const made = async () => {
    const rows = await lab.database.rows<{ day: string; n: number }>(
      "SELECT day, to_seq - from_seq AS n FROM compliance_statement WHERE day >= ? ORDER BY day",
      [FIRST],
    );
    return rows.map(({ day, n }) => `${day} ${n}`);
  };
  await sealed(at(FIRST, "10:00:00"), 1, 2);
  nowMs = at(SECOND, "00:01:00");
  await maker.makeDue();
  assert.deepEqual(await made(), [], "not before its time");
  nowMs = at(SECOND, "00:06:00");
  await maker.makeDue();
  nowMs = at("2026-03-05", "01:00:00");
  await maker.makeDue();
  assert.deepEqual(await made(), ["2026-03-01 2", "2026-03-02 0", "2026-03-03 0", "2026-03-04 0"]);
});

test("what is missing or open makes it incomplete: gaps, differences, and a number the log itself has lost", async () => {
  await sealed(at(FIRST, "10:00:00"), 1, 4);
  await lab.database.change(
    "INSERT INTO compliance_difference (what, stream, first, last, since_ms) VALUES ('missing', 'room:1', 5, 6, 1)",
  );
  nowMs = at(FIRST, "11:00:00");
  const { statement } = await statementOf(FIRST);
  assert.deepEqual(statement.standing.differences, [
    { what: "missing", stream: "room:1", first: 5, last: 6 },
  ]);
  assert.equal(isComplete(statement), false);
  await lab.database.change("DELETE FROM compliance_difference");
  const [, , late] = [make({ roomId: 2 }), make({ roomId: 2 }), make({ roomId: 2 })];
  await lab.record([late]);
  await lab.database.change("UPDATE archive_intake SET arrived_ms = arrived_ms - 61000");
  const waiting = (await statementOf(FIRST)).statement;
  assert.deepEqual(waiting.standing.gaps, [{ stream: "room:2", missing: 1 }]);
  assert.ok(waiting.standing.unsealed === 1 && waiting.standing.oldestUnsealedMs >= 61_000);
  assert.equal(isComplete(waiting), false);
  await lab.empty();
  await sealed(at(FIRST, "10:00:00"), 3, 4);
  await lab.database.change("DELETE FROM archive_leaf WHERE seq = 2");
  assert.equal(isComplete((await statementOf(FIRST)).statement), false);
});

test("events that wait for more than a minute, sums that differ and no comparison at all are open", async () => {
  await sealed(at(FIRST, "10:00:00"), 1, 4);
  nowMs = at(FIRST, "11:00:00");
  const complete = async () => isComplete((await statementOf(FIRST)).statement);
  assert.equal(await complete(), true);
  await lab.record([make({ roomId: 1 })]);
  assert.equal(await complete(), true, "under way");
  await lab.database.change("UPDATE archive_intake SET arrived_ms = arrived_ms - 61000");
  assert.equal(await complete(), false, "open");
  await lab.database.change("DELETE FROM archive_intake");
  assert.equal(await complete(), true);
  await compared(9, 8);
  assert.equal(await complete(), false, "the sums differ");
  await lab.database.change("DELETE FROM compliance_reconciliation");
  assert.equal(await complete(), false, "never compared");
});

test("numbers that do not follow one another are named, though their count is right", () => {
  const sum = new DaySum();
  for (const streamSeq of [1, 3, 2, 4])
    sum.add({ streamId: 1, streamSeq, hash: Buffer.alloc(32), isMessage: true, isMissing: false });
  const [stream] = sum.statements(new Map());
  assert.deepEqual([stream?.first, stream?.last, stream?.count, stream?.broken], [1, 4, 4, true]);
});
