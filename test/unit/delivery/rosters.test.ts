import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Rosters } from "../../../src/delivery/rosters.ts";
import type { BusMessage, Participant, PresenceChange, PresenceStore } from "../../../src/ports.ts";
import type { Session } from "../../../src/session.ts";
import { aRoom, aSession } from "../../support/sessions.ts";

const room = aRoom(1);
const LIMIT = 10;
/** A room is looked at this often, and who is missing that long is given up. */
const TURNS_UNTIL_SEEN = 20;
const TURNS_UNTIL_GIVEN_UP = 40;

/** What nodes share, in memory: published presence that can be away or hold its answers back, and a bus that can lose. */
function pool() {
  const published = new Map<string, Map<string, Participant>>();
  const nodes: { readonly name: string; readonly hear: (message: BusMessage) => void }[] = [];
  const shared = { away: false, loses: false, answers: Promise.resolve() };
  const others = (name: string) =>
    [...published].filter(([node]) => node !== name).flatMap(([, here]) => [...here.values()]);

  function node(name: string) {
    const here = new Map<string, Participant>();
    const [told, sent]: [string[], string[]] = [[], []];
    published.set(name, here);
    const outcome = async (users: readonly { user: Participant["user"] }[]) => {
      if (shared.away) return undefined;
      const answer = users.map(({ user }): PresenceChange => {
        const elsewhere = others(name).some((one) => one.user === user);
        return { roomId: room.id, user, elsewhere, others: others(name).length };
      });
      await shared.answers;
      return answer;
    };
    const read = async <T>(found: T): Promise<Map<number, T> | undefined> => {
      if (shared.away) return undefined;
      await shared.answers;
      return new Map([[room.id, found]]);
    };
    const presence: PresenceStore = {
      enter: (changes) => {
        if (!shared.away) for (const { participant } of changes) here.set(participant.user, participant);
        return outcome(changes.map(({ participant }) => participant));
      },
      leave: (changes) => {
        if (!shared.away) for (const { user } of changes) here.delete(user);
        return outcome(changes);
      },
      others: () => read(others(name)),
      counts: () => read(others(name).length),
    };
    let order = 0;
    let nowMs = 0;
    const rosters = new Rosters({
      presence,
      bus: {
        publish: (message) => {
          sent.push(line(message));
          if (shared.loses || shared.away) return;
          for (const other of nodes) if (other.name !== name) other.hear(message);
        },
        onMessage: (hear) => void nodes.push({ name, hear }),
        onState: () => {},
      },
      notices: {
        arrived: () => {},
        nextOrder: () => ++order,
        add: (_room, news) =>
          void told.push("entered" in news ? `join ${short(news.entered.user)}` : `part ${short(news.left)}`),
        drop: () => {},
      },
      clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
      participantUpdateLimit: () => LIMIT,
      onError: (error) => assert.fail(String(error)),
    });
    return {
      rosters,
      told,
      sent,
      enter: (session: Session) => rosters.enter(session, room, 1),
      leave: (session: Session) => rosters.leave(session, room),
      published: here,
      /** As many seconds pass. */
      async compare(turns: number): Promise<void> {
        for (let passed = 0; passed < turns; passed++) {
          nowMs += 1_000;
          await rosters.compare();
        }
      },
      async list(session: Session): Promise<string[] | undefined> {
        const list = (await rosters.participants(session, [room.id])).get(room.id);
        return list?.map(({ user }) => short(user)).sort();
      },
    };
  }
  return { shared, node };
}

function short(user: string): string {
  return user.replace(/^sip:|@.*$/g, "");
}

function line(message: BusMessage): string {
  if (message.kind === "entered") return `join ${short(message.participant.user)}`;
  return message.kind === "left" ? `part ${short(message.user)}` : message.kind;
}

async function settled(): Promise<void> {
  for (let times = 0; times < 10; times++) await turn();
}

const [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map((name, index) =>
  aSession(name, index + 1),
) as [Session, Session, Session, Session];

test("of the last ones of a node who leave at once each is told to the others", async () => {
  const { node } = pool();
  const [one, two] = [node("n1"), node("n2")];
  one.enter(alice);
  for (const session of [bob, carol]) two.enter(session);
  await settled();
  assert.deepEqual(one.told, ["join alice", "join bob", "join carol"]);
  for (const session of [bob, carol]) two.leave(session);
  await settled();
  assert.deepEqual(one.told.slice(3), ["part bob", "part carol"]);
  assert.deepEqual([...two.rosters.roomsHere()], [], "nobody is left, nothing is kept");
});

test("who enters and leaves at once is told as both, in this order", async () => {
  const { node } = pool();
  const [one, two] = [node("n1"), node("n2")];
  one.enter(alice);
  await settled();
  two.enter(bob);
  two.leave(bob);
  await settled();
  assert.deepEqual(two.sent, ["join bob", "part bob"]);
  assert.deepEqual(one.told.slice(1), two.sent);
});

test("what the bus has lost is found: who came at the next look, who went when he was missing for a while", async () => {
  const { node, shared } = pool();
  const [one, two] = [node("n1"), node("n2")];
  one.enter(alice);
  for (const session of [bob, carol]) two.enter(session);
  await settled();
  assert.deepEqual(await one.list(alice), ["alice", "bob", "carol"]);
  one.told.length = 0;
  shared.loses = true;
  two.leave(bob);
  two.enter(dave);
  await settled();
  assert.deepEqual(one.told, []);
  await one.compare(TURNS_UNTIL_SEEN);
  assert.deepEqual(one.told, ["join dave"]);
  await one.compare(TURNS_UNTIL_GIVEN_UP);
  assert.deepEqual(one.told, ["join dave", "part bob"]);
  await one.compare(2 * TURNS_UNTIL_GIVEN_UP);
  assert.equal(one.told.length, 2, "once");
  assert.deepEqual(await one.list(alice), ["alice", "carol", "dave"]);
});

test("nobody is taken for gone while Redis is away, or while a node publishes anew", async () => {
  const { node, shared } = pool();
  const [one, two] = [node("n1"), node("n2")];
  one.enter(alice);
  two.enter(bob);
  await settled();
  assert.deepEqual(await one.list(alice), ["alice", "bob"]);
  one.told.length = 0;
  shared.away = true;
  await one.compare(2 * TURNS_UNTIL_GIVEN_UP);
  assert.deepEqual(await one.list(alice), ["alice", "bob"], "as it was last known");
  shared.away = false;
  const before = new Map(two.published);
  two.published.clear();
  await one.compare(16); // one look
  assert.deepEqual(await one.list(alice), ["alice", "bob"]);
  for (const [user, participant] of before) two.published.set(user, participant);
  await one.compare(2 * TURNS_UNTIL_GIVEN_UP);
  assert.deepEqual(one.told, []);
});

test("who entered while Redis was away hears of those elsewhere when it is back", async () => {
  const { node, shared } = pool();
  const [one, two] = [node("n1"), node("n2")];
  two.enter(bob);
  await settled();
  shared.away = true;
  one.enter(alice);
  await settled();
  assert.deepEqual(await one.list(alice), ["alice"]);
  shared.away = false;
  one.told.length = 0;
  await one.compare(TURNS_UNTIL_SEEN);
  assert.deepEqual(one.told, ["join bob"]);
});

test("the bus is believed, not an answer of Redis that was on its way meanwhile", async () => {
  const { node, shared } = pool();
  const [one, two] = [node("n1"), node("n2")];
  one.enter(alice);
  two.enter(bob);
  await settled();
  one.told.length = 0;
  let answer = () => {};
  shared.answers = new Promise((resolve) => {
    answer = resolve;
  });
  const list = one.list(alice); // reads that bob is there and carol is not
  await settled();
  shared.answers = Promise.resolve();
  two.leave(bob);
  two.enter(carol);
  await settled();
  assert.deepEqual(one.told, ["part bob", "join carol"]);
  answer();
  assert.deepEqual(await list, ["alice", "carol"]);
  await one.compare(2 * TURNS_UNTIL_GIVEN_UP);
  assert.equal(one.told.length, 2);
});

test("a user on two nodes is told to have come once and to have gone when he has left both", async () => {
  const { node } = pool();
  const [one, two] = [node("n1"), node("n2")];
  one.enter(alice);
  await settled();
  await one.list(alice);
  one.told.length = 0;
  two.enter(bob);
  await settled();
  one.enter(bob);
  await settled();
  await one.compare(TURNS_UNTIL_SEEN);
  one.leave(bob);
  await settled();
  assert.deepEqual(await one.list(alice), ["alice", "bob"], "he is on the other one still");
  two.leave(bob);
  await settled();
  await one.compare(TURNS_UNTIL_GIVEN_UP);
  assert.deepEqual(one.told, ["join bob", "part bob"]);
  for (const [first, second] of [
    [one, two],
    [two, one],
  ]) {
    one.told.length = 0;
    for (const { enter } of [one, two]) enter(bob);
    await settled();
    first?.leave(bob);
    second?.leave(bob);
    await settled();
    assert.deepEqual(one.told, ["join bob", "part bob"]);
  }
});

test("a room that was large is compared with what is heard from when it is small again", async () => {
  const { node } = pool();
  const [one, two] = [node("n1"), node("n2")];
  const crowd = Array.from({ length: LIMIT + 1 }, (_, index) => aSession(`user${index}`, 100 + index));
  one.enter(alice);
  for (const session of crowd) two.enter(session);
  await settled();
  assert.equal(await one.list(alice), undefined, "not shown");
  for (const session of crowd.slice(3)) two.leave(session);
  await settled();
  one.told.length = 0;
  await one.compare(2 * TURNS_UNTIL_GIVEN_UP);
  assert.deepEqual(one.told, [], "nobody is told of those who had come unseen");
  two.leave(crowd[0] ?? alice);
  await settled();
  assert.deepEqual(one.told, ["part user0"]);
});
