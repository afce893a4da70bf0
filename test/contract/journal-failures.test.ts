import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createConnection } from "mysql2/promise";
import { ChatError } from "../../src/chat/errors.ts";
import { STALE } from "../../src/ports.ts";
import type { MysqlJournal } from "../../src/store/mysql/journal.ts";
import { journalLockName } from "../../src/store/mysql/journal-connection.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { startCutter } from "../support/commit-cutter.ts";
import {
  ask,
  dialogRecord,
  type MysqlLab,
  newScene,
  postEntry,
  recorder,
  startHolder,
  startMysqlLab,
} from "../support/mysql.ts";
import { until } from "../support/until.ts";

let lab: MysqlLab;
let stores: Stores;
let journal: MysqlJournal;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
  journal = stores.journal(await stores.leases.begin("n1"));
});
after(() => lab.stop());

const isDown = (error: unknown) =>
  error instanceof ChatError && (error.code === "STORE_DOWN" || error.code === "OVERLOADED");

/** The journal of its own that a test breaks, and a room. */
async function newJournal() {
  const me = await stores.leases.begin("n1");
  const scene = await newScene(stores);
  const [room] = scene.rooms;
  assert.ok(room);
  return { me, journal: stores.journal(me), alice: scene.alice, room };
}

test("a deadlock with somebody else's transaction is retried and nothing is lost", async () => {
  const { alice, rooms } = await newScene(stores, 2);
  const [low, high] = rooms;
  assert.ok(low && high);
  const other = await createConnection({ uri: lab.url });
  let victims = 0;
  try {
    for (let round = 1; round <= 5; round++) {
      await other.query("START TRANSACTION");
      await other.query("UPDATE room SET description = 'x' WHERE id = ?", [high.id]);
      // The flush locks the lower room and waits for the higher one; the other transaction goes the opposite way, and has
      // written more, so that it is the flush that the server rolls back.
      await other.query("UPDATE setting SET value = ? WHERE name = 'store-id'", [`${round}`]);
      const posts = [low, high].map((room) => journal.post(postEntry(recorder(alice), room, `${round}`)));
      await until("the flush waits for the lock", async () => {
        const rows = await ask<{ count: number }>(
          lab.url,
          "SELECT COUNT(*) AS count FROM information_schema.processlist WHERE info LIKE '%FOR UPDATE%' AND info LIKE '%FROM room%' AND id <> CONNECTION_ID()",
        );
        return (rows[0]?.count ?? 0) > 0;
      });
      await other.query("UPDATE room SET description = 'x' WHERE id = ?", [low.id]).then(
        () => {
          victims += 1;
        },
        (error: { errno: number }) => assert.equal(error.errno, 1213),
      );
      await other.query("ROLLBACK");
      for (const message of await Promise.all(posts))
        assert.ok(message !== STALE && message.number === round);
    }
    assert.ok(victims > 0, "the flush was never the one rolled back");
  } finally {
    other.destroy();
  }
});

test("a room that somebody keeps locked holds up only its own posts, which are refused unstored in time", async () => {
  const { alice, rooms } = await newScene(stores, 2);
  const [locked, free] = rooms;
  assert.ok(locked && free);
  const other = await createConnection({ uri: lab.url });
  try {
    await other.query("START TRANSACTION");
    await other.query("SELECT id FROM room WHERE id = ? FOR UPDATE", [locked.id]);
    const began = performance.now();
    const stuck = journal.post(
      postEntry(recorder(alice), locked, "stuck", { startBeforeMs: Date.now() + 1_500 }),
    );
    const refused = assert.rejects(
      stuck,
      (error) => error instanceof ChatError && /TOO_LATE|OVERLOADED/.test(error.code),
    );
    let posted = 0;
    while (performance.now() - began < 3_000) {
      const message = await journal.post(postEntry(recorder(alice), free, "free"));
      assert.ok(message !== STALE);
      posted += 1;
    }
    await refused;
    assert.ok(posted > 5, `${posted} posts went through beside the lock`);
    await other.query("ROLLBACK");
    assert.deepEqual(await stores.messages.latest(locked.id, 10, 10), []);
    const next = await journal.post(postEntry(recorder(alice), locked, "free again"));
    assert.ok(next !== STALE && next.number === 1);
  } finally {
    other.destroy();
  }
});

test("a node that was stopped in the middle of a transaction does not block its successor", async () => {
  const { alice, rooms } = await newScene(stores);
  const [room] = rooms;
  assert.ok(room);
  const dead = await stores.leases.begin("stopped");
  const by = recorder(alice);
  const opener = stores.journal(dead);
  await opener.open(dialogRecord(by, dead));
  await opener.close();
  const holder = await startHolder(lab.url, dead, room.id);
  try {
    holder.kill("SIGSTOP");
    const over = "UPDATE node_lease SET expires_at = NOW(3) - INTERVAL 1 SECOND WHERE incarnation = ?";
    await stores.database.change(over, [dead]); // as if its eight seconds were
    const me = await stores.leases.begin("successor");
    const began = performance.now();
    assert.equal(await stores.leases.take(dead, me), true);
    const message = await stores.journal(me).post(postEntry(by, room, "from the successor"));
    assert.ok(message !== STALE && message.number === 1);
    assert.ok(performance.now() - began < 20_000, "nobody waited for the stopped one");
    assert.equal(await stores.dialogs.home(by.token), me);
  } finally {
    holder.kill("SIGKILL");
  }
});

test("a connection that is killed while it waits is replaced, and nobody notices", async () => {
  const { me, journal: own, alice, room } = await newJournal();
  await own.post(postEntry(recorder(alice), room, "one"));
  for (let round = 2; round <= 5; round++) {
    const [held] = await ask<{ id: number }>(
      lab.url,
      `SELECT IS_USED_LOCK('${journalLockName("parlance", me)}') AS id`,
    );
    assert.ok(held && held.id > 0);
    await ask(lab.url, `KILL ${held.id}`);
    const message = await own.post(postEntry(recorder(alice), room, `${round}`));
    assert.ok(message !== STALE && message.number === round);
  }
});

for (const committed of [true, false])
  test(`a connection lost during COMMIT: the journal finds out that the flush was ${committed ? "" : "not "}committed`, async () => {
    const announced: string[] = [];
    const proxy = await startCutter(new URL(lab.url), committed);
    const url = new URL(lab.url);
    url.port = String(proxy.port);
    const behind = await lab.open({ url: url.href, waker: { announce: (ids) => announced.push(...ids) } });
    try {
      const { alice, rooms } = await newScene(stores);
      const [room] = rooms;
      assert.ok(room);
      const own = behind.journal(await stores.leases.begin("cut"));
      const by = recorder(alice);
      for (let round = 1; round <= 3; round++) {
        proxy.cutNextCommit();
        const answers = await Promise.all([
          own.post(postEntry(by, room, `${round}`)),
          own.read(by, room, { from: 1, to: 1, count: 1, limit: 1 }),
        ]);
        assert.ok(answers[0] !== STALE && answers[0].number === round && !answers[0].repeated);
      }
      assert.equal(proxy.cuts(), 3);
      assert.equal((await stores.messages.latest(room.id, 10, 10)).length, 3);
      const recorded = await ask<{ id: string; stream_seq: number; stream: string }>(
        lab.url,
        `SELECT LOWER(HEX(event_id)) AS id, stream, stream_seq FROM compliance_outbox WHERE room_id = ${room.id} ORDER BY stream, stream_seq`,
      );
      assert.deepEqual(
        recorded.map(({ stream, stream_seq }) => [stream.replace(/:.*/, ""), stream_seq]),
        [...[2, 3, 4].map((seq) => ["read", seq]), ...[1, 2, 3].map((seq) => ["room", seq])],
      );
      assert.deepEqual([...announced].sort(), recorded.map(({ id }) => id).sort());
    } finally {
      await behind.close();
      await proxy.stop();
    }
  });

test("a hung database is STORE_DOWN within about two seconds for posts and reads, and works when it goes on", async () => {
  const { journal: own, alice, room } = await newJournal();
  await own.post(postEntry(recorder(alice), room, "before"));
  const refused = () => own.refused;
  assert.equal(refused(), undefined);
  await lab.stack.kill("mariadb", "SIGSTOP");
  try {
    const began = performance.now();
    await Promise.all([
      ...Array.from({ length: 20 }, () =>
        assert.rejects(own.post(postEntry(recorder(alice), room, "lost")), isDown),
      ),
      assert.rejects(stores.messages.latest(room.id, 10, 10), isDown),
      assert.rejects(stores.rooms.find(room.domain, room.guid), isDown),
      assert.rejects(stores.users.find(alice.uri), isDown),
    ]);
    const tookMs = performance.now() - began;
    assert.ok(tookMs < 10_000, `${tookMs} ms`); // two seconds, and room for a busy machine
    const first = refused();
    await assert.rejects(own.post(postEntry(recorder(alice), room, "lost")), isDown);
    assert.equal(refused()?.firstMs, first?.firstMs, "it has gone on since then");
    assert.ok((refused()?.lastMs ?? 0) > (first?.lastMs ?? Number.POSITIVE_INFINITY), "and does");
  } finally {
    await lab.stack.kill("mariadb", "SIGCONT");
  }
  await until("posts go through again", () =>
    own.post(postEntry(recorder(alice), room, "after")).then(
      () => true,
      () => false,
    ),
  );
  const texts = (await stores.messages.latest(room.id, 10, 10)).map(({ text }) => text);
  assert.deepEqual(texts, ["before", "after"], "what was refused was not stored");
  assert.equal(refused(), undefined, "over with what was taken");
});

test("after a kill -9 of the database in full flow every acknowledged post is there once, dense, and recorded", async () => {
  const { me, journal: own } = await newJournal();
  const { alice, rooms } = await newScene(stores, 8);
  const acknowledged: { roomId: number; number: number; text: string }[] = [];
  for (let round = 1; round <= 3; round++) {
    let running = true;
    const clients = Array.from({ length: 48 }, async (_, client) => {
      const by = recorder(alice);
      const room = rooms[client % rooms.length];
      assert.ok(room);
      for (let n = 0; running; n++) {
        const text = `${round}/${client}/${n}`;
        const entry = postEntry(by, room, text);
        for (let sent = 0; running || sent === 1; sent++) {
          // A client that is refused sends the same again, as it may.
          const answer = await own.post(entry).catch((error: unknown) => {
            assert.ok(isDown(error), String(error));
            return undefined;
          });
          assert.notEqual(answer, STALE);
          if (answer !== undefined && answer !== STALE) {
            assert.equal(answer.text, text);
            acknowledged.push({ roomId: room.id, number: answer.number, text });
            break;
          }
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    });
    const enough = acknowledged.length + 1_500;
    await until("posts are flowing", () => acknowledged.length > enough, 30_000);
    await lab.stack.kill("mariadb", "SIGKILL");
    await lab.stack.restart("mariadb");
    const more = acknowledged.length + 200;
    await until("posts are flowing again", () => acknowledged.length > more, 30_000);
    running = false;
    await Promise.all(clients);
  }
  for (const room of rooms) {
    const kept = await stores.messages.range(room.id, 1, 1_000_000);
    assert.deepEqual(
      kept.map(({ number }) => number),
      kept.map((_, index) => index + 1),
    );
    assert.equal(new Set(kept.map(({ text }) => text)).size, kept.length, "nothing is stored twice");
    for (const { number, text } of acknowledged.filter(({ roomId }) => roomId === room.id))
      assert.equal(kept[number - 1]?.text, text);
    const recorded = await stores.database.rows<{ stream_seq: number; body: Buffer }>(
      "SELECT stream_seq, body FROM compliance_outbox WHERE stream = ? ORDER BY stream_seq",
      [`room:${room.id}`],
    );
    assert.deepEqual(
      recorded.map(({ stream_seq, body }) => [stream_seq, JSON.parse(body.toString("utf8")).detail.text]),
      kept.map(({ number, text }) => [number, text]),
    );
  }
  assert.equal(await stores.leases.renew(me), true);
});

test("more work than a second can take is refused at once", async () => {
  const { journal: own, alice, room } = await newJournal();
  const by = recorder(alice);
  const posts = Array.from({ length: 40_000 }, () => own.post(postEntry(by, room, "x")));
  const outcomes = await Promise.allSettled(posts);
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.ok(refused.length >= 40_000 - 16_384 - 256, `${refused.length} refused`);
  assert.ok(refused.every(({ reason }) => isDown(reason)));
  const [last] = await stores.messages.latest(room.id, 1, 1_000_000);
  assert.equal(last?.number ?? 0, outcomes.length - refused.length);
});
