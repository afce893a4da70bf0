import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { createConnection } from "mysql2/promise";
import { type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

let lab: Lab;
let rooms = 0;

before(async () => {
  lab = await openLab({ users: ["alice", "bob"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

const spooled = () => {
  const folder = join(lab.stack.stateDir, "spool");
  return existsSync(folder) ? readdirSync(folder) : [];
};

/** A room with two messages, of a category of its own; alice is in it. */
async function roomOf(reading: "strict" | "buffered") {
  rooms += 1;
  const category = `Reading ${rooms}`;
  await lab.administration.addCategory({ name: category, allowed: [lab.stack.domain], reading });
  const room = await lab.addRoom({ name: `Library ${rooms}`, category, members: ["alice", "bob"] });
  const alice = await lab.signedIn("alice");
  assert.equal((await alice.join(room)).code, 200);
  for (const text of ["first words", "second words"]) assert.equal(await alice.post(room, text), 200);
  return { room, alice };
}

/** Readings of a room on record: kind, and the last message shown. */
async function readings(room: string): Promise<(readonly [kind: string, to: unknown])[]> {
  const events = await lab.recorded(room);
  return events
    .filter(({ kind }) => kind === "BACKCHAT" || kind === "SEARCH")
    .map(({ kind, detail }) => [kind, detail.to ?? detail.shown] as const);
}

/** While `work` runs the node's journal can commit nothing. */
async function withJournalHeld<Result>(work: () => Promise<Result>): Promise<Result> {
  const other = await createConnection({ uri: lab.stack.mysqlUrl });
  try {
    await other.query("START TRANSACTION");
    await other.query("SELECT incarnation FROM incarnation FOR UPDATE");
    return await work();
  } finally {
    other.destroy();
  }
}

const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${lab.stack.ports.http[0]}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
};

test("a buffered room's history and search are answered before they are recorded, and recorded a moment later", async () => {
  const { room, alice } = await roomOf("buffered");
  await withJournalHeld(async () => {
    assert.equal((await alice.history(room)).messages.length, 2);
    const { found } = await alice.searchHistory({ rooms: [room], text: "second" });
    assert.equal(found[0]?.messages.length, 1);
    assert.deepEqual(await readings(room), []);
    assert.equal(spooled().length, 1);
    assert.equal(await metric("parlance_spool_entries"), 2);
  });
  await until("both are recorded", async () => (await readings(room)).length === 2);
  assert.deepEqual(await readings(room), [
    ["BACKCHAT", 2],
    ["SEARCH", [2]],
  ]);
  await until("nothing waits", async () => (await metric("parlance_spool_entries")) === 0);
  assert.equal(await metric("parlance_spool_oldest_seconds"), 0);
});

test("a strict room's history is not shown while it cannot be recorded, nor is a search that shows one beside a buffered one", async () => {
  const strict = await roomOf("strict");
  const buffered = await roomOf("buffered");
  const { alice } = buffered;
  await withJournalHeld(async () => {
    const both = { rooms: [strict.room, buffered.room], text: "second" };
    const [history, search] = await Promise.all([
      strict.alice.history(strict.room),
      alice.searchHistory(both),
    ]);
    assert.deepEqual([history.code, history.messages], [503, []]);
    assert.deepEqual([search.code, search.found], [503, []]);
  });
  assert.equal((await alice.history(strict.room)).messages.length, 2);
  assert.deepEqual(await readings(strict.room), [["BACKCHAT", 2]], "in the database as soon as it is shown");
  assert.deepEqual(await readings(buffered.room), []);
});

test("a node killed right after the answer: its next life records the reading, once", async () => {
  const { room, alice } = await roomOf("buffered");
  await withJournalHeld(async () => {
    assert.equal((await alice.history(room)).messages.length, 2);
    await lab.stack.kill("n1", "SIGKILL");
  });
  assert.deepEqual(await readings(room), []);
  assert.equal(spooled().length, 1);
  alice.watch.strictNumbers = false;
  await lab.restart("n1");
  await until("it is recorded", async () => (await readings(room)).length > 0);
  await until("the file is gone", () => spooled().length === 0);
  assert.deepEqual(await readings(room), [["BACKCHAT", 2]]);
  assert.match(lab.log("n1"), /what an earlier life had spooled is on record/);
});

test("a node that stops in order records what it has spooled first: its last word is the last of its stream", async () => {
  const { room, alice } = await roomOf("buffered");
  for (let time = 1; time <= 3; time++) assert.equal((await alice.history(room)).messages.length, 2);
  alice.watch.strictNumbers = false;
  await lab.restart("n1");
  assert.equal((await readings(room)).length, 3);
  const [stream] = (await lab.recorded(room))
    .filter(({ kind }) => kind === "BACKCHAT")
    .map((event) => event.stream);
  const columns = "stream_seq, body FROM";
  const rows = await lab.sql<{ stream_seq: number; body: Buffer }>(
    `SELECT ${columns} compliance_outbox WHERE stream = ? UNION SELECT ${columns} compliance_handover WHERE stream = ? ORDER BY stream_seq DESC LIMIT 1`,
    [stream ?? "", stream ?? ""],
  );
  const last = JSON.parse(rows[0]?.body.toString("utf8") ?? "{}");
  assert.deepEqual(
    [last.kind, last.detail.reason, last.detail.last],
    ["NODE_STOP", "stopped", last.streamSeq],
  );
  assert.deepEqual(spooled(), []);
});

test("with the database away histories, searches and entering get 503 and no content, strict or buffered, and nothing is recorded", async () => {
  const { room, alice } = await roomOf("buffered");
  const strict = await roomOf("strict");
  const other = await lab.addRoom({ name: "Not entered", members: ["alice"] });
  await lab.stack.kill("mariadb", "SIGKILL");
  const search = (rooms: string[]) => alice.searchHistory({ rooms, text: "words" });
  const [buffered, strictly, found, strictlyFound, entered] = await Promise.all([
    alice.history(room),
    strict.alice.history(strict.room),
    search([room]),
    search([strict.room]),
    alice.join(other),
  ]);
  for (const { code, messages } of [buffered, strictly]) assert.deepEqual([code, messages], [503, []]);
  for (const one of [found, strictlyFound]) assert.deepEqual([one.code, one.found], [503, []]);
  assert.deepEqual([entered.code, entered.rooms], [503, []]);
  for (const endpoint of [alice, strict.alice]) endpoint.watch.strictNumbers = false;
  await lab.restart("mariadb");
  await until("it can be read again", async () => (await alice.history(room)).code === 200);
  assert.equal((await strict.alice.history(strict.room)).code, 200);
  await until("that is recorded", async () => (await readings(room)).length > 0);
  for (const one of [room, strict.room]) assert.deepEqual(await readings(one), [["BACKCHAT", 2]]);
  const kinds = (await lab.recorded(other)).map(({ kind }) => kind);
  assert.ok(!kinds.includes("JOIN"), kinds.join());
});
