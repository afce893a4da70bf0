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
  postEntry,
  recorder,
  startMysqlLab,
} from "../support/mysql.ts";
import { Faults, nodeCore } from "../support/node-core.ts";

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
