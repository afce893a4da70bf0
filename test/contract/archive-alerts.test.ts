import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { Finding } from "../../src/alerts/alert.ts";
import { poolFindings } from "../../src/alerts/pool-findings.ts";
import { Watchman } from "../../src/alerts/watchman.ts";
import { MysqlAlertStore } from "../../src/store/mysql/alert-store.ts";
import { MysqlArchiveStatus } from "../../src/store/mysql/archive-status.ts";
import { MysqlPoolView } from "../../src/store/mysql/pool-view.ts";
import { ArchiveLab, makeSealer, newSigner } from "../support/archive-lab.ts";
import { eventMaker } from "../support/compliance-events.ts";

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
const ABOUT = new Set(["archive-tampered", "record-missing", "seal-behind", "checkpoint-unsigned"]);

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
