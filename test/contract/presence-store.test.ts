import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import type { Aor } from "../../src/chat/user.ts";
import type { Participant } from "../../src/ports.ts";
import { formatIncarnation, type Incarnation } from "../../src/sip/dialog.ts";
import { RedisConnection } from "../../src/store/redis/connection.ts";
import { type PresenceOptions, RedisPresence } from "../../src/store/redis/presence-store.ts";
import { redisAdmin } from "../support/redis-admin.ts";
import { until } from "../support/until.ts";

const alice = person("alice");
const bob = person("bob");
const carol = person("carol");

function person(name: string): Participant {
  return { user: `sip:${name}@example.com` as Aor, name: `${name} "x"`, mask: 7 }; // written as an Aor is
}

let stack: Stack;
let epoch = 0;
const nodes: TestNode[] = [];

/** A node with its own truth, which it changes before it publishes. */
class TestNode {
  readonly me: Incarnation;
  readonly rooms = new Map<number, Map<string, Participant>>();
  readonly redis: RedisConnection;
  readonly presence: RedisPresence;

  constructor(name: string, options: PresenceOptions = {}) {
    this.me = formatIncarnation(name, ++epoch);
    this.redis = new RedisConnection({ url: stack.redisUrl });
    const source = {
      rooms: () => this.rooms.keys(),
      participants: (roomId: number) => this.rooms.get(roomId)?.values() ?? [],
    };
    this.presence = new RedisPresence(this.redis, this.me, source, {
      heartbeatMs: 100,
      lapseMs: 1_000,
      ...options,
    });
    nodes.push(this);
  }

  async start(): Promise<this> {
    this.presence.start();
    this.redis.start();
    await until("connected", () => this.redis.connected);
    await this.presence.beat();
    return this;
  }

  enter(roomId: number, ...participants: Participant[]) {
    const room = this.rooms.get(roomId) ?? new Map<string, Participant>();
    this.rooms.set(roomId, room);
    for (const participant of participants) room.set(participant.user, participant);
    return this.presence.enter(participants.map((participant) => ({ roomId, participant })));
  }

  leave(roomId: number, ...participants: Participant[]) {
    for (const { user } of participants) this.rooms.get(roomId)?.delete(user);
    return this.presence.leave(participants.map(({ user }) => ({ roomId, user })));
  }

  async sees(roomId: number): Promise<string[]> {
    const list = (await this.presence.others([roomId]))?.get(roomId) ?? [];
    return list.map(({ user }) => user.slice(4, user.indexOf("@"))).sort();
  }
}

before(async () => {
  stack = await startStack({ parts: ["redis"] });
});

after(() => stack.stop());

afterEach(async () => {
  for (const node of nodes.splice(0)) {
    await node.presence.stop();
    node.redis.close();
  }
});

describe("published presence", { timeout: 120_000 }, () => {
  test("a node sees the participants of the others and never its own", async () => {
    const [one, two] = [await new TestNode("n1").start(), await new TestNode("n2").start()];
    await one.enter(1, alice, bob);
    await two.enter(1, carol);
    assert.deepEqual((await one.presence.others([1]))?.get(1), [carol]);
    assert.deepEqual(await two.sees(1), ["alice", "bob"]);
    assert.deepEqual([...((await two.presence.counts([1, 2])) ?? [])], [[1, 2]]);
    assert.equal((await one.presence.others([2]))?.size, 0);
  });

  test("who is in the room on another node too is elsewhere, at entry and at exit", async () => {
    const [one, two] = [await new TestNode("n1").start(), await new TestNode("n2").start()];
    assert.deepEqual(await one.enter(1, alice), [
      { roomId: 1, user: alice.user, elsewhere: false, others: 0 },
    ]);
    assert.deepEqual(await two.enter(1, alice, bob), [
      { roomId: 1, user: alice.user, elsewhere: true, others: 1 },
      { roomId: 1, user: bob.user, elsewhere: false, others: 1 },
    ]);
    const gone = await Promise.all([one.leave(1, alice), two.leave(1, alice)]);
    assert.deepEqual(
      gone
        .flat()
        .map((change) => change?.elsewhere)
        .sort(),
      [false, true],
      "exactly one tells the room",
    );
    assert.deepEqual(await one.sees(1), ["bob"]);
  });

  test("a thousand rooms in one call are answered in the order asked", async () => {
    const [one, two] = [await new TestNode("n1").start(), await new TestNode("n2").start()];
    const rooms = Array.from({ length: 1_000 }, (_, index) => index + 1);
    for (const roomId of rooms) one.rooms.set(roomId, new Map([[alice.user, alice]]));
    const changes = await one.presence.enter(rooms.map((roomId) => ({ roomId, participant: alice })));
    assert.deepEqual(
      changes?.map(({ roomId }) => roomId),
      rooms,
    );
    await one.enter(500, bob);
    const counts = await two.presence.counts(rooms);
    assert.equal(counts?.size, 1_000);
    assert.equal(counts?.get(500), 2);
    assert.equal(counts?.get(501), 1);
    assert.equal((await two.presence.others(rooms))?.get(1_000)?.[0]?.user, alice.user);
  });

  test("participants of a node that stopped beating vanish, and a survivor sweeps its keys", async () => {
    const one = await new TestNode("n1").start();
    const dead = await new TestNode("n2").start();
    await dead.enter(1, alice);
    await one.enter(1, bob);
    assert.deepEqual(await one.sees(1), ["alice"]);
    dead.redis.close();
    await until("alice vanished", async () => (await one.sees(1)).length === 0);
    await until("keys swept", async () => (await keysOf(dead.me)).length === 0);
    assert.equal((await keysOf(one.me)).length, 2, "the survivor's own keys stay");
  });

  test("an adopted node vanishes at once, without waiting for its heartbeat to lapse", async () => {
    const one = await new TestNode("n1").start();
    const dead = await new TestNode("n2", { lapseMs: 60_000 }).start();
    await dead.enter(1, alice);
    await dead.enter(2, carol);
    dead.redis.close();
    await one.presence.adopt(dead.me);
    assert.equal((await one.presence.others([1, 2]))?.size, 0);
    assert.deepEqual(await keysOf(dead.me), []);
    assert.deepEqual(await one.enter(1, alice), [
      { roomId: 1, user: alice.user, elsewhere: false, others: 0 },
    ]);
  });

  test("Redis emptied behind an open connection gets the union back", async () => {
    const [one, two] = [await new TestNode("n1").start(), await new TestNode("n2").start()];
    await one.enter(1, alice);
    await one.enter(2, alice);
    await two.enter(1, bob);
    await flushAll();
    await until(
      "union restored",
      async () => (await one.sees(1)).length === 1 && (await two.sees(2)).length === 1,
    );
    assert.deepEqual(await two.sees(1), ["alice"]);
  });

  test("Redis killed: answers come soon and say that nothing is known; restarted empty: the union is back", async () => {
    const [one, two] = [await new TestNode("n1").start(), await new TestNode("n2").start()];
    await one.enter(1, alice);
    await two.enter(1, bob);
    await flushAll();
    await stack.kill("redis", "SIGKILL");
    const from = performance.now();
    assert.equal(await one.enter(3, carol), undefined);
    assert.equal(await one.leave(1, alice), undefined);
    assert.equal(await one.presence.others([1, 2, 3]), undefined);
    assert.equal(await one.presence.counts([1, 2, 3]), undefined);
    assert.ok(performance.now() - from < 10_000, "four answers, each after 300 ms at most");
    await until("noticed", () => !one.redis.connected);
    await stack.restart("redis");
    await until("carol is back", async () => (await two.sees(3)).includes("carol"));
    await until("bob is back", async () => (await one.sees(1)).includes("bob"));
    assert.deepEqual(await two.sees(1), [], "alice left while Redis was away");
  });

  test("a Redis that is there and says nothing holds nobody up", async () => {
    const one = await new TestNode("n1").start();
    await one.enter(1, alice);
    const pid = stack.pids().redis ?? 0;
    process.kill(pid, "SIGSTOP");
    try {
      const from = performance.now();
      assert.equal(await one.enter(2, bob), undefined);
      assert.ok(performance.now() - from < 10_000, "answered after 300 ms");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    const two = await new TestNode("n2").start();
    await until("bob is published", async () => (await two.sees(2)).includes("bob"));
  });

  test("what Redis holds beyond the truth goes when everything is published anew", async () => {
    const [one, two] = [await new TestNode("n1").start(), await new TestNode("n2").start()];
    await one.enter(1, alice, bob);
    await one.enter(2, carol);
    one.rooms.get(1)?.delete(bob.user); // left, but the word was lost
    one.rooms.delete(2);
    assert.deepEqual(await two.sees(2), ["carol"]);
    assert.equal(await one.presence.republish(), true);
    assert.deepEqual(await two.sees(1), ["alice"]);
    assert.deepEqual(await two.sees(2), []);
  });

  test("entries and exits during publication are not undone by it", async () => {
    const [one, two] = [await new TestNode("n1").start(), await new TestNode("n2").start()];
    const crowd = Array.from({ length: 3_000 }, (_, index) => person(`user${index}`));
    for (let roomId = 1; roomId <= 60; roomId++) {
      one.rooms.set(
        roomId,
        new Map(crowd.slice(roomId * 40, roomId * 40 + 40).map((who) => [who.user, who])),
      );
    }
    const publication = one.presence.republish();
    const changes: Promise<unknown>[] = [];
    for (let roomId = 1; roomId <= 60; roomId += 3) {
      changes.push(one.leave(roomId, ...[...(one.rooms.get(roomId)?.values() ?? [])]));
      changes.push(one.enter(roomId + 1_000, alice));
      await new Promise(setImmediate);
    }
    await Promise.all([publication, ...changes]);
    const ids = [
      ...Array.from({ length: 60 }, (_, i) => i + 1),
      ...Array.from({ length: 60 }, (_, i) => i + 1_001),
    ];
    const counts = await two.presence.counts(ids);
    for (const roomId of ids)
      assert.equal(counts?.get(roomId) ?? 0, one.rooms.get(roomId)?.size ?? 0, `room ${roomId}`);
  });

  test("a room that was left and entered again during publication holds exactly who is in it", async () => {
    const [one, two] = [await new TestNode("n1").start(), await new TestNode("n2").start()];
    await one.enter(5, bob);
    one.rooms.get(5)?.delete(bob.user); // left, but the word was lost
    const publication = one.presence.republish();
    await Promise.all([publication, one.enter(5, alice)]);
    assert.deepEqual(await two.sees(5), ["alice"]);
  });

  test("a silent node does not count even when nobody has swept it yet", async () => {
    const viewer = await new TestNode("n1", { heartbeatMs: 3_600_000, lapseMs: 500 }).start();
    const dead = await new TestNode("n2").start();
    await dead.enter(1, alice);
    assert.deepEqual(await viewer.sees(1), ["alice"]);
    dead.redis.close();
    await until("alice vanished", async () => (await viewer.sees(1)).length === 0);
    assert.deepEqual(await viewer.enter(1, alice), [
      { roomId: 1, user: alice.user, elsewhere: false, others: 0 },
    ]);
    assert.equal((await keysOf(dead.me)).length, 2, "its keys are still there");
    await viewer.presence.adopt(dead.me);
  });

  test("a clean stop takes the node's participants away", async () => {
    const [one, two] = [
      await new TestNode("n1").start(),
      await new TestNode("n2", { lapseMs: 60_000 }).start(),
    ];
    await one.enter(1, alice);
    await one.presence.stop();
    assert.deepEqual(await two.sees(1), []);
  });
});

async function keysOf(node: Incarnation): Promise<string[]> {
  return redisAdmin(stack.redisUrl, (client) => client.keys(`*${node}*`));
}

async function flushAll(): Promise<void> {
  await redisAdmin(stack.redisUrl, (client) => client.flushAll());
}
