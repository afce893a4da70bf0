import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import { Envids } from "../../src/delivery/envids.ts";
import { RosterNotices } from "../../src/delivery/roster-notices.ts";
import { Rosters } from "../../src/delivery/rosters.ts";
import type { OutgoingDialog } from "../../src/ports.ts";
import type { Session } from "../../src/session.ts";
import { formatIncarnation } from "../../src/sip/dialog.ts";
import { RedisConnection } from "../../src/store/redis/connection.ts";
import { RedisBus } from "../../src/store/redis/node-bus.ts";
import { RedisPresence } from "../../src/store/redis/presence-store.ts";
import { RedisTransport } from "../../src/store/redis/redis-transport.ts";
import { aRoom, aSession } from "../support/sessions.ts";
import { until } from "../support/until.ts";

const room = aRoom(1);
let stack: Stack;

before(async () => {
  stack = await startStack({ parts: ["redis"] });
});
after(() => stack.stop());

/** One node's rosters over the real Redis; its clock runs as fast as a test wants. */
async function startNode(name: string) {
  const me = formatIncarnation(name, 1);
  const transport = new RedisTransport({ url: stack.redisUrl });
  const bus = new RedisBus(transport, me);
  const redis = new RedisConnection({ url: stack.redisUrl });
  const presence: RedisPresence = new RedisPresence(redis, me, {
    rooms: () => rosters.roomsHere(),
    participants: (roomId) => rosters.participantsHere(roomId),
  });
  const present = new Set<Session>();
  const heard = new Map<OutgoingDialog, string[]>();
  const notices = new RosterNotices({
    sender: {
      send: (body, dialogs) => {
        let kind = "";
        const news: string[] = [];
        for (const [, notice, user] of body.matchAll(/id="ntc:(\w+)"|uri="sip:(\w+)@/g)) {
          if (notice) kind = notice;
          else news.push(`${kind} ${user}`);
        }
        for (const dialog of dialogs) heard.set(dialog, [...(heard.get(dialog) ?? []), ...news]);
      },
    },
    envids: new Envids(),
    sessionsIn: () => present,
    maxBytes: () => 90_000,
  });
  let nowMs = 0;
  const rosters = new Rosters({
    presence,
    bus,
    notices,
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    participantUpdateLimit: () => 75,
    onError: (error) => assert.fail(String(error)),
  });
  let connected = false;
  bus.onState((state) => {
    connected = state;
  });
  transport.start();
  redis.start();
  presence.start();
  const node = {
    heard: (session: Session) => heard.get(session) ?? [],
    enter(session: Session): Promise<string[]> {
      present.add(session);
      rosters.enter(session, room, 1);
      return node.list(session);
    },
    leave(session: Session): void {
      present.delete(session);
      rosters.leave(session, room);
    },
    async list(session: Session): Promise<string[]> {
      const list = (await rosters.participants(session, [room.id])).get(room.id) ?? [];
      return list.map(({ user }) => user.replace(/^sip:|@.*$/g, "")).sort();
    },
    ready: () =>
      until(`${name} has Redis`, async () => connected && redis.connected && presence.republish(), 30_000),
    lost: () => until(`${name} has lost Redis`, () => !connected && !redis.connected, 30_000),
    async minute(): Promise<void> {
      for (let second = 0; second < 60; second++) {
        nowMs += 1_000;
        await rosters.compare();
      }
    },
    async stop() {
      notices.stop();
      await presence.stop();
      redis.close();
      await transport.close();
    },
  };
  await node.ready();
  return node;
}

test("comings and goings while Redis was away reach who has been there all the time, once it is back", async () => {
  const [one, two] = [await startNode("n1"), await startNode("n2")];
  try {
    const [alice, bob, carol, dave, erin] = ["alice", "bob", "carol", "dave", "erin"].map((name, index) =>
      aSession(name, index + 1),
    ) as [Session, Session, Session, Session, Session];
    for (const session of [bob, dave]) await two.enter(session);
    assert.deepEqual(await one.enter(alice), ["alice", "bob", "dave"]);
    await stack.kill("redis", "SIGKILL");
    for (const node of [one, two]) await node.lost();
    two.leave(bob);
    await two.enter(carol);
    const known = await one.enter(erin);
    assert.deepEqual(known, ["alice", "bob", "dave", "erin"], "what this node knew last");
    await stack.restart("redis");
    for (const node of [one, two]) await node.ready();
    for (const node of [one, two]) await node.minute();
    await until("n1's are told", () => one.heard(alice).length === 3 && one.heard(erin).length === 2);
    await until("n2 as well", () => two.heard(dave).includes("join erin"));
    assert.deepEqual(one.heard(alice).sort(), ["join carol", "join erin", "part bob"]);
    assert.deepEqual(one.heard(erin).sort(), ["join carol", "part bob"]);
    assert.deepEqual(two.heard(dave).sort(), ["join alice", "join carol", "join erin", "part bob"]);
    assert.deepEqual(await one.list(alice), ["alice", "carol", "dave", "erin"]);
    assert.deepEqual(await two.list(dave), await one.list(alice));
  } finally {
    for (const node of [one, two]) await node.stop();
  }
});

test("who finds somebody in his list is not told of him again, though the others are", async () => {
  const [one, two] = [await startNode("n1"), await startNode("n2")];
  try {
    const [alice, bob, carol] = ["alice", "bob", "carol"].map((name, index) => aSession(name, index + 1)) as [
      Session,
      Session,
      Session,
    ];
    await one.enter(alice);
    await stack.kill("redis", "SIGKILL");
    for (const node of [one, two]) await node.lost();
    await two.enter(bob);
    await stack.restart("redis");
    for (const node of [one, two]) await node.ready();
    assert.deepEqual(await one.enter(carol), ["alice", "bob", "carol"]);
    await until("alice is told of bob", () => one.heard(alice).includes("join bob"));
    await one.minute();
    await until("bob is told of carol", () => two.heard(bob).includes("join carol"));
    assert.deepEqual(one.heard(carol), []);
  } finally {
    for (const node of [one, two]) await node.stop();
  }
});
