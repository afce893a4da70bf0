import assert from "node:assert/strict";
import { chmodSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { recordArchiveEvent } from "../../src/store/mysql/archive-events.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { mayMount, SmallDisk } from "../chaos/small-disk.ts";
import { AlertsLab, TOLD_WITHIN_MS } from "../support/alerts-lab.ts";
import { parlance } from "../support/cli.ts";
import { until } from "../support/until.ts";

/** What is wrong with the archive, its folders and the disks; `alerts.test.ts` has processes, servers and clocks. */
const it = new AlertsLab({
  nodes: 1,
  mail: false,
  settings: { compliance: { archive: { "checkpoint-interval": "10s" } } },
});

test("a folder that cannot be written, a checkpoint that cannot leave: told with the reason", async () => {
  await it.say("not delivered");
  // A file where the folder should be: also for root. The next run is a quarter of an hour away.
  const folder = join(it.lab.stack.stateDir, "compliance");
  renameSync(folder, `${folder}.kept`);
  writeFileSync(folder, "");
  const failures = [
    ["delivery-failing", "lync-xml and worker-n1"],
    ["checkpoint-unpublished", "archive"],
  ] as const;
  await it.untilTold("firing", ...failures);
  assert.match(it.describedAs("delivery-failing"), /^its folder cannot be written: (ENOTDIR|EEXIST)$/);
  await runNow();
  await it.untilTold("firing", ["delivery-failing", "lync-xml"]);
  assert.match(it.describedAs("delivery-failing", "lync-xml"), /failed \d+ times: .*(ENOTDIR|EEXIST)/);
  await it.untilInMetrics(0, "checkpoint-unpublished", "archive");
  rmSync(folder);
  renameSync(`${folder}.kept`, folder);
  await runNow();
  await it.untilTold("resolved", ...failures, ["delivery-failing", "lync-xml"]);
});

test("an event that cannot be delivered is told without what was said, until it is accepted by command; tried again it comes back", async () => {
  const database = new Database({ url: it.lab.stack.mysqlUrl });
  const eventId = await recordArchiveEvent(database, {
    kind: "CHAT",
    // Nobody's number is so large that Lync's format could not hold it; a message's may be.
    detail: { alert: false, number: 2 ** 31, rtf: null, text: "nobody's business" },
    actor: { id: 1, uri: "sip:alice@example.com", displayName: "alice", email: null },
    ...{ node: "n1", atMs: Date.now() },
  });
  await new MysqlOutboxStore(database, true).move([eventId]);
  await database.close();
  const alert = ["event-quarantined", "archive"] as const;
  const quarantine = (...words: string[]) => parlance(it.config, "compliance", "quarantine", ...words);
  const listed = async (...words: string[]) => JSON.parse((await quarantine("list", "--json", ...words)).out);
  await runNow();
  await it.untilTold("firing", alert);
  const [row, ...more] = await listed();
  assert.deepEqual([row.event, row.why, more], [eventId, "cannot be expressed: detail.number", []]);

  const tried = await quarantine("retry", eventId, "--dry-run", "--json");
  assert.deepEqual([tried.code, JSON.parse(tried.out)[0].done], [0, "would be put back"]);
  assert.equal((await listed()).length, 1, "only rehearsed");
  assert.equal((await quarantine("retry", "--all")).code, 0);
  assert.deepEqual(await listed(), []);
  await it.untilTold("resolved", alert);
  it.told.length = 0;
  await runNow();
  await it.untilTold("firing", alert);

  assert.match((await quarantine("accept", eventId)).err, /--reason is missing/);
  const reason = ["--reason", "ticket 4711"];
  assert.equal((await quarantine("accept", "--all", ...reason, "--dry-run")).code, 0);
  assert.equal((await listed()).length, 1, "only rehearsed");
  const accepted = await quarantine("accept", eventId, ...reason, "--json");
  assert.deepEqual([accepted.code, JSON.parse(accepted.out)[0].done], [0, "accepted"]);
  await it.untilTold("resolved", alert);
  assert.match((await listed("--all"))[0].by, /^administrator:/);
  const again = await quarantine("accept", eventId, ...reason);
  assert.deepEqual([again.code, /accepted already, by .*: ticket 4711/.test(again.err)], [64, true]);
  for (const wrong of ["f".repeat(32), "17"])
    assert.equal((await quarantine("retry", wrong)).code, 64, "there is none");
  assert.doesNotMatch(JSON.stringify(it.told), /nobody's business/);
});

test("a node that records nothing while a worker runs is told, also when it is the one that looks after the pool", async () => {
  await it.lab.configure("n1", { compliance: { enabled: false } });
  await it.lab.sql("UPDATE pool_watch SET holder = 'n1', expires_ms = expires_ms + 20000");
  await it.untilTold("firing", ["capture-silent", /^n1-/]);
  assert.equal((await it.lab.sql<{ holder: string }>("SELECT holder FROM pool_watch"))[0]?.holder, "n1");
  assert.match(it.describedAs("capture-silent"), /it has recorded nothing since it began/);
  await it.lab.configure("n1", { compliance: { enabled: true } });
  await it.untilTold("resolved", ["capture-silent", /^n1-/]);
});

test("an archive that is not the one that was signed, events that nobody seals, one that is lost: told until it is right again", async () => {
  await it.say("sealed");
  await until("signed", async () => (await it.lab.sql("SELECT size FROM archive_checkpoint")).length > 0);
  await it.lab.stack.kill("worker", "SIGKILL");
  // As whoever owns the database can.
  await it.lab.sql("DROP TRIGGER archive_leaf_no_update");
  const [leaf] = await it.lab.sql<{ leaf_hash: Buffer }>("SELECT leaf_hash FROM archive_leaf WHERE seq = 0");
  const write = (hash: Buffer) => it.lab.sql("UPDATE archive_leaf SET leaf_hash = ? WHERE seq = 0", [hash]);
  await write(Buffer.alloc(32));
  await it.say("lost");
  // Whoever deletes it from the outbox, and has a backup.
  await it.lab.sql("CREATE TABLE backup AS SELECT * FROM compliance_outbox WHERE kind = 'CHAT'");
  const [lost] = await it.lab.sql<{ stream: string }>("SELECT stream FROM backup");
  await it.lab.sql("DELETE FROM compliance_outbox WHERE kind = 'CHAT'");
  await it.say("waits for it");
  await it.lab.stack.restart("worker");
  await until(
    "they wait",
    async () => (await it.lab.sql("SELECT event_id FROM archive_intake WHERE kind = 'CHAT'")).length > 0,
  );
  // They have waited for longer than it takes.
  await it.lab.sql("UPDATE archive_intake SET arrived_ms = arrived_ms - 50000");
  const failures = [
    ["archive-broken", "archive"],
    ["seal-behind", "archive"],
  ] as const;
  await it.untilTold("firing", ...failures);
  assert.match(it.describedAs("archive-broken"), /^the first \d+ events are not those of /);
  await it.untilInMetrics(0, "archive-broken", "archive");
  await write(leaf?.leaf_hash ?? Buffer.alloc(0));
  await it.untilTold("resolved", ...failures);
  // What comes before the lost one is sealed now: nothing but it is waited for.
  const missing = ["record-missing", lost?.stream ?? ""] as const;
  await it.untilTold("firing", missing);
  await it.lab.sql("INSERT INTO compliance_outbox SELECT * FROM backup");
  await it.lab.sql("DROP TABLE backup");
  await it.untilTold("resolved", missing);
  assert.equal((await parlance(it.config, "migrate")).code, 0);
});

test("what is wrong with the sealed archive is told: a key that others can read, a changed event", async () => {
  it.told.length = 0;
  await it.say("sealed");
  await until(
    "sealed",
    async () => (await it.lab.sql("SELECT seq FROM archive_content LIMIT 1")).length === 1,
  );
  const config = it.config;
  const [event] = await it.lab.sql<{ seq: number; body: Buffer }>(
    "SELECT seq, body FROM archive_content LIMIT 1",
  );
  await it.lab.sql("UPDATE archive_content SET body = CONCAT(body, ' ') WHERE seq = ?", [event?.seq ?? 0]);
  assert.equal((await parlance(config, "compliance", "verify", "--from", "0")).code, 1);
  const key = join(it.lab.stack.stateDir, "secret", "archive.key");
  chmodSync(key, 0o644);
  await it.say("cannot be signed");
  await it.untilTold("firing", ["archive-tampered", "archive"], ["checkpoint-unsigned", "archive"]);
  await until("the worker's reason", async () =>
    it.told.some(({ annotations }) => /others can read/.test(annotations.description ?? "")),
  );

  chmodSync(key, 0o600);
  await it.lab.sql("UPDATE archive_content SET body = ? WHERE seq = ?", [event?.body ?? "", event?.seq ?? 0]);
  const verified = await parlance(config, "compliance", "verify", "--from", "0");
  assert.equal(verified.code, 0, verified.out);
  await it.untilTold("resolved", ["archive-tampered", "archive"], ["checkpoint-unsigned", "archive"]);
});

const TOO_LITTLE_RIGHTS = "a disk that can be filled has to be mounted, and this machine does not allow it";

test("the disks of the database and of the adapter full: told until there is room", {
  skip: !mayMount() && TOO_LITTLE_RIGHTS,
}, async () => {
  const { stack } = it.lab;
  await stack.kill("worker", "SIGKILL");
  await stack.kill("mariadb", "SIGKILL");
  const disks = [
    SmallDisk.under(join(stack.stateDir, "mariadb"), 320),
    SmallDisk.under(join(stack.stateDir, "compliance"), 48),
  ];
  try {
    await stack.restart("mariadb");
    await it.lab.restart("n1");
    await stack.restart("worker");
    const alice = await it.lab.signedIn("alice");
    await alice.join(it.lab.room("Hall"));
    it.told.length = 0;
    for (const disk of disks) disk.fill();
    const folder = ["delivery-failing", "lync-xml and worker-n1"] as const;
    // Whichever table needs room first: what is said is refused, or not taken over by the archive, or no heartbeat is recorded.
    const NAMES = ["database-away", "capture-behind", "capture-silent"];
    const firing = () => NAMES.filter((name) => it.isTold("firing", name, /./));
    await until(
      "the database's disk is told",
      async () => {
        await alice.post(it.lab.room("Hall"), "needs room ".repeat(600)).catch(() => {});
        await pause(200);
        // What becomes free meanwhile is taken at once.
        for (const disk of disks) disk.fill();
        return firing().length > 0;
      },
      TOLD_WITHIN_MS,
    );
    await it.untilTold("firing", folder);
    assert.equal(it.describedAs("delivery-failing"), "its folder cannot be written: ENOSPC");
    for (const disk of disks) disk.empty();
    // A node that could not renew its lease has ended; its supervisor starts it again.
    await it.lab.restart("n1");
    await it.untilTold("resolved", folder, ...firing().map((name) => [name, /./] as const));
    await it.say("there is room again");
  } finally {
    // The last test: what still runs has its files open.
    for (const disk of disks) {
      disk.empty();
      disk.remove();
    }
  }
});

/** Its next run is a quarter of an hour away. */
async function runNow(): Promise<void> {
  await it.lab.sql("UPDATE compliance_lease SET last_run_ms = 1 WHERE adapter = 'lync-xml'");
  await it.lab.sql("UPDATE compliance_run SET next_attempt_ms = 0 WHERE adapter = 'lync-xml'");
}
