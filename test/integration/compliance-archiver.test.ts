import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ComplianceEvent } from "../../src/chat/compliance-event.ts";
import type { ArchiveFolder } from "../../src/compliance/ports.ts";
import { MysqlHandoverStore } from "../../src/store/mysql/handover-store.ts";
import { insertOutbox, seeded } from "../support/compliance-events.ts";
import {
  archivedMessages,
  assertRecorded,
  countRows,
  filesIn,
  lyncAdapter,
  type RecordedDelivery,
  recordedDeliveries,
} from "../support/compliance-lab.ts";
import { ComplianceSetup, expected } from "../support/compliance-setup.ts";
import { until } from "../support/until.ts";

const child = fileURLToPath(new URL("../support/compliance-child.ts", import.meta.url));

const lab = new ComplianceSetup();

describe("the adapter", { timeout: 180_000 }, () => {
  test("failing: rows are kept and wait longer each time; succeeding: they are deleted", async () => {
    const events = lab.chats(30);
    await insertOutbox(lab.database, events);
    let broken = true;
    const failing = (folder: ArchiveFolder): ArchiveFolder => ({
      delivered: (runId) => folder.delivered(runId),
      discard: (runId) => folder.discard(runId),
      write: async (...args) => {
        if (broken) throw Object.assign(new Error("secret text"), { code: "ENOSPC" });
        return folder.write(...args);
      },
    });
    const { worker, seen } = lab.begin(lab.database, lyncAdapter(lab.root, failing));
    await worker.sweepNow();
    for (let attempt = 1; attempt <= 3; attempt++) {
      assert.equal((await worker.archiveNow())?.end, "failed");
      const [run] = await lab.database.rows<{ attempts: number; last_error: string }>(
        "SELECT * FROM compliance_run",
      );
      assert.equal(Number(run?.attempts), attempt);
      assert.equal(run?.last_error, "Error ENOSPC", "no message of strangers in the table");
      assert.equal(await countRows(lab.database, "compliance_handover"), 30);
    }
    const open = await new MysqlHandoverStore(lab.database, true).openRun("archive");
    assert.ok((open?.waitMs ?? 0) > 10_000, "20 s after the third failure");
    assert.deepEqual(seen.quarantined, [], "a full disk is no fault of the events");
    broken = false;
    assert.equal((await worker.archiveNow())?.end, "empty");
    assert.equal(await countRows(lab.database, "compliance_handover"), 0);
    assert.deepEqual(archivedMessages(lab.root).sort(), expected(events));
  });

  test("a poisonous event is kept in quarantine with its reason, the rest is delivered", async () => {
    const good = lab.chats(100);
    const poison = [
      lab.make({ fact: { kind: "CHAT", number: 2 ** 31, alert: false, text: "too far", rtf: null } }),
      lab.make({ userId: 2 ** 40 }),
    ];
    await insertOutbox(lab.database, [...good.slice(0, 40), ...poison, ...good.slice(40)]);
    const broken = lab.make();
    await insertOutbox(lab.database, [broken]);
    await lab.database.change("UPDATE compliance_outbox SET body = ? WHERE event_id = ?", [
      Buffer.from("{not json"),
      Buffer.from(broken.eventId, "hex"),
    ]);
    const { worker, seen } = lab.begin(lab.database, lyncAdapter(lab.root));
    await lab.archiveAll(worker);
    assert.deepEqual(archivedMessages(lab.root).sort(), expected(good));
    assert.deepEqual(seen.quarantined.sort(), [...poison, broken].map(({ eventId }) => eventId).sort());
    const rows = await lab.database.rows<{ reason: string }>(
      "SELECT reason FROM compliance_quarantine ORDER BY event_id",
    );
    assert.deepEqual(
      rows.map(({ reason }) => reason),
      ["cannot be expressed: detail.number", "cannot be expressed: actor.id", "not a compliance event: body"],
    );
    assert.equal(await countRows(lab.database, "compliance_handover"), 0);
  });

  test("each run is recorded: by whom, of which events, each file with its hash; one without events, or ended twice, is not", async () => {
    const { worker } = lab.begin(lab.database, lyncAdapter(lab.root));
    assert.equal((await worker.archiveNow())?.end, "empty");
    const poison = lab.make({ userId: 2 ** 40 });
    await insertOutbox(lab.database, [poison]);
    await lab.archiveAll(worker);
    assert.deepEqual(await recordedDeliveries(lab.database), [], "nothing was delivered");
    const events = [...lab.chats(30), lab.make({ userId: 2 ** 40 })];
    await insertOutbox(lab.database, events);
    await lab.archiveAll(worker);
    const [delivery, ...more] = await recordedDeliveries(lab.database);
    assert.ok(delivery);
    assert.deepEqual(more, []);
    assertRecorded(lab.root, [delivery]);
    const { stream, actor, adapter, events: count, countsByKind, unmapped, first, last } = delivery;
    assert.deepEqual(
      { stream, actor, adapter, count, countsByKind, unmapped, first, last },
      {
        ...{ stream: "delivery", actor: "adapter:archive", adapter: "archive", count: 30, unmapped: 0 },
        countsByKind: { CHAT: 30 },
        first: events[0]?.eventId,
        last: events[29]?.eventId,
      },
    );
    assert.equal(await countRows(lab.database, "compliance_handover"), 0, "it does not deliver itself");

    const store = new MysqlHandoverStore(lab.database, true);
    await insertOutbox(lab.database, lab.chats(3));
    await worker.sweepNow();
    const lease = await store.takeLease("archive", "once", 60_000);
    assert.ok(lease);
    const run = await store.beginRun(lease, { maxEvents: 100, maxBodyBytes: 1 << 20 }, "hash", () => "run-1");
    assert.ok(run);
    const again = { ...delivery, runId: "run-1", configHash: "hash", node: "n1", atMs: 1 };
    await store.finishRun(lease, run, again);
    await store.finishRun(lease, run, again);
    await store.releaseLease(lease);
    const recorded = await recordedDeliveries(lab.database);
    assert.deepEqual(
      recorded.map(({ runId, streamSeq }) => [runId, streamSeq - delivery.streamSeq]),
      [
        [delivery.runId, 0],
        ["run-1", 1],
      ],
    );
  });

  test("a holder whose lease has a successor changes nothing", async () => {
    await insertOutbox(lab.database, lab.chats(10));
    const { worker } = lab.begin(lab.database, undefined);
    await worker.sweepNow();
    const store = new MysqlHandoverStore(lab.database, true);
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
      () => store.finishRun(old, run, undefined),
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
    assert.equal(await countRows(lab.database, "compliance_handover"), 10);
    assert.equal(await countRows(lab.database, "compliance_run"), 1);
  });

  test("the lease is kept while files are written; once another has it no manifest is put there, and nothing is recorded", async () => {
    await insertOutbox(lab.database, lab.chats(10));
    const [ends, steal] = [
      "SELECT expires_ms FROM compliance_lease",
      "UPDATE compliance_lease SET epoch = epoch + 1",
    ];
    const expiry = async () => Number((await lab.database.rows<{ expires_ms: number }>(ends))[0]?.expires_ms);
    const slow = (folder: ArchiveFolder): ArchiveFolder => ({
      delivered: (runId) => folder.delivered(runId),
      discard: (runId) => folder.discard(runId),
      write: async (runId, files, lease) => {
        const before = await expiry();
        await until("kept", async () => {
          await lease.keep();
          return (await expiry()) > before;
        });
        await lab.database.change(steal);
        return folder.write(runId, files, lease);
      },
    });
    const { worker } = lab.begin(lab.database, lyncAdapter(lab.root, slow));
    await worker.sweepNow();
    assert.equal((await worker.archiveNow())?.end, "not-ours");
    assert.deepEqual(
      filesIn(lab.root).filter((name) => name.endsWith("manifest.json")),
      [],
    );
    assert.equal(await countRows(lab.database, "compliance_handover"), 10);
    assert.deepEqual(await recordedDeliveries(lab.database), []);
  });

  test("the interval is kept across restarts, and a clean stop needs no run", async () => {
    const { worker } = lab.begin(lab.database, lyncAdapter(lab.root));
    assert.equal((await worker.archiveNow())?.end, "empty");
    await worker.stop();
    await insertOutbox(lab.database, lab.chats(5));
    const { worker: second, seen } = lab.begin(lab.database, lyncAdapter(lab.root));
    second.start();
    await until("moved", () => seen.moved === 5);
    await second.stop();
    assert.equal(seen.delivered, 0);
    assert.equal(await countRows(lab.database, "compliance_handover"), 5);
  });

  test("a file that the receiver has fetched is not written again after a crash", async () => {
    await insertOutbox(lab.database, lab.chats(10));
    await killAt("written");
    const part = filesIn(lab.root).find((name) => name.endsWith(".xml")) ?? "";
    rmSync(join(lab.root, part));
    const { worker } = lab.begin(lab.database, lyncAdapter(lab.root));
    await lab.archiveAll(worker);
    assert.equal(filesIn(lab.root).includes(part), false);
    assert.equal(await countRows(lab.database, "compliance_handover"), 0);
  });

  test("a folder that cannot be written keeps the rows", async () => {
    await insertOutbox(lab.database, lab.chats(10));
    const file = join(lab.root, "occupied");
    writeFileSync(file, "");
    chmodSync(file, 0o400);
    const { worker } = lab.begin(lab.database, lyncAdapter(join(file, "archive")));
    await worker.sweepNow();
    assert.equal((await worker.archiveNow())?.end, "failed");
    assert.equal(await countRows(lab.database, "compliance_handover"), 10);
  });
});

function sum(deliveries: readonly RecordedDelivery[], kind: string): number {
  return deliveries.reduce((before, { countsByKind }) => before + (countsByKind[kind] ?? 0), 0);
}

/** Runs a worker in a process of its own until it kills itself. */
async function killAt(point: string): Promise<void> {
  const worker = spawn(process.execPath, ["--import", "tsx", child, lab.stack.mysqlUrl, lab.root, point], {
    stdio: "inherit",
  });
  const [code, signal] = await once(worker, "exit");
  assert.deepEqual([code, signal], [null, "SIGKILL"], `died at ${point}`);
}

describe("a worker killed by SIGKILL", { timeout: 240_000 }, () => {
  for (const point of ["move", "begun", "file-0", "file-1", "file-2", "written", "finished"]) {
    test(`at "${point}": every event is in the files exactly once, and every delivery on record`, async () => {
      const events = lab.chats(450);
      events.push(
        ...Array.from({ length: 20 }, () => lab.make({ fact: { kind: "PART", reason: "signed-off" } })),
      );
      await insertOutbox(lab.database, events);
      await killAt(point);
      const before = new Map(filesIn(lab.root).map((name) => [name, statSync(join(lab.root, name)).ino]));
      const { worker, seen } = lab.begin(lab.database, lyncAdapter(lab.root));
      await lab.archiveAll(worker);
      const messages = archivedMessages(lab.root).sort();
      assert.deepEqual(
        messages.filter((message) => message.includes("#CHAT#")),
        expected(events.filter(({ fact }) => fact.kind === "CHAT")),
      );
      assert.equal(messages.length, events.length);
      assert.deepEqual(
        filesIn(lab.root).filter((name) => name.endsWith(".tmp")),
        [],
      );
      assert.deepEqual(seen.conflicts, []);
      const deliveries = await recordedDeliveries(lab.database);
      assertRecorded(lab.root, deliveries);
      assert.equal(sum(deliveries, "CHAT") + sum(deliveries, "PART"), events.length);
      if (point === "written" || point === "finished") {
        for (const [name, inode] of before)
          assert.equal(statSync(join(lab.root, name)).ino, inode, "not written twice");
      }
    });
  }

  test("at seeded points, again and again, under the same archive", async () => {
    const random = seeded(4_711);
    const points = ["move", "begun", "file-0", "file-1", "written"];
    const events: ComplianceEvent[] = [];
    for (let round = 0; round < 6; round++) {
      const more = lab.chats(100 + Math.floor(random() * 300));
      events.push(...more);
      await insertOutbox(lab.database, more);
      await killAt(points[Math.floor(random() * points.length)] ?? "written");
      await until("the dead worker's lease lapsed", async () => {
        const [row] = await lab.database.rows<{ held: number }>(
          "SELECT COUNT(*) AS held FROM compliance_lease WHERE expires_ms > UNIX_TIMESTAMP(NOW(3)) * 1000",
        );
        return Number(row?.held) === 0;
      });
    }
    const { worker } = lab.begin(lab.database, lyncAdapter(lab.root));
    await lab.archiveAll(worker);
    assert.deepEqual(archivedMessages(lab.root).sort(), expected(events));
  });
});
