import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Finding } from "../../src/alerts/alert.ts";
import { poolFindings } from "../../src/alerts/pool-findings.ts";
import { Watchman } from "../../src/alerts/watchman.ts";
import { MysqlAlertStore } from "../../src/store/mysql/alert-store.ts";
import { MysqlArchiveStatus } from "../../src/store/mysql/archive-status.ts";
import { MysqlLeaseStore } from "../../src/store/mysql/lease-store.ts";
import { NodeRecords } from "../../src/store/mysql/node-records.ts";
import { MysqlPoolView } from "../../src/store/mysql/pool-view.ts";
import { MysqlQuarantine } from "../../src/store/mysql/quarantine-store.ts";
import { ArchiveLab, makeSealer, newSigner } from "../support/archive-lab.ts";
import { eventMaker } from "../support/compliance-events.ts";
import { archivedMessages, countRows, lyncAdapter, makeWorker } from "../support/compliance-lab.ts";

const lab = new ArchiveLab();
const signer = newSigner();
let make = eventMaker("");
let tests = 0;

beforeEach(async () => {
  await lab.empty();
  make = eventMaker(`b${++tests}-`);
});

const SETTINGS = {
  compliance: true,
  runIntervalMs: 900_000,
  checkpointIntervalMs: 60_000,
  heartbeatMs: 60_000,
  reconcileMs: 3_600_000,
};
/** What the sealed archive's alerts say; the chat's side is not here. */
const ABOUT = new Set([
  "archive-tampered",
  "record-missing",
  "seal-behind",
  "checkpoint-unsigned",
  "event-quarantined",
]);

async function found(): Promise<string[]> {
  const figures = await new MysqlPoolView(lab.database, Date.now).figures();
  return poolFindings(figures, SETTINGS)
    .filter(({ name }) => ABOUT.has(name))
    .map(({ name, subject }) => `${name} ${subject}`);
}

describe("what a check has found", { timeout: 60_000 }, () => {
  /** As `parlance compliance verify` does. */
  async function check(from: number, outside = false): Promise<string> {
    const { finding, size, ...said } = await lab.verify({ keys: [signer], from });
    const verdict = finding ? "tampered" : "ok";
    const [firstBad, field] = [finding?.seq ?? null, finding?.field ?? null];
    const status = new MysqlArchiveStatus(lab.database);
    await status.noteCheck({ from: said.from, size, root: null, verdict, firstBad, field, outside });
    return verdict;
  }

  const change = (seq: number, from: string, to: string) =>
    lab.database.change("UPDATE archive_content SET body = REPLACE(body, ?, ?) WHERE seq = ?", [
      from,
      to,
      seq,
    ]);

  beforeEach(async () => {
    await lab.record(Array.from({ length: 400 }, () => make({ roomId: 1 })));
    const { sealer } = makeSealer(lab.database, signer, { everyLeaves: 100, batch: 100 });
    await sealer.sealNow();
    await sealer.stop();
  });

  test("stands until a check that begins there, or before, finds it right", async () => {
    assert.equal(await check(0), "ok");
    assert.deepEqual(await found(), []);
    await change(250, "message", "massage");
    assert.equal(await check(0), "tampered");
    assert.equal(await check(400), "ok");
    assert.equal(await check(300), "ok");
    assert.deepEqual(await found(), ["archive-tampered archive"]);
    await change(250, "massage", "message");
    assert.equal(await check(300), "ok");
    assert.deepEqual(await found(), ["archive-tampered archive"], "nobody has looked there yet");
    assert.equal(await check(250), "ok");
    assert.deepEqual(await found(), []);
  });

  test("of two places is over when both are right", async () => {
    await change(150, "message", "massage");
    assert.equal(await check(0), "tampered");
    await change(350, "message", "massage");
    assert.equal(await check(300), "tampered");
    assert.equal(await check(400), "ok");
    await change(350, "massage", "message");
    assert.equal(await check(300), "ok");
    const changed = await new MysqlArchiveStatus(lab.database).changed();
    assert.deepEqual([changed?.firstBad, changed?.field], [150, "text"]);
    await change(150, "massage", "message");
    assert.equal(await check(0), "ok");
    assert.deepEqual(await found(), []);
  });

  test("against checkpoints kept elsewhere, no check without them refutes", async () => {
    await change(250, "message", "massage");
    assert.equal(await check(0, true), "tampered");
    await change(250, "massage", "message");
    assert.equal(await check(0), "ok");
    assert.deepEqual(await found(), ["archive-tampered archive"]);
    assert.equal(await check(0, true), "ok");
    assert.deepEqual(await found(), []);
  });
});

describe("what waits", { timeout: 120_000 }, () => {
  const waitLong = () => lab.database.change("UPDATE archive_intake SET arrived_ms = arrived_ms - 61000");

  test("for a missing event is a gap, however much it is; what nobody seals is told beside it", async () => {
    make = eventMaker("");
    make({ roomId: 1 }); // number 1 never comes
    for (let part = 0; part < 6; part++)
      await lab.record(Array.from({ length: 3_000 }, () => make({ roomId: 1 })));
    await waitLong();
    assert.deepEqual(await found(), ["record-missing room:1"]);
    await lab.record([make({ roomId: 2 })]);
    assert.deepEqual(await found(), ["record-missing room:1"], "it came only now");
    await waitLong();
    assert.deepEqual(await found(), ["record-missing room:1", "seal-behind archive"]);
  });
});

describe("what was put aside", { timeout: 60_000 }, () => {
  const quarantine = () => new MysqlQuarantine(lab.database);
  const by = {
    actor: { id: 0, uri: "administrator:root", displayName: "root", email: null },
    ...{ node: "n1", atMs: 1_700_000_000_000, reason: "ticket 4711" },
  };
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "parlance-aside-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** A run of the adapter: as it is, or as it will be once it can express every user's number. */
  async function deliver(upgraded = false): Promise<void> {
    const adapter = lyncAdapter(root);
    const fitting = (id: number) => (id > 2 ** 31 ? 17 : id);
    const { worker } = makeWorker(lab.database, {
      ...adapter,
      render: (runId, events) =>
        adapter.render(
          runId,
          upgraded
            ? events.map((event) => ({ ...event, actor: { ...event.actor, id: fitting(event.actor.id) } }))
            : events,
        ),
    });
    assert.equal((await worker.archiveNow())?.end, "empty");
    await worker.stop();
  }

  test("is tried again by command, comes back while it does not fit, and is delivered once when it does", async () => {
    // First and last of their run, and of the one in which they are tried again.
    const events = [make({ userId: 2 ** 40 }), make(), make(), make({ userId: 2 ** 40 })];
    const ids = [events[0]?.eventId, events[3]?.eventId];
    await lab.record(events);
    await deliver();
    assert.deepEqual(await found(), ["event-quarantined archive"]);
    const aside = await quarantine().list("open", 10);
    assert.deepEqual(
      aside.map(({ eventId, reason }) => [eventId, reason]),
      ids.map((eventId) => [eventId, "cannot be expressed: actor.id"]),
    );
    assert.equal((await quarantine().retry(aside)).length, 2);
    assert.deepEqual(await found(), []);
    await deliver();
    assert.deepEqual(await found(), ["event-quarantined archive"], "they do not fit yet");
    const open = await quarantine().list("open", 10);
    const twice = await Promise.all([quarantine().retry(open), quarantine().retry(open)]);
    assert.equal(twice.flat().length, 2, "by two at once: each once");
    await deliver(true);
    assert.deepEqual(await found(), []);
    assert.equal(new Set(archivedMessages(root)).size, 4);
    assert.equal(archivedMessages(root).length, 4);
    assert.equal(await countRows(lab.database, "compliance_quarantine"), 0);
  });

  test("is accepted with a reason that is sealed, and kept; tried again after that it is open when it comes back", async () => {
    const poison = make({ userId: 2 ** 40 });
    await lab.record([poison]);
    await deliver();
    const open = await quarantine().list("open", 10);
    const twice = await Promise.all([quarantine().accept(open, by), quarantine().accept(open, by)]);
    assert.equal(twice.flat().length, 1, "by two at once: once");
    assert.deepEqual(await found(), []);
    const rows = await lab.database.rows<{ event_id: Buffer; body: Buffer }>(
      "SELECT event_id, body FROM compliance_outbox WHERE kind = 'ASIDE_ACCEPTED'",
    );
    assert.equal(rows.length, 1);
    await lab.move(rows.map(({ event_id }) => ({ eventId: event_id.toString("hex") })));
    const { sealer } = makeSealer(lab.database, signer);
    await sealer.sealNow();
    await sealer.stop();
    assert.equal((await lab.sealedIds()).length, 2, "the event, and that it was accepted");
    const { detail } = JSON.parse(rows[0]?.body.toString() ?? "{}");
    assert.equal(detail.reason, "ticket 4711");
    assert.deepEqual(
      detail.events.map(({ eventId, bodySha256, why }: Record<string, string>) => [eventId, bodySha256, why]),
      [[poison.eventId, open[0]?.bodySha256, "cannot be expressed: actor.id"]],
    );
    const [kept] = await quarantine().list("all", 10);
    assert.deepEqual([kept?.accepted?.by, kept?.accepted?.why], ["administrator:root", "ticket 4711"]);
    assert.equal((await quarantine().retry(kept ? [kept] : [])).length, 1);
    await deliver();
    assert.deepEqual(await found(), ["event-quarantined archive"]);
  });

  test("is never delivered when it is another event under an id that is taken; it can only be accepted", async () => {
    const first = make();
    await lab.record([first]);
    await lab.record([{ ...first, session: "f".repeat(16) }]);
    assert.deepEqual(await found(), ["event-quarantined archive"]);
    const open = await quarantine().list({ eventId: first.eventId }, 10);
    assert.deepEqual(await quarantine().retry(open), []);
    await deliver();
    assert.equal(archivedMessages(root).length, 1);
    assert.deepEqual(await quarantine().retry(open), [], "nor when the first one has been delivered");
    assert.equal((await quarantine().accept(open, by)).length, 1);
    assert.deepEqual(await found(), []);
    assert.equal(await countRows(lab.database, "compliance_quarantine"), 1, "there is no other copy");
  });
});

describe("a sealer whose turn is over", () => {
  test("says so, that what was the matter with it is told by whoever seals now", async () => {
    const one = makeSealer(lab.database, signer);
    const two = makeSealer(lab.database, signer);
    await lab.record([make()]);
    await one.sealer.sealNow();
    await lab.database.change("UPDATE compliance_lease SET expires_ms = 0");
    await two.sealer.sealNow();
    await lab.record([make()]);
    assert.equal((await one.sealer.sealNow()).end, "not-ours");
    assert.deepEqual([one.seen.notOurs, one.seen.whole, two.seen.notOurs, two.seen.whole], [1, 1, 0, 1]);
    await one.sealer.stop();
    await two.sealer.stop();
  });
});

test("a node that records nothing is told of by itself, as soon as another node or a worker records", async () => {
  const leases = (compliance: boolean) =>
    new MysqlLeaseStore(lab.database, new NodeRecords({ compliance, nowMs: Date.now }));
  const alerts = new MysqlAlertStore(lab.database);
  const silent = async () => {
    const figures = await new MysqlPoolView(lab.database, Date.now).figures();
    return poolFindings(figures, { ...SETTINGS, compliance: false })
      .filter(({ name }) => name === "capture-silent")
      .map(({ subject }) => subject);
  };
  const off = await leases(false).begin("n1");
  assert.deepEqual(await silent(), [], "nobody records here");
  await alerts.watch("worker-n2", "worker");
  assert.deepEqual(await silent(), [off]);
  await alerts.leave("worker-n2");
  assert.deepEqual(await silent(), []);
  const on = await leases(true).begin("n2");
  assert.deepEqual(await silent(), [off]);
  await leases(true).release(on);
  assert.deepEqual(await silent(), []);
  await leases(false).release(off);
});

test("what a worker says of itself is known to every node, until it is over", async () => {
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  const full: Finding = { name: "checkpoint-unpublished", subject: "archive", detail: "ENOTDIR" };
  let seen: Finding[] = [full];
  const watchman = (process: string, kind: "node" | "worker", probe: () => Finding[]) =>
    new Watchman({
      process,
      kind,
      probes: [probe],
      store: new MysqlAlertStore(lab.database),
      pool: new MysqlPoolView(lab.database, clock.nowMs),
      settings: { ...SETTINGS, repeatMs: 3_600_000 },
      sinks: [],
      watch: {
        raised: () => {},
        cleared: () => {},
        undelivered: () => {},
        delivered: () => {},
        trouble: (what, error) => assert.fail(`${what}: ${error}`),
      },
      clock,
    });
  const node = watchman("n1", "node", () => []);
  const worker = watchman("worker-n1", "worker", () => seen);
  const known = async () => {
    await worker.look();
    await node.look();
    return node.alerts.filter(({ owner }) => owner === "worker-n1").map(({ name }) => name);
  };
  assert.deepEqual(await known(), ["checkpoint-unpublished"]);
  seen = [];
  assert.deepEqual(await known(), []);
  await worker.stop();
  await node.stop();
});
