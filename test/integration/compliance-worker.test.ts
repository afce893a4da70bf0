import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import { type ComplianceEvent, canonicalBody } from "../../src/chat/compliance-event.ts";
import type { ArchiveFolder } from "../../src/compliance/ports.ts";
import type { ComplianceWorker } from "../../src/compliance/worker.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { MysqlHandoverStore } from "../../src/store/mysql/handover-store.ts";
import { migrate } from "../../src/store/mysql/migrate.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { RedisConnection } from "../../src/store/redis/connection.ts";
import { JobConsumer } from "../../src/store/redis/job-consumer.ts";
import { ComplianceQueue } from "../../src/store/redis/job-queue.ts";
import { eventMaker, insertOutbox, seeded } from "../support/compliance-events.ts";
import { archivedMessages, countRows, filesIn, lyncAdapter, makeWorker } from "../support/compliance-lab.ts";
import { until } from "../support/until.ts";
import { requireXmllint, validate } from "../support/xmllint.ts";

const child = fileURLToPath(new URL("../support/compliance-child.ts", import.meta.url));
const schema = fileURLToPath(new URL("../vectors/lync-compliance.xsd", import.meta.url));

let stack: Stack;
let database: Database;
let root: string;
let make: ReturnType<typeof eventMaker>;
let tests = 0;
const workers: ComplianceWorker[] = [];

before(async () => {
  await requireXmllint();
  stack = await startStack({ parts: ["mariadb", "redis"] });
  await migrate(stack.mysqlUrl);
  database = new Database({ url: stack.mysqlUrl });
});

after(async () => {
  await database.close();
  await stack.stop();
});

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "parlance-archive-"));
  make = eventMaker(`t${++tests}-`);
  for (const table of ["outbox", "handover", "quarantine", "run", "lease"])
    await database.change(`DELETE FROM compliance_${table}`);
});

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop();
  rmSync(root, { recursive: true, force: true });
});

function begin(...args: Parameters<typeof makeWorker>) {
  const made = makeWorker(...args);
  workers.push(made.worker);
  return made;
}

/** Chats over a few rooms, numbered so that each message in the archive can be told apart. */
function chats(count: number): ComplianceEvent[] {
  return Array.from({ length: count }, (_, index) => make({ roomId: 1 + (index % 5) }));
}

function expected(events: readonly ComplianceEvent[]): string[] {
  return events
    .map(({ room, fact }) => `${room.uri}#CHAT#${fact.kind === "CHAT" ? `${fact.number}#${fact.text}` : ""}`)
    .sort();
}

async function archiveAll(worker: ComplianceWorker): Promise<void> {
  await until("archived", async () => {
    await worker.sweepNow();
    const summary = await worker.archiveNow();
    return summary?.end === "empty" && (await countRows(database, "compliance_outbox")) === 0;
  });
}

describe("from the outbox to the archive", { timeout: 180_000 }, () => {
  test("every event is in a valid file once, and the tables are empty", async () => {
    const events = chats(1_000);
    const more = [make({ fact: { kind: "JOIN" } }), make({ fact: { kind: "PART", reason: "left" } })];
    await insertOutbox(database, [...events, ...more]);
    const { worker, seen } = begin(database, lyncAdapter(root));
    await archiveAll(worker);
    const messages = archivedMessages(root).sort();
    assert.deepEqual(
      messages.filter((message) => message.includes("#CHAT#")),
      expected(events),
    );
    assert.equal(messages.length, 1_002);
    assert.equal(seen.moved, 1_002);
    assert.equal(seen.delivered, 1_002);
    assert.deepEqual(seen.troubles, []);
    for (const table of ["outbox", "handover", "run", "quarantine"])
      assert.equal(await countRows(database, `compliance_${table}`), 0);
    for (const file of filesIn(root).filter((name) => name.endsWith(".xml"))) {
      assert.equal(await validate(join(root, file), schema), undefined);
    }
    const manifests = filesIn(root).filter((name) => name.endsWith("manifest.json"));
    assert.equal(manifests.length, 6);
    const counts = manifests.map((name) => JSON.parse(readFileSync(join(root, name), "utf8")).eventCount);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      1_002,
    );
  });

  test("without an adapter events are moved and kept", async () => {
    await insertOutbox(database, chats(20));
    const { worker } = begin(database, undefined);
    assert.equal(await worker.sweepNow(), 20);
    assert.equal(await worker.archiveNow(), undefined);
    assert.equal(await countRows(database, "compliance_handover"), 20);
  });

  test("ids twice, out of order and unknown move each row once", async () => {
    const events = chats(300);
    await insertOutbox(database, events);
    const outbox = new MysqlOutboxStore(database);
    const ids = events.map(({ eventId }) => eventId);
    const calls = [ids.toReversed(), ids, [...ids.slice(0, 50), ...ids.slice(0, 50)], ["f".repeat(32)], []];
    const outcomes = await Promise.all(calls.map((list) => outbox.move(list)));
    assert.equal(
      outcomes.reduce((sum, { moved }) => sum + moved, 0),
      300,
    );
    assert.equal(await countRows(database, "compliance_handover"), 300);
    assert.equal((await outbox.move(ids)).moved, 0);
  });

  test("a row that commits late under a smaller id is found by the next sweep", async () => {
    const late = make();
    const early = make();
    await insertOutbox(database, [early]);
    const { worker } = begin(database, undefined);
    assert.equal(await worker.sweepNow(), 1);
    await insertOutbox(database, [late]);
    assert.equal(await worker.sweepNow(), 1);
  });

  test("young rows are left to their jobs", async () => {
    await insertOutbox(database, [make({ atMs: Date.now() - 60_000 }), make()]);
    const { worker } = begin(database, undefined, { sweeper: { minAgeMs: 10_000 } });
    assert.equal(await worker.sweepNow(), 1);
    assert.equal(await countRows(database, "compliance_outbox"), 1);
  });

  test("rows that another transaction holds do not keep the sweeper from those behind them", async () => {
    const events = chats(700);
    await insertOutbox(database, events);
    const { worker } = begin(database, undefined);
    await database.transaction(async (queries) => {
      // One by one: a condition on many ids may lock the whole of a small table.
      for (const { eventId } of events.slice(0, 550)) {
        const id = Buffer.from(eventId, "hex");
        await queries.rows("SELECT event_id FROM compliance_outbox WHERE event_id = ? FOR UPDATE", [id]);
      }
      assert.equal(await worker.sweepNow(), 150);
    });
    assert.equal(await worker.sweepNow(), 550);
  });

  test("the same id again: the same body is one event, another body raises an alarm and both are kept", async () => {
    const [same, other, fresh] = [make(), make(), make()];
    await insertOutbox(database, [same, other]);
    const { worker, seen } = begin(database, lyncAdapter(root));
    await worker.sweepNow();
    const forged = {
      ...other,
      fact: { kind: "CHAT", number: 1, alert: false, text: "forged", rtf: null },
    } as const;
    await insertOutbox(database, [same, forged, fresh]);
    await worker.sweepNow();
    assert.deepEqual(seen.conflicts, [other.eventId]);
    assert.equal(await countRows(database, "compliance_outbox"), 0);
    const kept = await database.rows<{ body: Buffer }>("SELECT body FROM compliance_quarantine");
    assert.deepEqual(
      kept.map(({ body }) => body.toString()),
      [canonicalBody(forged)],
    );
    await archiveAll(worker);
    assert.deepEqual(archivedMessages(root).sort(), expected([same, other, fresh]));
  });
});

describe("the adapter", { timeout: 180_000 }, () => {
  test("failing: rows are kept and wait longer each time; succeeding: they are deleted", async () => {
    const events = chats(30);
    await insertOutbox(database, events);
    let broken = true;
    const failing = (folder: ArchiveFolder): ArchiveFolder => ({
      isComplete: (runId) => folder.isComplete(runId),
      discard: (runId) => folder.discard(runId),
      write: async (runId, files) => {
        if (broken) throw Object.assign(new Error("secret text"), { code: "ENOSPC" });
        await folder.write(runId, files);
      },
    });
    const { worker, seen } = begin(database, lyncAdapter(root, failing));
    await worker.sweepNow();
    for (let attempt = 1; attempt <= 3; attempt++) {
      assert.equal((await worker.archiveNow())?.end, "failed");
      const [run] = await database.rows<{ attempts: number; last_error: string }>(
        "SELECT * FROM compliance_run",
      );
      assert.equal(Number(run?.attempts), attempt);
      assert.equal(run?.last_error, "Error ENOSPC", "no message of strangers in the table");
      assert.equal(await countRows(database, "compliance_handover"), 30);
    }
    const open = await new MysqlHandoverStore(database).openRun("archive");
    assert.ok((open?.waitMs ?? 0) > 10_000, "20 s after the third failure");
    assert.deepEqual(seen.quarantined, [], "a full disk is no fault of the events");
    broken = false;
    assert.equal((await worker.archiveNow())?.end, "empty");
    assert.equal(await countRows(database, "compliance_handover"), 0);
    assert.deepEqual(archivedMessages(root).sort(), expected(events));
  });

  test("a poisonous event is kept in quarantine with its reason, the rest is delivered", async () => {
    const good = chats(100);
    const poison = [
      make({ fact: { kind: "CHAT", number: 2 ** 31, alert: false, text: "too far", rtf: null } }),
      make({ userId: 2 ** 40 }),
    ];
    await insertOutbox(database, [...good.slice(0, 40), ...poison, ...good.slice(40)]);
    const broken = make();
    await insertOutbox(database, [broken]);
    await database.change("UPDATE compliance_outbox SET body = ? WHERE event_id = ?", [
      Buffer.from("{not json"),
      Buffer.from(broken.eventId, "hex"),
    ]);
    const { worker, seen } = begin(database, lyncAdapter(root));
    await archiveAll(worker);
    assert.deepEqual(archivedMessages(root).sort(), expected(good));
    assert.deepEqual(seen.quarantined.sort(), [...poison, broken].map(({ eventId }) => eventId).sort());
    const rows = await database.rows<{ reason: string }>(
      "SELECT reason FROM compliance_quarantine ORDER BY event_id",
    );
    assert.deepEqual(
      rows.map(({ reason }) => reason),
      ["cannot be expressed: detail.number", "cannot be expressed: actor.id", "not a compliance event: body"],
    );
    assert.equal(await countRows(database, "compliance_handover"), 0);
  });

  test("a holder whose lease has a successor changes nothing", async () => {
    await insertOutbox(database, chats(10));
    const { worker } = begin(database, undefined);
    await worker.sweepNow();
    const store = new MysqlHandoverStore(database);
    const old = await store.takeLease("archive", "old", 50);
    assert.ok(old);
    const limits = { maxEvents: 100, maxBodyBytes: 1 << 20 };
    const run = await store.beginRun(old, limits, "hash", () => "run-1");
    assert.ok(run);
    let next: Awaited<ReturnType<typeof store.takeLease>>;
    await until("lease lapsed", async () => {
      next = await store.takeLease("archive", "new", 60_000);
      return next !== undefined;
    });
    assert.equal(await store.takeLease("archive", "third", 60_000), undefined);
    for (const write of [
      () => store.finishRun(old, run),
      () => store.renewLease(old, 1_000),
      () => store.postponeRun(old, run, 1, "x"),
      () => store.quarantine(old, run, [{ eventId: run.eventIds[0] ?? "", reason: "x" }]),
      () => store.forgetRun(old, run),
      () => store.noteRun(old),
    ]) {
      await assert.rejects(write, { name: "LeaseLost" });
    }
    await store.releaseLease(old);
    assert.equal(await store.takeLease("archive", "third", 60_000), undefined, "an old holder frees nothing");
    assert.equal(await countRows(database, "compliance_handover"), 10);
    assert.equal(await countRows(database, "compliance_run"), 1);
  });

  test("the interval is kept across restarts, and a clean stop needs no run", async () => {
    const { worker } = begin(database, lyncAdapter(root));
    assert.equal((await worker.archiveNow())?.end, "empty");
    await worker.stop();
    await insertOutbox(database, chats(5));
    const { worker: second, seen } = begin(database, lyncAdapter(root));
    second.start();
    await until("moved", () => seen.moved === 5);
    await second.stop();
    assert.equal(seen.delivered, 0);
    assert.equal(await countRows(database, "compliance_handover"), 5);
  });

  test("a file that the receiver has fetched is not written again after a crash", async () => {
    await insertOutbox(database, chats(10));
    await killAt("written");
    const part = filesIn(root).find((name) => name.endsWith(".xml")) ?? "";
    rmSync(join(root, part));
    const { worker } = begin(database, lyncAdapter(root));
    await archiveAll(worker);
    assert.equal(filesIn(root).includes(part), false);
    assert.equal(await countRows(database, "compliance_handover"), 0);
  });

  test("a folder that cannot be written keeps the rows", async () => {
    await insertOutbox(database, chats(10));
    const file = join(root, "occupied");
    writeFileSync(file, "");
    chmodSync(file, 0o400);
    const { worker } = begin(database, lyncAdapter(join(file, "archive")));
    await worker.sweepNow();
    assert.equal((await worker.archiveNow())?.end, "failed");
    assert.equal(await countRows(database, "compliance_handover"), 10);
  });
});

/** Runs a worker in a process of its own until it kills itself. */
async function killAt(point: string): Promise<void> {
  const worker = spawn(process.execPath, ["--import", "tsx", child, stack.mysqlUrl, root, point], {
    stdio: "inherit",
  });
  const [code, signal] = await once(worker, "exit");
  assert.deepEqual([code, signal], [null, "SIGKILL"], `died at ${point}`);
}

describe("a worker killed by SIGKILL", { timeout: 240_000 }, () => {
  for (const point of ["move", "begun", "file-0", "file-1", "file-2", "written"]) {
    test(`at "${point}": every event is in the files exactly once`, async () => {
      const events = chats(450);
      events.push(
        ...Array.from({ length: 20 }, () => make({ fact: { kind: "PART", reason: "signed-off" } })),
      );
      await insertOutbox(database, events);
      await killAt(point);
      const before = new Map(filesIn(root).map((name) => [name, statSync(join(root, name)).ino]));
      const { worker, seen } = begin(database, lyncAdapter(root));
      await archiveAll(worker);
      const messages = archivedMessages(root).sort();
      assert.deepEqual(
        messages.filter((message) => message.includes("#CHAT#")),
        expected(events.filter(({ fact }) => fact.kind === "CHAT")),
      );
      assert.equal(messages.length, events.length);
      assert.deepEqual(
        filesIn(root).filter((name) => name.endsWith(".tmp")),
        [],
      );
      assert.deepEqual(seen.conflicts, []);
      if (point === "written") {
        for (const [name, inode] of before)
          assert.equal(statSync(join(root, name)).ino, inode, "not written twice");
      }
    });
  }

  test("at seeded points, again and again, under the same archive", async () => {
    const random = seeded(4_711);
    const points = ["move", "begun", "file-0", "file-1", "written"];
    const events: ComplianceEvent[] = [];
    for (let round = 0; round < 6; round++) {
      const more = chats(100 + Math.floor(random() * 300));
      events.push(...more);
      await insertOutbox(database, more);
      await killAt(points[Math.floor(random() * points.length)] ?? "written");
      await until("the dead worker's lease lapsed", async () => {
        const [row] = await database.rows<{ held: number }>(
          "SELECT COUNT(*) AS held FROM compliance_lease WHERE expires_ms > UNIX_TIMESTAMP(NOW(3)) * 1000",
        );
        return Number(row?.held) === 0;
      });
    }
    const { worker } = begin(database, lyncAdapter(root));
    await archiveAll(worker);
    assert.deepEqual(archivedMessages(root).sort(), expected(events));
  });
});

describe("jobs, servers that go away, and several workers", { timeout: 240_000 }, () => {
  const jobs = (handler: (ids: readonly string[]) => Promise<void>) =>
    new JobConsumer({ url: stack.redisUrl }, handler);

  test("jobs move young rows at once; what FLUSHALL and a killed Redis took is found by the sweeper", async () => {
    const queue = new ComplianceQueue({ url: stack.redisUrl });
    queue.start();
    // Only what is older than an hour is swept: whatever moves has come by a job.
    const slow = begin(database, undefined, { jobs, sweeper: { minAgeMs: 3_600_000, intervalMs: 200 } });
    slow.worker.start();
    const announce = async (events: readonly ComplianceEvent[]) => {
      await insertOutbox(database, events);
      queue.announce(events.map(({ eventId }) => eventId));
    };
    await until("jobs flow", async () => {
      await announce([make()]);
      return slow.seen.moved > 0;
    });
    const first = chats(600);
    await announce(first);
    await until("moved by jobs", async () => (await countRows(database, "compliance_handover")) >= 600);
    await slow.worker.stop();

    const lost = chats(700);
    await announce(lost);
    const admin = new RedisConnection({ url: stack.redisUrl });
    admin.start();
    await until("connected", () => admin.connected);
    await admin.within((client) => client.flushAll(), 5_000);
    admin.close();
    const alsoLost = chats(300);
    await stack.kill("redis", "SIGKILL");
    await announce(alsoLost);
    const { worker } = begin(database, lyncAdapter(root), { jobs });
    worker.start();
    await until(
      "outbox empty while Redis is away",
      async () => (await countRows(database, "compliance_outbox")) === 0,
    );
    await stack.restart("redis");
    await queue.close();
    await archiveAll(worker);
    const found = archivedMessages(root);
    assert.equal(new Set(found).size, found.length);
    const set = new Set(found);
    for (const message of expected([...first, ...lost, ...alsoLost])) assert.ok(set.has(message), message);
  });

  test("two workers with jobs, sweepers and archivers at once: each event exactly once", async () => {
    const queue = new ComplianceQueue({ url: stack.redisUrl });
    queue.start();
    const other = new Database({ url: stack.mysqlUrl });
    const pair = [begin(database, lyncAdapter(root), { jobs }), begin(other, lyncAdapter(root), { jobs })];
    for (const { worker } of pair) worker.start();
    const events: ComplianceEvent[] = [];
    for (let round = 0; round < 15; round++) {
      const more = chats(200);
      events.push(...more);
      await insertOutbox(database, more);
      queue.announce(more.map(({ eventId }) => eventId));
      queue.announce(more.slice(0, 77).map(({ eventId }) => eventId));
      await Promise.all(pair.flatMap(({ worker }) => [worker.sweepNow(), worker.archiveNow()]));
    }
    const first = pair[0]?.worker;
    assert.ok(first);
    await until("nothing left", async () => {
      await archiveAll(first);
      return (await countRows(database, "compliance_handover")) === 0;
    });
    assert.deepEqual(archivedMessages(root).sort(), expected(events));
    assert.equal(
      pair.reduce((sum, { seen }) => sum + seen.moved, 0),
      events.length,
    );
    assert.equal(
      pair.reduce((sum, { seen }) => sum + seen.delivered, 0),
      events.length,
    );
    for (const { worker } of pair) await worker.stop();
    await other.close();
    await queue.close();
  });

  test("the database killed and restarted: the worker goes on by itself and nothing is missing", async () => {
    const events = chats(2_000);
    await insertOutbox(database, events);
    const { worker, seen } = begin(database, lyncAdapter(root));
    worker.start();
    await stack.kill("mariadb", "SIGKILL");
    await until("noticed", () => seen.troubles.length > 0);
    await stack.restart("mariadb");
    await until("moved", async () => (await countRows(database, "compliance_outbox").catch(() => 1)) === 0);
    await archiveAll(worker);
    assert.deepEqual(archivedMessages(root).sort(), expected(events));
  });
});
