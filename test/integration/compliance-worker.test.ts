import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Queue } from "bullmq";
import { runCommand } from "../../plugin/run-command.ts";
import type { ComplianceEvent } from "../../src/chat/compliance-event.ts";
import { canonicalBody } from "../../src/chat/compliance-event.ts";
import { makeAdapter } from "../../src/compliance/adapter.ts";
import type { RunExtras } from "../../src/compliance/extras.ts";
import { RunFolders } from "../../src/compliance/folder.ts";
import { timeAttributes } from "../../src/compliance/formats/lync-time.ts";
import { lyncXml } from "../../src/compliance/formats/lync-xml.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { MysqlDetails } from "../../src/store/mysql/details-store.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { RedisConnection } from "../../src/store/redis/connection.ts";
import { JobConsumer } from "../../src/store/redis/job-consumer.ts";
import { ComplianceQueue, queueName, queuePrefix } from "../../src/store/redis/job-queue.ts";
import { insertOutbox } from "../support/compliance-events.ts";
import { archivedMessages, countRows, filesIn, lyncAdapter } from "../support/compliance-lab.ts";
import { ComplianceSetup, expected } from "../support/compliance-setup.ts";
import { until } from "../support/until.ts";
import { validate } from "../support/xmllint.ts";

const schema = fileURLToPath(new URL("../vectors/lync-compliance.xsd", import.meta.url));

const filedump = fileURLToPath(new URL("../../plugin/filedump.xsl", import.meta.url));

const lab = new ComplianceSetup();

describe("from the outbox to the archive", { timeout: 180_000 }, () => {
  test("every event is in a valid file once, and the tables are empty", async () => {
    const events = lab.chats(1_000);
    const more = [lab.make({ fact: { kind: "JOIN" } }), lab.make({ fact: { kind: "PART", reason: "left" } })];
    await insertOutbox(lab.database, [...events, ...more]);
    const { worker, seen } = lab.begin(lab.database, lyncAdapter(lab.root));
    await lab.archiveAll(worker);
    const messages = archivedMessages(lab.root).sort();
    assert.deepEqual(
      messages.filter((message) => message.includes("#CHAT#")),
      expected(events),
    );
    assert.equal(messages.length, 1_002);
    assert.equal(seen.moved, 1_002);
    assert.equal(seen.delivered, 1_002);
    assert.deepEqual(seen.troubles, []);
    for (const table of ["outbox", "handover", "run", "quarantine"])
      assert.equal(await countRows(lab.database, `compliance_${table}`), 0);
    for (const file of filesIn(lab.root).filter((name) => name.endsWith(".xml"))) {
      assert.equal(await validate(join(lab.root, file), schema), undefined);
    }
    const manifests = filesIn(lab.root).filter((name) => name.endsWith("manifest.json"));
    assert.equal(manifests.length, 6);
    const counts = manifests.map((name) => JSON.parse(readFileSync(join(lab.root, name), "utf8")).eventCount);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      1_002,
    );
  });

  test("without an adapter events are moved and kept", async () => {
    await insertOutbox(lab.database, lab.chats(20));
    const { worker } = lab.begin(lab.database, undefined);
    assert.equal(await worker.sweepNow(), 20);
    assert.equal(await worker.archiveNow(), undefined);
    assert.equal(await countRows(lab.database, "compliance_handover"), 20);
  });

  test("ids twice, out of order and unknown move each row once", async () => {
    const events = lab.chats(300);
    await insertOutbox(lab.database, events);
    const outbox = new MysqlOutboxStore(lab.database, false);
    const ids = events.map(({ eventId }) => eventId);
    const calls = [ids.toReversed(), ids, [...ids.slice(0, 50), ...ids.slice(0, 50)], ["f".repeat(32)], []];
    const outcomes = await Promise.all(calls.map((list) => outbox.move(list)));
    assert.equal(
      outcomes.reduce((sum, { moved }) => sum + moved, 0),
      300,
    );
    assert.equal(await countRows(lab.database, "compliance_handover"), 300);
    assert.equal((await outbox.move(ids)).moved, 0);
  });

  test("a row that commits late under a smaller id is found by the next sweep", async () => {
    const late = lab.make();
    const early = lab.make();
    await insertOutbox(lab.database, [early]);
    const { worker } = lab.begin(lab.database, undefined);
    assert.equal(await worker.sweepNow(), 1);
    await insertOutbox(lab.database, [late]);
    assert.equal(await worker.sweepNow(), 1);
  });

  test("young rows are left to their jobs", async () => {
    await insertOutbox(lab.database, [lab.make({ atMs: Date.now() - 60_000 }), lab.make()]);
    const { worker } = lab.begin(lab.database, undefined, { sweeper: { minAgeMs: 10_000 } });
    assert.equal(await worker.sweepNow(), 1);
    assert.equal(await countRows(lab.database, "compliance_outbox"), 1);
  });

  test("rows from the future, of a node whose clock is wrong, are not left to anybody", async () => {
    await insertOutbox(lab.database, [lab.make({ atMs: Date.now() + 3_600_000 }), lab.make()]);
    const { worker } = lab.begin(lab.database, undefined, { sweeper: { minAgeMs: 10_000 } });
    assert.equal(await worker.sweepNow(), 1);
    assert.equal(await countRows(lab.database, "compliance_outbox"), 1);
  });

  test("rows that another transaction holds do not keep the sweeper from those behind them", async () => {
    const events = lab.chats(700);
    await insertOutbox(lab.database, events);
    const { worker } = lab.begin(lab.database, undefined);
    await lab.database.transaction(async (queries) => {
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
    const [same, other, fresh] = [lab.make(), lab.make(), lab.make()];
    await insertOutbox(lab.database, [same, other]);
    const { worker, seen } = lab.begin(lab.database, lyncAdapter(lab.root));
    await worker.sweepNow();
    const forged = {
      ...other,
      fact: { kind: "CHAT", number: 1, alert: false, text: "forged", rtf: null },
    } as const;
    await insertOutbox(lab.database, [same, forged, fresh]);
    await worker.sweepNow();
    assert.deepEqual(seen.conflicts, [other.eventId]);
    assert.equal(await countRows(lab.database, "compliance_outbox"), 0);
    const kept = await lab.database.rows<{ body: Buffer }>("SELECT body FROM compliance_quarantine");
    assert.deepEqual(
      kept.map(({ body }) => body.toString()),
      [canonicalBody(forged)],
    );
    await lab.archiveAll(worker);
    assert.deepEqual(archivedMessages(lab.root).sort(), expected([same, other, fresh]));
  });
});

describe("jobs, servers that go away, and several workers", { timeout: 240_000 }, () => {
  const jobs = (handler: (ids: readonly string[]) => Promise<void>) =>
    new JobConsumer({ url: lab.stack.redisUrl }, handler);

  test("jobs move young rows at once; what FLUSHALL and a killed Redis took is found by the sweeper", async () => {
    const queue = new ComplianceQueue({ url: lab.stack.redisUrl });
    queue.start();
    // Only what is older than an hour is swept: whatever moves has come by a job.
    const slow = lab.begin(lab.database, undefined, {
      jobs,
      sweeper: { minAgeMs: 3_600_000, intervalMs: 200 },
    });
    slow.worker.start();
    const announce = async (events: readonly ComplianceEvent[]) => {
      await insertOutbox(lab.database, events);
      queue.announce(events.map(({ eventId }) => eventId));
    };
    await until("jobs flow", async () => {
      await announce([lab.make()]);
      return slow.seen.moved > 0;
    });
    const first = lab.chats(600);
    await announce(first);
    await until("moved by jobs", async () => (await countRows(lab.database, "compliance_handover")) >= 600);
    await slow.worker.stop();

    const lost = lab.chats(700);
    await announce(lost);
    const admin = new RedisConnection({ url: lab.stack.redisUrl });
    admin.start();
    await until("connected", () => admin.connected);
    await admin.within((client) => client.flushAll(), 5_000);
    admin.close();
    const alsoLost = lab.chats(300);
    await lab.stack.kill("redis", "SIGKILL");
    await announce(alsoLost);
    const { worker } = lab.begin(lab.database, lyncAdapter(lab.root), { jobs });
    worker.start();
    await until(
      "outbox empty while Redis is away",
      async () => (await countRows(lab.database, "compliance_outbox")) === 0,
    );
    await lab.stack.restart("redis");
    await queue.close();
    await lab.archiveAll(worker);
    const found = archivedMessages(lab.root);
    assert.equal(new Set(found).size, found.length);
    const set = new Set(found);
    for (const message of expected([...first, ...lost, ...alsoLost])) assert.ok(set.has(message), message);
  });

  test("jobs of every kind of nonsense change nothing; what was said comes through to the byte", async () => {
    const texts = [
      "]]><Message type='CHAT' content='forged'/>",
      "'); DELETE FROM compliance_outbox; --",
      "\u0000\u0001\u001f\ud800 \udfff \ufffe",
      '"\\\n\r\t\u2028\u202e\u{1f600}',
      "{{constructor.constructor('return process')()}} #{7*7} %s %n",
      "=cmd|' /C calc'!A0",
      "x".repeat(60_000),
      "",
    ];
    const events = texts.map((text) =>
      lab.make({ fact: { kind: "CHAT", number: 1, alert: false, text, rtf: `{\\rtf1 ${text}}` } }),
    );
    const bodies = new Map(events.map((event) => [event.eventId, canonicalBody(event)]));
    await insertOutbox(lab.database, events);
    const handled: (readonly string[])[] = [];
    const { worker, seen } = lab.begin(lab.database, undefined, {
      jobs: (handler) =>
        jobs((ids) => {
          handled.push(ids);
          return handler(ids);
        }),
      sweeper: { minAgeMs: 3_600_000 }, // whatever moves has come by a job
    });
    worker.start();
    const [first = "", second = ""] = events.map(({ eventId }) => eventId);
    const ids = events.map(({ eventId }) => eventId);
    const admin = new RedisConnection({ url: lab.stack.redisUrl });
    admin.start();
    await until("connected", () => admin.connected);
    const queue = new Queue(queueName, { connection: admin.raw, prefix: queuePrefix });
    const nonsense: readonly unknown[] = [
      null,
      "ids",
      [],
      { ids: "all" },
      { ids: [null, 7, {}, [first]] },
      { ids: ["", "*", `${first}'`, first.toUpperCase(), `0x${first}`] },
      { ids: Array.from({ length: 10_000 }, () => first) },
      { ids: ["f".repeat(32), "0".repeat(32)] },
      { ids: [second, first, second, "e".repeat(32), first] },
      { ids: ids.toReversed() },
      { ids },
    ];
    for (const data of nonsense) await queue.add("moved", data, { removeOnComplete: true });
    await until("moved", async () => (await countRows(lab.database, "compliance_outbox")) === 0);
    await queue.close();
    admin.close();
    const rows = await lab.database.rows<{ id: string; body: Buffer }>(
      "SELECT LOWER(HEX(event_id)) AS id, body FROM compliance_handover",
    );
    assert.deepEqual(new Map(rows.map(({ id, body }) => [id, body.toString("utf8")])), bodies);
    assert.ok(handled.flat().every((id) => /^[0-9a-f]{32}$/.test(id)));
    assert.equal(seen.moved, texts.length);
    assert.deepEqual(seen.troubles, []);
  });

  test("two workers with jobs, sweepers and archivers at once: each event exactly once", async () => {
    const queue = new ComplianceQueue({ url: lab.stack.redisUrl });
    queue.start();
    const other = new Database({ url: lab.stack.mysqlUrl });
    const pair = [
      lab.begin(lab.database, lyncAdapter(lab.root), { jobs }),
      lab.begin(other, lyncAdapter(lab.root), { jobs }),
    ];
    for (const { worker } of pair) worker.start();
    const events: ComplianceEvent[] = [];
    for (let round = 0; round < 15; round++) {
      const more = lab.chats(200);
      events.push(...more);
      await insertOutbox(lab.database, more);
      queue.announce(more.map(({ eventId }) => eventId));
      queue.announce(more.slice(0, 77).map(({ eventId }) => eventId));
      await Promise.all(pair.flatMap(({ worker }) => [worker.sweepNow(), worker.archiveNow()]));
    }
    const first = pair[0]?.worker;
    assert.ok(first);
    await until("nothing left", async () => {
      await lab.archiveAll(first);
      return (await countRows(lab.database, "compliance_handover")) === 0;
    });
    assert.deepEqual(archivedMessages(lab.root).sort(), expected(events));
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

  test("another form of each file and what is known of rooms and users stand beside it, named in the manifest", async () => {
    const { database, root } = lab;
    for (const statement of [
      "INSERT INTO category (id, guid, name) VALUES (1, '00000000-0000-4000-8000-0000000000c1', 'Trading')",
      "INSERT INTO room (id, domain, guid, name, description, category_id, privacy, created_ms) VALUES " +
        "(1, 'example.com', 'room-1', 'Room 1', 'prices & \"news\"', 1, 'secret', 1795395600123)",
      "INSERT INTO principal (id, uri, kind, display_name, email) VALUES (17, 'sip:user17@example.com', 'user', 'User 17', NULL), " +
        "(18, 'ma-grp:traders', 'group', 'Traders', NULL)",
      "INSERT INTO membership (group_id, member_kind, member_id, source) VALUES (18, 'user', 17, 'manual')",
    ])
      await database.change(statement);
    const extrasWith = (stylesheet: string): RunExtras => {
      const words = ["xsltproc", "--nonet", "--nowrite", "--nomkdir", stylesheet, "-"];
      const limits = { tellsComplaint: false };
      const run = (part: Buffer) => runCommand(words, part, 30_000, limits);
      const details = new MysqlDetails(database);
      return { roomDetails: true, userDetails: true, details, transform: { words, run } };
    };
    const adapter = (stylesheet: string) =>
      makeAdapter("archive", lyncXml, { filePerRoom: true }, new RunFolders(root), extrasWith(stylesheet));
    const events = [
      lab.make({ fact: { kind: "JOIN" } }),
      ...["one", "line 1\n<2>"].map((text, at) =>
        lab.make({ fact: { kind: "CHAT", number: at + 1, alert: false, text, rtf: null } }),
      ),
      lab.make({ roomId: 2, userId: 99 }),
    ];
    await insertOutbox(database, events);

    const failing = lab.begin(database, adapter(join(root, "missing.xsl")));
    await failing.worker.sweepNow();
    assert.equal(
      (await failing.worker.archiveNow())?.end,
      "failed",
      "an event is not to blame for a stylesheet",
    );
    assert.deepEqual([failing.seen.quarantined, filesIn(root)], [[], []]);

    await lab.archiveAll(lab.begin(database, adapter(filedump)).worker);
    const files = filesIn(root).map((name) => ({
      name: name.split("/").at(-1) ?? "",
      path: join(root, name),
    }));
    const one = (pattern: RegExp) =>
      readFileSync(files.find(({ name }) => pattern.test(name))?.path ?? "", "utf8");
    const manifest = JSON.parse(one(/^manifest/));
    assert.deepEqual(
      manifest.files.map(({ path }: { path: string }) => path.replace(/-[0-9a-f]{8}/, "-HASH")),
      [
        "part-0001.xml",
        "part-0002.xml",
        "transformed-0001-HASH.xml",
        "transformed-0002-HASH.xml",
        "details-0001-HASH.xml",
      ],
    );
    for (const { path, sha256 } of manifest.files) {
      const bytes = readFileSync(files.find(({ name }) => name === path)?.path ?? "");
      assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256, path);
    }
    for (const { path } of files.filter(({ name }) => name.startsWith("part-")))
      assert.equal(await validate(path, schema), undefined, "the extras are no part of it");
    const dump = one(/^transformed-0001/);
    assert.match(dump, /<Conversation Perspective="Room 1_group_channel">/);
    assert.match(dump, /<CorporateEmailID>user17@example.com<\/CorporateEmailID>/);
    assert.match(dump, /<Content>line 1\n&lt;2&gt;<\/Content>/);
    assert.equal(
      one(/^details/),
      [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<Details xmlns="urn:parlance:compliance-details:1">',
        ' <ChatRoom id="1" uri="ma-chan://example.com/room-1" name="Room 1" description="prices &amp; &quot;news&quot;" ' +
          'category="Trading" privacy="secret" type="normal" disabled="false">',
        `  <CreatedUTC ${timeAttributes(1_795_395_600_123)}/>`,
        " </ChatRoom>",
        ' <User id="17" uri="sip:user17@example.com" name="User 17" administrator="false">',
        '  <Group uri="ma-grp:traders" name="Traders"/>',
        " </User>",
        "</Details>",
        "",
      ].join("\n"),
      "what is gone is left out",
    );
  });

  test("the database killed and restarted: the worker goes on by itself and nothing is missing", async () => {
    const events = lab.chats(2_000);
    await insertOutbox(lab.database, events);
    const { worker, seen } = lab.begin(lab.database, lyncAdapter(lab.root));
    worker.start();
    await lab.stack.kill("mariadb", "SIGKILL");
    await until("noticed", () => seen.troubles.length > 0);
    await lab.stack.restart("mariadb");
    await until(
      "moved",
      async () => (await countRows(lab.database, "compliance_outbox").catch(() => 1)) === 0,
    );
    await lab.archiveAll(worker);
    assert.deepEqual(archivedMessages(lab.root).sort(), expected(events));
  });
});
