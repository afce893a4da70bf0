import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import type { Aor } from "../../src/chat/user.ts";
import type { BusMessage } from "../../src/ports.ts";
import { formatIncarnation, newToken } from "../../src/sip/dialog.ts";
import { type BusTransport, RedisBus } from "../../src/store/redis/node-bus.ts";
import { RedisTransport } from "../../src/store/redis/redis-transport.ts";
import { until } from "../support/until.ts";

const alice = { user: "sip:alice@example.com" as Aor, name: "Alice ✓", mask: 7 }; // written as an Aor is
const messages: BusMessage[] = [
  {
    kind: "posted",
    roomId: 1,
    number: 42,
    grpchat: '<grpchat author="a">\u2028 <chat>ü\ud83d\ude00</chat></grpchat>',
  },
  { kind: "entered", roomId: 1, participant: alice, total: 3 },
  { kind: "left", roomId: 1, user: alice.user, total: 2 },
  { kind: "adopted", token: newToken() },
];

/** Everything in memory; what a test does to the frames is its own business. */
function memoryTransport() {
  const listeners: ((payload: string) => void)[] = [];
  const states: ((connected: boolean) => void)[] = [];
  const frames: string[] = [];
  let hold: Promise<void> = Promise.resolve();
  const transport: BusTransport = {
    publish: async (payload) => {
      frames.push(payload);
      await hold;
    },
    onPayload: (listener) => void listeners.push(listener),
    onState: (listener) => void states.push(listener),
  };
  return {
    transport,
    frames,
    deliver: (payload: string) => {
      for (const listener of listeners) listener(payload);
    },
    connect: (connected: boolean) => {
      for (const listener of states) listener(connected);
    },
    holdUntil: (promise: Promise<void>) => {
      hold = promise;
    },
  };
}

describe("the bus between nodes, over Redis", { timeout: 60_000 }, () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ parts: ["redis"] });
  });
  after(() => stack.stop());

  async function node(name: string, wrap: (transport: BusTransport) => BusTransport = (same) => same) {
    const transport = new RedisTransport({ url: stack.redisUrl });
    const bus = new RedisBus(wrap(transport), formatIncarnation(name, 1));
    const received: BusMessage[] = [];
    const states: boolean[] = [];
    bus.onMessage((message) => received.push(message));
    bus.onState((connected) => states.push(connected));
    transport.start();
    await until("connected", () => states.at(-1) === true);
    return { bus, received, states, close: () => transport.close() };
  }

  test("every other node gets each message, whole and in order; the sender gets none", async () => {
    const [one, two, three] = [await node("n1"), await node("n2"), await node("n3")];
    for (const message of messages) one.bus.publish(message);
    two.bus.publish({ kind: "left", roomId: 9, user: alice.user, total: 0 });
    await until("received", () => two.received.length === 4 && three.received.length === 5);
    assert.deepEqual(two.received, messages);
    assert.equal(one.received.length, 1);
    for (const { bus, close } of [one, two, three]) {
      assert.deepEqual(bus.counts(), { dropped: 0, malformed: 0 });
      close();
    }
  });

  test("ten thousand messages with room to breathe arrive in order and none is lost", async () => {
    const [one, two] = [await node("n1"), await node("n2")];
    for (let number = 1; number <= 10_000; number++) {
      one.bus.publish({ kind: "posted", roomId: 1, number, grpchat: "<grpchat/>" });
      if (number % 1_000 === 0) await until("caught up", () => two.received.length === number);
    }
    assert.ok(
      two.received.every((message, index) => message.kind === "posted" && message.number === index + 1),
    );
    one.close();
    two.close();
  });

  test("while Redis is away messages are dropped and counted; when it is back the others are told and hear us", async () => {
    const [one, two] = [await node("n1"), await node("n2")];
    await stack.kill("redis", "SIGKILL");
    await until("noticed", () => one.states.at(-1) === false && two.states.at(-1) === false);
    for (const message of messages) one.bus.publish(message);
    assert.equal(one.bus.counts().dropped, messages.length);
    await stack.restart("redis");
    await until("told", () => one.states.at(-1) === true && two.states.at(-1) === true);
    one.bus.publish({ kind: "adopted", token: newToken() });
    await until("heard", () => two.received.length === 1);
    assert.equal(two.received[0]?.kind, "adopted", "what was dropped does not come later");
    assert.deepEqual(one.states, [true, false, true]);
    one.close();
    two.close();
  });

  test("a test can put a losing transport in between", async () => {
    let count = 0;
    const losing = (transport: BusTransport): BusTransport => ({
      publish: async (payload) => (count++ % 2 === 0 ? undefined : transport.publish(payload)),
      onPayload: (listener) => transport.onPayload(listener),
      onState: (listener) => transport.onState(listener),
    });
    const [one, two] = [await node("n1", losing), await node("n2")];
    for (let number = 1; number <= 4; number++) {
      one.bus.publish({ kind: "posted", roomId: 1, number, grpchat: "" });
      await new Promise(setImmediate);
      await new Promise(setImmediate);
    }
    await until("received", () => two.received.length === 2);
    assert.deepEqual(
      two.received.map((message) => message.kind === "posted" && message.number),
      [2, 4],
    );
    one.close();
    two.close();
  });
});

describe("the bus and what others send", () => {
  test("frames that are none of ours are dropped and counted, and the good messages among them stay", () => {
    const memory = memoryTransport();
    const bus = new RedisBus(memory.transport, formatIncarnation("n1", 1));
    const received: BusMessage[] = [];
    bus.onMessage((message) => received.push(message));
    const bad = [
      "",
      "{",
      "null",
      "[]",
      '{"v":2,"from":"n2-1","messages":[]}',
      '{"v":1,"messages":[]}',
      "x".repeat(2 << 20),
    ];
    for (const payload of bad) memory.deliver(payload);
    assert.equal(bus.counts().malformed, bad.length);
    const odd = [
      { kind: "posted", roomId: "1", number: 1, grpchat: "" },
      { kind: "posted", roomId: 1, number: -1, grpchat: "" },
      { kind: "left", roomId: 1, user: 5, total: 1 },
      { kind: "adopted", token: "../../etc" },
      { kind: "entered", roomId: 1, participant: null, total: 1 },
      { kind: "__proto__" },
      null,
      [],
      messages[0],
    ];
    memory.deliver(JSON.stringify({ v: 1, from: "n2-1", messages: odd }));
    assert.deepEqual(received, [messages[0]]);
    assert.equal(bus.counts().malformed, bad.length + odd.length - 1);
  });

  test("messages of an earlier life of the same node are heard, those of this life are not", () => {
    const memory = memoryTransport();
    const bus = new RedisBus(memory.transport, formatIncarnation("n1", 2));
    const received: BusMessage[] = [];
    bus.onMessage((message) => received.push(message));
    memory.deliver(JSON.stringify({ v: 1, from: "n1-2", messages }));
    assert.equal(received.length, 0);
    memory.deliver(JSON.stringify({ v: 1, from: "n1-1", messages }));
    assert.equal(received.length, messages.length);
  });

  test("more than the bus may hold is dropped, not kept", async () => {
    const memory = memoryTransport();
    const bus = new RedisBus(memory.transport, formatIncarnation("n1", 1), {
      maxPending: 10,
      maxPendingBytes: 1 << 20,
      maxFrameBytes: 2_000,
    });
    let free = () => {};
    memory.holdUntil(
      new Promise((resolve) => {
        free = resolve;
      }),
    );
    memory.connect(true);
    const post = (number: number): BusMessage => ({
      kind: "posted",
      roomId: 1,
      number,
      grpchat: "x".repeat(500),
    });
    for (let number = 1; number <= 15; number++) bus.publish(post(number));
    bus.publish({ kind: "posted", roomId: 1, number: 99, grpchat: "x".repeat(5_000) });
    assert.equal(bus.counts().dropped, 6);
    free();
    await until("all sent", () => memory.frames.join("").split('"posted"').length === 11);
    assert.ok(memory.frames.every((frame) => frame.length <= 2_000));
    bus.publish(post(16));
    await until("room again", () => memory.frames.join("").includes('"number":16'));
    assert.equal(bus.counts().dropped, 6);
  });
});
