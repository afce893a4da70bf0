import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { LeftOut } from "../../../kamailio/deliver.ts";
import { EdgeLink } from "../../../kamailio/edge-link.ts";
import { CallTimedOut, ConnectionLost, RemoteError } from "../../../kamailio/jsonrpc/errors.ts";
import { WayIn } from "../../../kamailio/way-in.ts";
import type { OutgoingDialog } from "../../../src/ports.ts";
import { formatIncarnation } from "../../../src/sip/dialog.ts";
import { aSession } from "../../support/sessions.ts";
import { until } from "../../support/until.ts";

/** A call as it travels. */
interface Wire {
  readonly answers: readonly [index: number, label: number, status: number, ...rest: unknown[]][];
  readonly lines: readonly [reference: number, ...rest: unknown[]][];
  readonly copies: readonly { body: string; to: readonly number[] }[];
}

/** A call as Kamailio reads it, with the Call-IDs of those it goes to. */
interface Call {
  readonly answers: Wire["answers"];
  readonly copies: readonly { body: string; to: readonly { reference: number; callId: string }[] }[];
}

/** What Kamailio does with a call: nothing thrown, it takes it. */
type Mood = (call: Call, now: { ms: number }) => void;

const links: EdgeLink[] = [];
after(() => Promise.all(links.map((link) => link.stop())));

/** A link to a Kamailio that is played here; one socket, so that everything has one order. */
async function linkTo(mood: Mood) {
  const now = { ms: 0 };
  const took = {
    ...{ calls: 0, tried: 0 },
    bytes: [] as number[],
    answers: [] as number[],
    byDialog: new Map<string, string[]>(),
  };
  const said = {
    leftOut: [] as LeftOut[],
    errors: [] as string[],
    unservable: [] as string[],
    sizes: [] as number[],
  };
  const life: { start: string; mood: Mood; readBuffer?: number } = { start: "a", mood };
  /** Call-IDs by reference: all that were ever sent, and those that were taken. */
  const sent = new Map<number, string>();
  const known = new Map<number, string>();
  const client = {
    async call(_method: string, params: object | string): Promise<unknown> {
      const wire = JSON.parse(String(params)) as Wire; // what the link has just written
      for (const line of wire.lines) sent.set(line[0], String(line[5]));
      const call: Call = {
        answers: wire.answers,
        copies: wire.copies.map(({ body, to }) => ({ body, to: readersOf(to, sent) })),
      };
      took.tried += 1;
      took.bytes.push(Buffer.byteLength(String(params)));
      await Promise.resolve();
      life.mood(call, now);
      took.calls += 1;
      took.answers.push(...call.answers.map(([, label]) => label));
      for (const [reference] of wire.lines) known.set(reference, sent.get(reference) ?? "");
      const unknown: number[] = [];
      for (const { body, to } of call.copies)
        for (const { reference, callId } of to) {
          if (known.has(reference)) took.byDialog.set(callId, [...(took.byDialog.get(callId) ?? []), body]);
          else unknown.push(reference);
        }
      const { start, readBuffer } = life;
      const more = readBuffer === undefined ? {} : { readBuffer };
      const nothing = { answered: 0, gone: [], sent: 0, dead: [] };
      return { edge: "edge1", start, ...nothing, unknown, age: 60, nodes: 1, ...more };
    },
    close() {},
    hurry() {},
  };
  const clock = { nowMs: () => now.ms, monotonicMs: () => now.ms };
  const link = new EdgeLink({
    name: "edge1",
    node: "n1",
    me: formatIncarnation("n1", 1),
    clients: [client],
    maxCallBytes: 120_000,
    clock,
    maySpeak: () => true,
    onStart: () => {},
    onDead: () => {},
    onOverflow: (dialogs) => said.unservable.push(...dialogs.map(({ state }) => state.callId)),
    onError: (error) => said.errors.push(String(error)),
    onReadBuffer: (_, most) => said.sizes.push(most),
    onLeftOut: (leftOut) => said.leftOut.push(leftOut),
    wayIn: new WayIn({ clock, reconnect: () => {}, onChange: () => {} }),
  });
  links.push(link);
  await until("it has spoken", () => link.start !== "");
  return { link, took, said, life, known };
}

/** `to` of a call holds references and CSeqs in turn. */
const readersOf = (to: readonly number[], callIds: ReadonlyMap<number, string>) =>
  to
    .filter((_, index) => index % 2 === 0)
    .map((reference) => ({ reference, callId: callIds.get(reference) ?? "" }));

const people = (count: number): OutgoingDialog[] =>
  Array.from({ length: count }, (_, index) => aSession("user", index + 1));
const callId = (number: number) => `call-user-${number}`;
const hangUp = () => {
  throw new ConnectionLost("closed by the other side", true);
};
const holds = (call: Call, body: string, id?: string) =>
  call.copies.some((group) => group.body === body && (!id || group.to.some((one) => one.callId === id)));
const everythingIs = (link: EdgeLink) =>
  until("everything is taken", () => link.hasSentAll(Number.POSITIVE_INFINITY), 20_000);

/** Every dialog's bodies, in the order they were taken. */
function arrived(took: { byDialog: Map<string, string[]> }, count: number): string[] {
  return Array.from({ length: count }, (_, index) => (took.byDialog.get(callId(index + 1)) ?? []).join());
}

test("one copy that Kamailio hangs up on is left out; every other one and every answer arrives, in order", async () => {
  const { link, took, said } = await linkTo((call) => {
    if (holds(call, "two", callId(17))) hangUp();
  });
  const dialogs = people(90);
  for (const body of ["one", "two", "three"]) link.send(body, dialogs, 1);
  for (let label = 0; label < 30; label++)
    link.answer(`1:${label}`, { status: 200, reason: "OK" }, undefined);
  await everythingIs(link);
  const expected = dialogs.map((_, index) => (index === 16 ? "one,three" : "one,two,three"));
  assert.deepEqual(arrived(took, 90), expected);
  assert.deepEqual(took.answers, [...Array(30).keys()]);
  assert.deepEqual(said.leftOut, [
    { what: "copy", why: "connection lost: closed by the other side", callId: callId(17), bytes: 5 },
  ]);
  assert.deepEqual([said.unservable, said.errors], [[], []]);
});

test("a text that Kamailio hangs up on is tried for two of a large room, then not again", async () => {
  const { link, took, said } = await linkTo((call) => {
    if (holds(call, "two")) hangUp();
  });
  const dialogs = people(1_000);
  for (const body of ["one", "two", "three"]) link.send(body, dialogs, 1);
  await everythingIs(link);
  assert.deepEqual(new Set(arrived(took, 1_000)), new Set(["one,three"]));
  assert.deepEqual(
    said.leftOut.map(({ what }) => what),
    ["copy", "copy", "body"],
  );
  assert.ok(took.tried - took.calls < 20, `${took.tried - took.calls} times it hung up`);
  assert.deepEqual(said.unservable, []);
});

test("a dialog for which Kamailio takes nothing gets nothing more, and the others everything", async () => {
  const { link, took, said } = await linkTo((call) => {
    if (call.copies.some(({ to }) => to.some((one) => one.callId === callId(5)))) hangUp();
  });
  const dialogs = people(20);
  const bodies = ["one", "two", "three", "four"];
  for (const body of bodies) link.send(body, dialogs, 1);
  await everythingIs(link);
  assert.deepEqual(
    arrived(took, 20),
    dialogs.map((_, index) => (index === 4 ? "" : bodies.join())),
  );
  assert.deepEqual(
    said.leftOut.map((leftOut) => [leftOut.what, leftOut.callId]),
    Array(2).fill(["copy", callId(5)]),
  );
  assert.deepEqual(said.unservable, [callId(5)]);
});

test("two bad texts in one room make none of its dialogs a bad one", async () => {
  const { link, took, said } = await linkTo((call) => {
    if (holds(call, "two") || holds(call, "four")) hangUp();
  });
  const dialogs = people(10);
  for (const body of ["one", "two", "three", "four", "five"]) link.send(body, dialogs, 1);
  await everythingIs(link);
  assert.deepEqual(new Set(arrived(took, 10)), new Set(["one,three,five"]));
  assert.deepEqual(said.unservable, []);
});

test("what Kamailio refuses by 400 is left out at once, and nothing else of that call", async () => {
  const { link, took, said } = await linkTo((call) => {
    if (call.answers.some(([, label]) => label === 3)) throw new RemoteError(-32602, "answers: reason", 400);
  });
  const gone: number[] = [];
  for (let label = 0; label < 8; label++)
    link.answer(`1:${label}`, { status: 200, reason: "OK" }, undefined, () => gone.push(label));
  link.send("one", people(5), 1);
  await everythingIs(link);
  assert.deepEqual(took.answers, [0, 1, 2, 4, 5, 6, 7]);
  assert.deepEqual(new Set(arrived(took, 5)), new Set(["one"]));
  assert.deepEqual(said.leftOut, [{ what: "answer", why: "answers: reason", status: 200, bytes: 0 }]);
  assert.deepEqual(gone, [3], "its client will have been told 503");
});

test("a call that is never answered while pings are is taken apart as well", async () => {
  const { link, took, said } = await linkTo((call) => {
    if (holds(call, "two", callId(2))) throw new CallTimedOut(5_000, true);
  });
  for (const body of ["one", "two", "three"]) link.send(body, people(4), 1);
  await everythingIs(link);
  assert.deepEqual(arrived(took, 4), ["one,two,three", "one,three", "one,two,three", "one,two,three"]);
  assert.equal(said.leftOut.length, 1);
});

test("while Kamailio is away everything waits; answers are given up after two seconds, and nothing else", async () => {
  const away = (_: Call, now: { ms: number }) => {
    now.ms += 500;
    hangUp();
  };
  const { link, took, said, life } = await linkTo(() => {});
  life.mood = away;
  let gone = 0;
  link.answer("1:1", { status: 200, reason: "OK" }, undefined, () => {
    gone += 1;
  });
  for (const body of ["one", "two"]) link.send(body, people(30), 1);
  await until("the answer is given up", () => {
    if (took.tried > 6) life.mood = () => {};
    return gone > 0;
  });
  await everythingIs(link);
  assert.deepEqual([took.answers, gone], [[], 1]);
  assert.deepEqual(new Set(arrived(took, 30)), new Set(["one,two"]));
  assert.deepEqual([said.leftOut, said.errors.length], [[], 1]);
});

test("what was meant for an earlier life of Kamailio is not said to the next one", async () => {
  const { link, took, life } = await linkTo(() => {});
  life.mood = (call) => {
    life.start = "b";
    if (call.copies.length > 0) hangUp();
  };
  link.send("one", people(3), 1);
  await until("the next life is known", () => link.start === "b");
  await everythingIs(link);
  assert.equal(took.byDialog.size, 0);
});

test("a Kamailio that takes nothing of this node holds up nothing: it says why each time", async () => {
  const { link, said, life } = await linkTo(() => {});
  life.mood = () => {
    throw new RemoteError(-32602, "node", 400);
  };
  link.send("one", people(3), 1);
  await everythingIs(link);
  assert.ok(
    said.errors.length > 0 && said.errors.every((error) => error.includes("node")),
    said.errors.join(),
  );
  assert.deepEqual(said.leftOut, []);
});

test("a dialog's names are told once, and again when Kamailio has forgotten them; nothing is lost or overtaken", async () => {
  const { link, took, known } = await linkTo(() => {});
  const dialogs = people(150);
  link.send("one", dialogs, 1);
  await everythingIs(link);
  known.clear();
  link.send("two", dialogs, 1);
  link.send("three", dialogs, 1);
  await everythingIs(link);
  assert.deepEqual(new Set(arrived(took, 150)), new Set(["one,two,three"]));
});

test("calls stay below Kamailio's read buffer when it is smaller than max-call, and grow again with it", async () => {
  const { link, took, said, life, known } = await linkTo(() => {});
  life.readBuffer = 16_384;
  await until("it is known", () => link.mostCallBytes < 16_384);
  const dialogs = people(200);
  const bodies = Array.from({ length: 5 }, (_, index) => `${index}${"x".repeat(3_000)}`);
  // Told as they come; told already; told, and forgotten at the other end: as many names again, all at once.
  for (const forgets of [false, false, true]) {
    took.bytes.length = 0;
    took.byDialog.clear();
    if (forgets) known.clear();
    for (const body of bodies) link.send(body, dialogs, 1);
    await everythingIs(link);
    assert.ok(took.bytes.length > 1, `${took.bytes.length} calls`);
    assert.ok(Math.max(...took.bytes) < 15_384, `${Math.max(...took.bytes)} bytes`);
    assert.deepEqual(
      arrived(took, 200),
      dialogs.map(() => bodies.join()),
    );
  }
  life.readBuffer = 131_072;
  await until("it is known", () => link.mostCallBytes === 120_000);
  assert.deepEqual(said.sizes, [15_384, 120_000], "said once each");
});
