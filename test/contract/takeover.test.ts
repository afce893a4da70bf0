import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatError } from "../../src/chat/errors.ts";
import type { Room } from "../../src/chat/room.ts";
import type { Recorder } from "../../src/ports.ts";
import type { Incarnation } from "../../src/sip/dialog.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import {
  dialogRecord,
  type MysqlLab,
  newScene,
  newUser,
  postEntry,
  recorder,
  startMysqlLab,
} from "../support/mysql.ts";
import { Faults, nodeCore } from "../support/node-core.ts";
import { until } from "../support/until.ts";

let lab: MysqlLab;
let stores: Stores;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
});
after(() => lab.stop());

async function lapse(incarnation: Incarnation): Promise<void> {
  await stores.database.change(
    "UPDATE node_lease SET expires_at = NOW(3) - INTERVAL 1 SECOND WHERE incarnation = ?",
    [incarnation],
  );
}

/** A dead node: Alice and Bob were in its room, it had told them three of five messages, then Bob lost his right to be there. */
async function deadNode(): Promise<{ dead: Incarnation; room: Room; alice: Recorder; bob: Recorder }> {
  const scene = await newScene(stores);
  const [room] = scene.rooms;
  assert.ok(room);
  const [alice, bob] = [recorder(scene.alice), recorder(scene.bob)];
  const dead = await stores.leases.begin("dead");
  const journal = stores.journal(dead);
  for (const by of [alice, bob]) await journal.open(dialogRecord(by, dead));
  for (const by of [alice, bob]) await journal.join(by, [{ room, mask: 1 }]);
  await Promise.all(["1", "2", "3", "4", "5"].map((text) => journal.post(postEntry(alice, room, text))));
  await stores.progress.save(dead, new Map([[room.id, 3]]));
  await stores.administration.addRole(room.id, alice.user.uri, "member");
  await stores.administration.changeRoom(room.id, { privacy: "closed" });
  await lapse(dead);
  return { dead, room, alice, bob };
}

/** So that the next one finds nothing of this. */
async function leaveNothing(me: Incarnation): Promise<void> {
  for (const { dialog } of await stores.dialogs.ofHome(me))
    await stores.database.change("DELETE FROM dialog WHERE token = ?", [
      Buffer.from(dialog.state.token, "hex"),
    ]);
  await stores.leases.release(me);
}

/** Looks until there is nothing more to take over, as a node does by the clock. */
async function takeOver(node: ReturnType<typeof nodeCore>): Promise<void> {
  for (let looks = 0; looks < 5; looks++) {
    const failed = await node.takeover.look().then(
      () => false,
      (error: unknown) => {
        assert.ok(error instanceof ChatError);
        return true;
      },
    );
    if (!failed) return;
  }
  assert.fail("it never ends");
}

for (const when of ["before", "after"] as const) {
  const where = when === "before" ? "before it is heard" : "before it has answered";
  test(`wherever the database is away for a moment in a takeover, ${where}, everybody hears his rooms on, once, and nobody else`, async () => {
    const met = new Set<string>();
    for (let failAt = 1; ; failAt++) {
      const { dead, room, alice, bob } = await deadNode();
      const me = await stores.leases.begin("survivor");
      const faults = new Faults();
      Object.assign(faults, { failAt, when });
      const node = nodeCore(stores, me, faults);
      try {
        await takeOver(node);
        const [what] = faults.failed;
        if (!what) break; // there are no more calls
        met.add(what);
        const failing = `call ${failAt}, ${what}`;
        assert.deepEqual(node.taken, [{ dead, dialogs: 2 }], failing);
        assert.deepEqual(new Set(node.homes), new Set([dead]), failing);
        assert.deepEqual(
          [...node.fanout.sessionsIn(room.id)].map(({ token }) => token),
          [alice.token],
          failing,
        );
        assert.deepEqual(node.sent, new Map([[alice.token, [4, 5]]]), failing);
        assert.deepEqual(await stores.progress.load(me), new Map([[room.id, 5]]), failing);
        assert.deepEqual(await stores.progress.load(dead), new Map(), failing);
        const onRecord = await stores.dialogs.ofHome(me);
        assert.deepEqual(
          new Map(onRecord.map(({ dialog, rooms }) => [dialog.state.token, rooms.length])),
          new Map([
            [alice.token, 1],
            [bob.token, 0],
          ]),
          failing,
        );
      } finally {
        node.stop();
        await leaveNothing(me);
      }
    }
    const steps = ["take", "load", "ofHome", "byIds", "recent", "bindings", "part", "lastNumbers", "range"];
    for (const step of [...steps, "save", "forget"]) assert.ok(met.has(step), `${step} in ${[...met]}`);
  });
}

test("of two nodes that died at once each one's clients go on where it had come to", async () => {
  const both = [await deadNode(), await deadNode()];
  const me = await stores.leases.begin("survivor");
  const node = nodeCore(stores, me);
  try {
    await takeOver(node);
    assert.deepEqual(
      new Set(node.taken.map(({ dead, dialogs }) => `${dead} ${dialogs}`)),
      new Set(both.map(({ dead }) => `${dead} 2`)),
    );
    assert.deepEqual(node.sent, new Map(both.map(({ alice }) => [alice.token, [4, 5]])));
  } finally {
    node.stop();
    await leaveNothing(me);
  }
});

test("who loses his right while a takeover waits for the database hears nothing that was said since", async () => {
  const { room, alice } = await deadNode();
  const me = await stores.leases.begin("survivor");
  const faults = new Faults();
  const node = nodeCore(stores, me, faults);
  try {
    const insider = await newUser(stores, "insider");
    const open = await stores.administration.addRole(room.id, insider.uri, "member");
    const resident = await node.attendance.open(dialogRecord(recorder(insider), me));
    await node.attendance.enter(resident, [{ room: open, mask: 1, mayPost: true }]);
    faults.failAt = "range";
    faults.meanwhile = async () => {
      const closed = await stores.administration.removeRole(room.id, alice.user.uri, "member");
      await node.review.room(room.id);
      const message = await stores.journal(me).post(postEntry(resident, closed, "not for her"));
      assert.ok(message !== "stale");
      node.fanout.stored(closed, message);
    };
    await takeOver(node);
    assert.deepEqual(faults.failed, ["range"]);
    await until("she is out", async () => (await stores.dialogs.rooms(alice.token)).length === 0);
    assert.deepEqual(node.sent, new Map([[resident.token, [6]]]));
  } finally {
    node.stop();
    await leaveNothing(me);
  }
});

/** Fails as a client's request does, and is done again as by the client's next one. */
async function untilDone(work: () => Promise<void>): Promise<void> {
  for (let attempts = 0; attempts < 5; attempts++) {
    const error = await work().then(
      () => undefined,
      (failure: unknown) => failure,
    );
    if (error === undefined) return;
    assert.ok(error instanceof ChatError, String(error));
  }
  assert.fail("it never ends");
}

for (const when of ["before", "after"] as const) {
  const where = when === "before" ? "before it is heard" : "before it has answered";
  test(`wherever the database is away when an endpoint comes back, ${where}, its next word gives it its rooms, and nobody is told anything`, async () => {
    const me = await stores.leases.begin("home");
    const met = new Set<string>();
    for (let failAt = 1; ; failAt++) {
      const scene = await newScene(stores, 2);
      const [room, closed] = scene.rooms;
      assert.ok(room && closed);
      const faults = new Faults();
      const node = nodeCore(stores, me, faults);
      const open = (by: Recorder) => node.attendance.open(dialogRecord(by, me));
      try {
        const [old, bob] = [await open(recorder(scene.alice)), await open(recorder(scene.bob))];
        const rooms = scene.rooms.map((one) => ({ room: one, mask: 1, mayPost: true }));
        for (const session of [old, bob]) await node.attendance.enter(session, rooms);
        await node.attendance.away(old, old.flow);
        await stores.administration.addRole(closed.id, scene.bob.uri, "member");
        await stores.administration.changeRoom(closed.id, { privacy: "closed" });
        const fresh = await open(recorder(scene.alice));
        const said = async () => {
          const message = await stores.journal(me).post(postEntry(bob, room, "said meanwhile"));
          assert.ok(message !== "stale");
          node.fanout.stored(room, message);
        };
        await said();
        const told = node.published.length;
        Object.assign(faults, { calls: 0, failAt, when });
        let attempts = 0;
        await untilDone(async () => {
          if (attempts++ > 0) await said();
          await node.attendance.adoptEarlier(fresh);
        });
        faults.failAt = 0;
        const [what] = faults.failed;
        if (!what) break;
        met.add(what);
        const failing = `call ${failAt}, ${what}`;
        await said();
        assert.deepEqual([...fresh.rooms.keys()], [room.id], failing);
        const onRecord = await stores.dialogs.rooms(fresh.token);
        assert.deepEqual(
          onRecord.map(({ roomId }) => roomId),
          [room.id],
          failing,
        );
        assert.equal(await stores.dialogs.home(old.token), undefined, failing);
        assert.equal(node.sessions.find(old.token), undefined, failing);
        const [from, to] = [(onRecord[0]?.since ?? 0) + 1, node.fanout.delivered(room.id) ?? 0];
        const all = Array.from({ length: to - from + 1 }, (_, index) => from + index);
        assert.deepEqual(
          node.sent.get(fresh.token),
          all,
          `${failing}: all since it took its room over, once`,
        );
        const coming = node.published
          .slice(told)
          .flatMap((one) =>
            one.kind === "left" || one.kind === "entered" ? [`${one.kind} ${one.roomId}`] : [],
          );
        assert.deepEqual(coming, [`left ${closed.id}`], failing);
        assert.ok(
          node.published.some((one) => one.kind === "adopted" && one.token === old.token),
          failing,
        );
      } finally {
        node.stop();
      }
    }
    await leaveNothing(me);
    for (const step of ["away", "adopt", "rooms", "byIds", "access", "part", "home"])
      assert.ok(met.has(step), `${step} in ${[...met]}`);
  });
}

test("a client that goes or comes while the database is away is on record as it is, soon after", async () => {
  const { alice } = await newScene(stores);
  const me = await stores.leases.begin("home");
  const faults = new Faults();
  const node = nodeCore(stores, me, faults);
  const failing = async (work: () => Promise<void>) => {
    Object.assign(faults, { calls: 0, failAt: 1 });
    await assert.rejects(work, (error) => error instanceof ChatError && error.code === "STORE_DOWN");
  };
  try {
    const session = await node.attendance.open(dialogRecord(recorder(alice), me));
    const onRecord = async () => {
      const [row] = await stores.dialogs.ofHome(me);
      return [row?.dialog.flow.conid, row?.dialog.awaySinceMs];
    };
    await failing(() => node.attendance.away(session, session.flow));
    assert.deepEqual(await onRecord(), [7, null]);
    await node.attendance.keepRecords();
    assert.deepEqual(await onRecord(), [7, session.awaySinceMs]);
    assert.notEqual(session.awaySinceMs, null);
    const flow = { ...session.flow, conid: 8, source: "192.0.2.7:5063" };
    await failing(() => node.attendance.back(session, flow));
    assert.equal((await onRecord())[0], 7);
    await node.attendance.back(session, flow); // the client sends its request again
    assert.deepEqual(await onRecord(), [8, null]);
    faults.calls = 0;
    await node.attendance.back(session, flow);
    await node.attendance.keepRecords();
    assert.equal(faults.calls, 0, "what is on record is not written again");
  } finally {
    node.stop();
    await leaveNothing(me);
  }
});

test("no number of ours comes twice in a dialog, however many requests each of its homes has sent", async () => {
  const { alice } = await newScene(stores);
  const by = recorder(alice);
  let me = await stores.leases.begin("home");
  let node = nodeCore(stores, me);
  await node.attendance.open(dialogRecord(by, me, { epoch: 0 }));
  let last = 0;
  for (const requests of [300_000, 3, 700_000, 3]) {
    const session = node.sessions.find(by.token);
    assert.ok(session);
    for (let sent = 0; sent < requests; sent++) {
      const number = session.nextCSeq();
      assert.ok(number > last && number < 2 ** 31, `${number} after ${last}`);
      last = number;
      if (sent % 50_000 === 0) await node.attendance.keepRecords();
    }
    node.stop();
    await lapse(me);
    me = await stores.leases.begin("home");
    node = nodeCore(stores, me);
    await takeOver(node);
  }
  node.stop();
  await leaveNothing(me);
});
