import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { poolFindings } from "../../../src/alerts/pool-findings.ts";
import type { PoolFigures } from "../../../src/alerts/ports.ts";
import {
  awayProbe,
  clockFinding,
  clockProbe,
  diskProbe,
  eventProbe,
  refusedProbe,
  triedProbe,
} from "../../../src/alerts/probes.ts";

const WELL: PoolFigures = {
  clockAheadMs: 40,
  dead: [],
  workers: 1,
  oldestOutboxMs: 900,
  oldestHandoverMs: 800_000,
  quarantined: 0,
  failing: [],
  archive: { oldestReadyMs: 400, unsignedMs: 30_000, verdict: "ok", changed: null },
  silent: [{ incarnation: "n1-1", silentMs: 59_000 }],
  differences: [],
  sinceReconciledMs: 3_600_000,
};
const SETTINGS = {
  compliance: true,
  runIntervalMs: 900_000,
  checkpointIntervalMs: 60_000,
  heartbeatMs: 60_000,
  reconcileMs: 3_600_000,
};

const names = (figures: Partial<PoolFigures>, settings = SETTINGS) =>
  poolFindings({ ...WELL, ...figures }, settings).map(({ name }) => name);

test("of a pool that is well nothing is found", () => {
  assert.deepEqual(names({}), []);
  assert.deepEqual(names({ oldestOutboxMs: null, oldestHandoverMs: null }), []);
});

test("each trouble of the pool has its name", () => {
  const dead = (kind: "node" | "worker") => [{ name: "n2", kind, silentMs: 21_000 }];
  assert.deepEqual(names({ dead: dead("node") }), ["node-dead"]);
  assert.deepEqual(names({ dead: dead("worker") }), ["worker-dead"]);
  assert.deepEqual(names({ oldestOutboxMs: 30_001 }), ["capture-behind"]);
  assert.deepEqual(names({ oldestHandoverMs: 900_000 + 600_001 }), ["delivery-behind"]);
  assert.deepEqual(names({ quarantined: 1 }), ["event-quarantined"]);
  const silent = [{ incarnation: "n2-7", silentMs: 180_001 }];
  assert.deepEqual(names({ silent }), ["capture-silent"]);
  const missing = { what: "missing", stream: "room:7", first: 4, last: 9 };
  const altered = { what: "altered", stream: "room:8", first: 2, last: 2 };
  assert.deepEqual(names({ differences: [missing, altered] }), ["record-missing", "archive-differs"]);
  const [, different] = poolFindings({ ...WELL, differences: [missing, altered] }, SETTINGS);
  assert.deepEqual([different?.subject, different?.detail], ["room:8", "altered: 2"]);
  assert.deepEqual(names({ sinceReconciledMs: 3 * 3_600_000 + 300_001 }), ["reconciliation-behind"]);
  assert.deepEqual(names({ sinceReconciledMs: null }), []);
  const failing = [{ adapter: "lync-xml", attempts: 3, reason: "ENOSPC" }];
  assert.deepEqual(names({ failing }), ["delivery-failing"]);
  assert.match(poolFindings({ ...WELL, failing }, SETTINGS)[0]?.detail ?? "", /3 times: ENOSPC/);
});

test("each trouble of the sealed archive has its name; a gap elsewhere hides no trouble of the sealer", () => {
  const archive = (figures: Partial<PoolFigures["archive"]>) =>
    names({ archive: { ...WELL.archive, ...figures } });
  assert.deepEqual(archive({ oldestReadyMs: 45_001 }), ["seal-behind"]);
  const differences = [{ what: "missing", stream: "room:7", first: 12, last: 12 }];
  const waiting = { ...WELL.archive, oldestReadyMs: 61_000 };
  assert.deepEqual(names({ differences }), ["record-missing"]);
  assert.deepEqual(names({ archive: waiting, differences }), ["record-missing", "seal-behind"]);
  assert.deepEqual(archive({ unsignedMs: 180_001 }), ["checkpoint-unsigned"]);
  assert.deepEqual(archive({ verdict: "incomplete" }), ["archive-tampered"]);
  assert.deepEqual(archive({ changed: { event: 700, field: "text" } }), ["archive-tampered"]);
  assert.deepEqual(archive({ verdict: null, unsignedMs: null, oldestReadyMs: null }), []);
});

test("whether a node should record is a matter of the pool, not of the setting of whoever looks", () => {
  const off = { ...SETTINGS, compliance: false };
  const silent = [
    { incarnation: "n1-1", silentMs: null },
    { incarnation: "n2-1", silentMs: 3_000 },
  ];
  const told = poolFindings({ ...WELL, workers: 0, silent }, off);
  assert.deepEqual(
    told.map(({ name, subject, detail }) => [name, subject, detail]),
    [["capture-silent", "n1-1", "it has recorded nothing since it began"]],
    "the other node records",
  );
  const alone = silent.slice(0, 1);
  assert.deepEqual(names({ workers: 1, silent: alone }, off), ["capture-silent"], "a worker waits for it");
  assert.deepEqual(names({ workers: 0, silent: alone }), ["capture-silent"], "whoever looks records");
  const since = 3 * 3_600_000 + 300_001;
  assert.deepEqual(names({ workers: 0, silent: alone, sinceReconciledMs: since }, off), [], "nobody does");
});

test("what is there and waits is the matter whoever looks", () => {
  const missing = { what: "missing", stream: "room:7", first: 4, last: 9 };
  const figures: Partial<PoolFigures> = {
    ...{ workers: 0, silent: [], oldestOutboxMs: 30_001, quarantined: 5 },
    differences: [missing],
    archive: { ...WELL.archive, oldestReadyMs: 45_001 },
    dead: [{ name: "n1", kind: "node", silentMs: 1e5 }],
  };
  assert.deepEqual(names(figures, { ...SETTINGS, compliance: false }), [
    "node-dead",
    "capture-behind",
    "record-missing",
    "event-quarantined",
    "seal-behind",
  ]);
});

test("what is away for a moment is not the matter; the time counts from the last moment it was there", async () => {
  let nowMs = 0;
  let isThere = true;
  const probe = awayProbe(
    "redis-away",
    "n1",
    () => isThere,
    10_000,
    () => nowMs,
  );
  assert.deepEqual(await probe(), []);
  isThere = false;
  assert.deepEqual(await probe(), []);
  nowMs = 9_999;
  assert.deepEqual(await probe(), []);
  isThere = true;
  assert.deepEqual(await probe(), []);
  isThere = false;
  nowMs = 15_000;
  assert.deepEqual(await probe(), []);
  nowMs = 25_000;
  assert.deepEqual(await probe(), [{ name: "redis-away", subject: "n1", detail: "for 10 s" }]);
});

test("a clock that is set by an hour is found, forwards and back, and believed after ten minutes", async () => {
  for (const jumpMs of [3_600_000, -3_600_000]) {
    let wallMs = 1e12;
    let monotonicMs = 0;
    const pass = (ms: number) => {
      wallMs += ms;
      monotonicMs += ms;
    };
    const probe = clockProbe("n1", { nowMs: () => wallMs, monotonicMs: () => monotonicMs });
    pass(5_000);
    assert.deepEqual(await probe(), []);
    wallMs += jumpMs;
    pass(5_000);
    assert.deepEqual(await probe(), [
      { name: "clock-jumped", subject: "n1", detail: `set by ${jumpMs / 1_000} s` },
    ]);
    pass(590_000);
    assert.equal((await probe()).length, 1);
    pass(15_000);
    await probe();
    pass(5_000);
    assert.deepEqual(await probe(), []);
  }
});

test("a clock that is set back to the right time is no longer the matter; slewing never is", async () => {
  let wallMs = 1e12;
  const probe = clockProbe("n1", { nowMs: () => wallMs, monotonicMs: () => 0 });
  wallMs += 3_600_000;
  assert.equal((await probe()).length, 1);
  wallMs -= 3_600_000;
  assert.deepEqual(await probe(), []);
  for (let step = 0; step < 20; step++) {
    wallMs += 20_000;
    assert.deepEqual(await probe(), []);
  }
});

test("a clock that differs from the database's by more than 30 s is found", () => {
  assert.deepEqual(clockFinding("n1", undefined), []);
  assert.deepEqual(clockFinding("n1", -29_000), []);
  assert.equal(clockFinding("n1", -31_000).length, 1);
});

test("a file system without room is found; a folder that is not there is another's trouble", async () => {
  const [full] = await diskProbe("/proc")(); // has no blocks at all
  assert.deepEqual([full?.name, full?.subject], ["disk-nearly-full", "/proc"]);
  assert.deepEqual(await diskProbe("/proc/none/such")(), []);
});

test("copies that wait for Kamailio for more than 5 s are found at once, and over when they have gone", async () => {
  let behindMs = 5_001;
  const isThere = () => behindMs < 5_000;
  const probe = awayProbe("sending-behind", "n1", isThere, 0, () => 0);
  assert.deepEqual(await probe(), [{ name: "sending-behind", subject: "n1", detail: "for 0 s" }]);
  behindMs = 40;
  assert.deepEqual(await probe(), []);
});

test("a database that refuses all writes for a while is found; one refusal, or an old one, is no matter", async () => {
  let nowMs = 1_000;
  let refused: { firstMs: number; lastMs: number } | undefined;
  const probe = refusedProbe(
    "writes of n1",
    () => refused,
    () => nowMs,
  );
  assert.deepEqual(await probe(), []);
  refused = { firstMs: 1_000, lastMs: 1_000 };
  nowMs = 16_000;
  assert.deepEqual(await probe(), []);
  refused = { firstMs: 1_000, lastMs: 16_000 };
  assert.deepEqual(await probe(), [
    { name: "database-away", subject: "writes of n1", detail: "all refused for 15 s" },
  ]);
  nowMs = 46_001;
  assert.deepEqual(await probe(), [], "nobody has wanted anything since");
  nowMs = 20_000;
  refused = undefined;
  assert.deepEqual(await probe(), []);
});

test("what is tried now and then is the matter when it fails, or hangs, for long enough; one attempt at a time", async () => {
  let nowMs = 0;
  let attempts = 0;
  let outcome: () => Promise<void> = async () => {};
  const about = { name: "delivery-failing", subject: "lync-xml and worker-n1" } as const;
  const attempt = () => {
    attempts += 1;
    return outcome();
  };
  const probe = triedProbe(about, attempt, { everyMs: 15_000, forMs: 5_000, lateMs: 10_000 }, () => nowMs);
  const look = async (afterMs: number) => {
    nowMs += afterMs;
    await probe();
    await setImmediate(); // what was tried has failed or not
    return (await probe()).map(({ detail }) => detail);
  };
  assert.deepEqual(await look(0), []);
  outcome = async () => {
    throw new Error("ENOSPC");
  };
  assert.deepEqual(await look(14_999), [], "not tried again yet");
  assert.deepEqual(await look(1), []);
  assert.deepEqual(await look(5_000), ["ENOSPC"]);
  outcome = () => new Promise(() => {});
  assert.deepEqual(await look(10_000), ["ENOSPC"]);
  assert.deepEqual(await look(11_000), ["no answer for 11 s"]);
  assert.deepEqual(await look(600_000), ["no answer for 611 s"]);
  assert.equal(attempts, 3);
});

test("what fails once and then does not is no matter", async () => {
  let nowMs = 0;
  const about = { name: "alert-undelivered", subject: "mail and n1" } as const;
  let isThere = false;
  const attempt = async () => {
    if (!isThere) throw new Error("ECONNREFUSED");
  };
  const probe = triedProbe(about, attempt, { everyMs: 15_000, forMs: 20_000, lateMs: 10_000 }, () => nowMs);
  await probe();
  await setImmediate();
  assert.deepEqual(await probe(), []);
  isThere = true;
  nowMs = 15_000;
  await probe();
  await setImmediate();
  nowMs = 40_000;
  assert.deepEqual(await probe(), []);
});

test("what has happened and is over is told for a minute", async () => {
  let nowMs = 0;
  let happened = false;
  const finding = { name: "redis-emptied", subject: "n1", detail: "gone" } as const;
  const probe = eventProbe(
    finding,
    async () => happened,
    () => nowMs,
  );
  assert.deepEqual(await probe(), []);
  happened = true;
  assert.deepEqual(await probe(), [finding]);
  happened = false;
  nowMs = 59_999;
  assert.deepEqual(await probe(), [finding]);
  nowMs = 60_000;
  assert.deepEqual(await probe(), []);
});
