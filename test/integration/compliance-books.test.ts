import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readNote } from "../../src/compliance/log/note.ts";
import type { Statement } from "../../src/compliance/statement/statement.ts";
import { type CliAnswer, parlance } from "../support/cli.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

/** People talk, the worker seals, and an officer asks: is that all, and does it say the same? */
let lab: Lab;
let room = "";
before(async () => {
  lab = await openLab({
    users: ["alice", "bob"],
    settings: { compliance: { "heartbeat-interval": "1s", archive: { "checkpoint-interval": "1s" } } },
  });
  await lab.stack.restart("worker");
  room = await lab.addRoom({ name: "FX", members: ["alice", "bob"] });
  const [alice, bob] = [await lab.signedIn("alice"), await lab.signedIn("bob")];
  for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(room)).code, 200);
  for (const text of ["buy 3", "sell 4", "<&> \u{1f600}"]) assert.equal(await alice.post(room, text), 200);
  await bob.waitForMessage(({ text }) => text.startsWith("<&>"), LAB_TIMEOUT_MS);
  assert.equal((await bob.history(room, 10)).messages.length, 3);
  await lab.clearAway();
  await sealed();
});
after(() => lab?.close());

/** Everything that is recorded by now. */
async function sealed(): Promise<void> {
  const { id } = await lab.administration.findRoom(room);
  await until("sealed", async () => {
    const [row] = await lab.sql<{ n: number }>(
      "SELECT COUNT(*) AS n FROM archive_stream s JOIN room r ON r.id = ? WHERE s.name = CONCAT('room:', r.id) AND s.last_seq = r.last_event",
      [id],
    );
    return Number(row?.n) === 1;
  });
}

const run = (...words: string[]): Promise<CliAnswer> => parlance(lab.stack.configFiles.n1 ?? "", ...words);

interface Compared {
  readonly comparison: readonly Record<string, number | null>[];
  readonly differences?: readonly { stream: string; what: string; first: number; last: number }[];
}

async function reconcile(...words: string[]): Promise<{ code: number; shown: Compared }> {
  const { code, out, err } = await run("compliance", "reconcile", ...words, "--json");
  assert.notEqual(out, "", err);
  return { code, shown: JSON.parse(out) };
}

test("the worker compares and states by itself: yesterday is signed, and what was changed is found with no command given", async () => {
  const result = async () => {
    const [row] = await lab.sql<{ id: number; differences: number }>(
      "SELECT id, differences FROM compliance_reconciliation ORDER BY id DESC LIMIT 1",
    );
    return row;
  };
  await until("it has compared", async () => (await result()) !== undefined, LAB_TIMEOUT_MS);
  const statements = () =>
    lab.sql<{ day: string; note: string | null }>("SELECT day, note FROM compliance_statement");
  await until("it has made a statement", async () => (await statements()).length > 0, LAB_TIMEOUT_MS);
  const [statement] = await statements();
  assert.match(readNote(statement?.note ?? "").text, new RegExp(`\\ncompleteness ${statement?.day}\\n`));
  const dayBefore = (ms: number) => new Date(ms - 86_400_000).toISOString().slice(0, 10);
  // Five minutes after midnight; whoever asks at that very moment may see either.
  assert.ok([dayBefore(Date.now()), dayBefore(Date.now() - 10 * 60_000)].includes(statement?.day ?? ""));

  const { id } = await lab.administration.findRoom(room);
  const change = (text: string) =>
    lab.sql("UPDATE message SET text = ? WHERE room_id = ? AND number = 3", [text, id]);
  const [before] = await lab.sql<{ text: string }>(
    "SELECT text FROM message WHERE room_id = ? AND number = 3",
    [id],
  );
  await change("behind its back");
  let hourOver = 0;
  const found = async () => {
    const last = await result();
    if (Number(last?.differences) > 0) return true;
    if (last && last.id !== hourOver) {
      // As if the hour were over, and the room had not been compared yet; the worker looks at the time every half minute.
      await lab.sql("DELETE FROM compliance_compared");
      await lab.sql("UPDATE compliance_reconciliation SET at_ms = 1");
      hourOver = last.id;
    }
    return false;
  };
  await until("the difference is found", found, 120_000);
  assert.deepEqual(
    await lab.sql("SELECT what, CAST(stream AS CHAR) AS stream, first, last FROM compliance_difference"),
    [{ what: "altered", stream: `room:${id}`, first: 3, last: 3 }],
  );
  await change(before?.text ?? "");
});

test("chat and archive say the same: exit code 0, and recorded = sealed + pending", async () => {
  const { code, shown } = await reconcile("--all");
  assert.equal(code, 0, JSON.stringify(shown));
  const [sum] = shown.comparison;
  assert.ok(sum);
  assert.equal(sum.recorded, (sum.sealed ?? 0) + (sum.pending ?? 0));
  assert.ok((sum.messages ?? 0) >= 3);
  assert.equal(shown.differences, undefined);
  const people = await run("compliance", "reconcile");
  assert.match(people.out, /^comparison:\nRECORDED +SEALED +PENDING/);
});

test("a message that was changed behind everybody's back: exit code 1, the alert says which, and it clears by itself", async () => {
  const { id } = await lab.administration.findRoom(room);
  const change = (text: string) =>
    lab.sql("UPDATE message SET text = ? WHERE room_id = ? AND number = 2", [text, id]);
  await change("sell 400");
  const { code, shown } = await reconcile("--all");
  assert.equal(code, 1);
  assert.deepEqual(
    shown.differences?.map(({ stream, what, first, last }) => ({ stream, what, first, last })),
    [{ stream: `room:${id}`, what: "altered", first: 2, last: 2 }],
  );
  const alerts = async () => {
    const list = JSON.parse((await run("alert", "list", "--json")).out) as {
      alert: string;
      detail: string;
    }[];
    return list.filter(({ alert }) => alert === "archive-differs").map(({ detail }) => detail);
  };
  await until("the alert is raised", async () => (await alerts()).includes("altered: 2"), 60_000);
  await change("sell 4");
  assert.equal((await reconcile()).code, 0, "the room is compared again until it fits");
  await until("the alert is cleared", async () => (await alerts()).length === 0, 60_000);
});

/** Switches the permanent archive on or off, as an administrator does. */
async function archive(enabled: boolean): Promise<void> {
  await lab.configure("n1", { compliance: { archive: { "checkpoint-interval": "1s", enabled } } });
  await lab.stack.restart("worker");
}

test("what was recorded while the archive was off is missing: exit code 2 and its numbers; status counts it", async () => {
  const { id } = await lab.administration.findRoom(room);
  const stream = `room:${id}`;
  const count = async () => {
    const [row] = await lab.sql<{ n: number }>("SELECT last_event AS n FROM room WHERE id = ?", [id]);
    return Number(row?.n);
  };
  const sealedBefore = await count();
  await archive(false);
  const alice = await lab.signedIn("alice");
  await alice.join(room);
  assert.equal(await alice.post(room, "this one gets lost"), 200);
  await lab.clearAway();
  await until("the adapter has it", async () => {
    const [row] = await lab.sql<{ n: number }>(
      "SELECT (SELECT COUNT(*) FROM compliance_outbox WHERE stream = ?) + (SELECT COUNT(*) FROM dialog) AS n",
      [stream],
    );
    return Number(row?.n) === 0;
  });
  const lastLost = await count();
  await archive(true);
  const bob = await lab.signedIn("bob");
  await bob.join(room);
  assert.equal(await bob.post(room, "this one waits"), 200);
  await lab.clearAway();
  const { code, shown } = await reconcile();
  assert.equal(code, 2);
  const lost = shown.differences?.find((one) => one.what === "missing" && one.stream === stream);
  assert.deepEqual([lost?.first, lost?.last], [sealedBefore + 1, lastLost]);
  const status = await run("compliance", "status", "--json");
  const { archive: rows } = JSON.parse(status.out) as { archive: { what: string; value: unknown }[] };
  assert.ok(Number(rows.find(({ what }) => what === "differences from the chat")?.value) >= 1);
  const [head] = await lab.sql<{ n: number }>("SELECT last_seq AS n FROM archive_stream WHERE name = ?", [
    stream,
  ]);
  assert.equal(Number(head?.n), sealedBefore, "what comes behind it waits");
});

test("the statement of a day: signed, with each stream's numbers; wrong days are refused", async () => {
  const today = new Date().toISOString().slice(0, 10);
  const { code, out } = await run("compliance", "statement", today, "--json");
  assert.equal(code, 2, "what was lost stands in it");
  const { statement, note } = JSON.parse(out) as { statement: Statement; note: string };
  assert.equal(statement.final, false);
  const { id } = await lab.administration.findRoom(room);
  const own = statement.streams.find(({ stream }) => stream === `room:${id}`);
  assert.deepEqual([own?.name, own?.first, own?.messages], ["FX", 1, 3]);
  assert.equal(own?.count, own?.last);
  assert.ok(
    statement.standing.differences.some((one) => one.what === "missing" && one.stream === `room:${id}`),
  );
  assert.match(readNote(note).text, new RegExp(`^example.com/pchat\\ncompleteness ${today}\\n`));
  const people = await run("compliance", "statement", today);
  assert.match(people.out, /which is not over: preliminary/);
  for (const day of ["2026-02-30", "today", "2999-01-01"]) {
    const refused = await run("compliance", "statement", day);
    assert.deepEqual([refused.code, refused.out], [64, ""], day);
    assert.match(refused.err, /^parlance: [^\n]+\n$/);
  }
});

test("what is lost for good is accepted with a reason: the alert clears, the room goes on, and every check says what is missing", async () => {
  const { id } = await lab.administration.findRoom(room);
  const stream = `room:${id}`;
  const accept = (...words: string[]) => run("compliance", "accept", ...words);
  for (const words of [[stream], [stream, "--reason", " "], ["--reason", "lost"]]) {
    const refused = await accept(...words);
    assert.deepEqual([refused.code, refused.out], [64, ""], words.join(" "));
  }
  const other = await accept("room:999999", "--reason", "lost");
  assert.deepEqual([other.code, other.out], [64, ""]);
  assert.match(other.err, /^parlance: nothing of "room:999999" was missing or different,[^\n]+\n$/);
  const rehearsed = await accept(stream, "--reason", "ticket 4711", "--dry-run");
  assert.equal(rehearsed.code, 0, rehearsed.err);
  assert.match(rehearsed.out, /missing/);
  assert.equal((await reconcile()).code, 2, "nothing was done");
  const done = await accept("--all", "--reason", "ticket 4711", "--json");
  assert.equal(done.code, 0, done.err);
  const accepted = (JSON.parse(done.out) as { stream: string; what: string; count: number }[]).filter(
    (one) => one.stream === stream,
  );
  assert.deepEqual(
    accepted.map(({ what }) => what).sort(),
    ["missing", "unrecorded"],
    "and the message with it",
  );
  const lost = accepted.find(({ what }) => what === "missing")?.count ?? 0;
  assert.ok(lost >= 2, "coming and post");
  assert.equal((await reconcile("--all")).code, 0);
  const verified = await run("compliance", "verify");
  assert.equal(verified.code, 0, verified.out);
  assert.match(verified.out, /nothing is missing but what was accepted/);
  assert.match(verified.out, /^ {2}missing +\d+ events, accepted on the record/m);
  const today = new Date().toISOString().slice(0, 10);
  const { code, out } = await run("compliance", "statement", today, "--json");
  const { statement } = JSON.parse(out) as { statement: Statement };
  assert.equal(code, 0, JSON.stringify(statement.standing));
  const own = statement.streams.find((one) => one.stream === stream);
  assert.deepEqual([own?.missing, own?.messages], [lost, 4], "the message that waited is sealed");
  const raised = async () => JSON.parse((await run("alert", "list", "--json")).out) as { alert: string }[];
  await until(
    "the alert is cleared",
    async () => !(await raised()).some(({ alert }) => alert === "record-missing"),
    60_000,
  );
});
