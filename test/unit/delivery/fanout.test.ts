import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredMessage } from "../../../src/chat/message.ts";
import type { Aor } from "../../../src/chat/user.ts";
import { Envids } from "../../../src/delivery/envids.ts";
import { Fanout } from "../../../src/delivery/fanout.ts";
import type { BusMessage, OutgoingDialog } from "../../../src/ports.ts";
import type { Session } from "../../../src/session.ts";
import { aRoom, aSession } from "../../support/sessions.ts";

const room = aRoom(1);
const message = (number: number): StoredMessage => ({
  roomId: 1,
  number,
  author: "sip:alice@example.com" as Aor, // a literal in its normal form
  authorName: "Alice",
  atMs: number,
  alert: false,
  text: `text ${number}`,
  rtf: null,
});

/** A fan-out whose store holds `stored`, and what each session was sent. */
function makeFanout(stored: readonly StoredMessage[], removed: readonly number[] = []) {
  const sent = new Map<OutgoingDialog, number[]>();
  const published: BusMessage[] = [];
  const reviews: number[] = [];
  let listener: (message: BusMessage) => void = () => {};
  const fanout = new Fanout({
    messages: {
      removed: async (_roomId, from, to) => removed.filter((number) => number >= from && number <= to),
      range: async (_roomId, from, to) => stored.filter(({ number }) => number >= from && number <= to),
    },
    rooms: {
      find: async () => room,
      byIds: async () => [room],
      access: async () => [],
      bindings: async () => ({ scope: new Map(), roles: new Map() }),
      search: async () => [],
      associations: async () => [],
      readable: async () => [],
      lastNumbers: async () => new Map([[1, stored.at(-1)?.number ?? 0]]),
    },
    sender: {
      send: (body, dialogs) => {
        const number = Number(/chatId="([0-9]+)"/.exec(body)?.[1]);
        for (const dialog of dialogs) sent.set(dialog, [...(sent.get(dialog) ?? []), number]);
      },
    },
    bus: {
      publish: (given) => published.push(given),
      onMessage: (given) => {
        listener = given;
      },
      onState: () => {},
    },
    envids: new Envids(),
    review: async (roomId) => {
      reviews.push(roomId);
    },
    onError: (error) => assert.fail(String(error)),
  });
  const enter = (session: Session, since: number) => {
    session.rooms.set(1, { room, mask: 3984, since, mayPost: true });
    fanout.enter(session, room, since);
    return session;
  };
  const hear = (number: number, accessVersion?: number) =>
    listener({ ...posted(number), ...(accessVersion === undefined ? {} : { accessVersion }) });
  return { fanout, sent, published, reviews, enter, hear };
}

const posted = (number: number): Extract<BusMessage, { kind: "posted" }> => ({
  kind: "posted",
  roomId: 1,
  number,
  grpchat: `<grpchat chatId="${number}"/>`,
});

test("everybody in the room gets each message once, the author too, and nobody else", () => {
  const { fanout, sent, enter } = makeFanout([]);
  const [alice, bob, carol] = [
    enter(aSession("alice", 1), 0),
    enter(aSession("bob", 2), 0),
    aSession("carol", 3),
  ];
  fanout.stored(room, message(1));
  fanout.stored(room, message(2));
  assert.deepEqual(sent.get(alice), [1, 2]);
  assert.deepEqual(sent.get(bob), [1, 2]);
  assert.equal(sent.get(carol), undefined);
});

test("what was said before joining does not come live", () => {
  const { fanout, sent, enter } = makeFanout([]);
  enter(aSession("alice", 1), 0);
  fanout.stored(room, message(1));
  const bob = enter(aSession("bob", 2), 3); // joined after 2 and 3, which are still on their way
  for (const number of [2, 3, 4]) fanout.stored(room, message(number));
  assert.deepEqual(sent.get(bob), [4]);
});

test("a number lost between nodes is fetched from the store, and the order stays", async () => {
  const { fanout, sent, enter, hear } = makeFanout([1, 2, 3].map(message));
  const alice = enter(aSession("alice", 1), 0);
  hear(1);
  hear(3); // 2 never comes
  assert.deepEqual(sent.get(alice), [1]);
  const deadline = Date.now() + 5_000;
  while ((sent.get(alice)?.length ?? 0) < 3 && Date.now() < deadline)
    await new Promise((r) => setTimeout(r, 5));
  assert.deepEqual(sent.get(alice), [1, 2, 3]);
  fanout.stop();
});

test("without a bus, catching up brings everything from the store, once", async () => {
  const { fanout, sent, enter, hear } = makeFanout([1, 2, 3, 4].map(message));
  const alice = enter(aSession("alice", 1), 0);
  await fanout.catchUp();
  await fanout.catchUp();
  hear(4);
  assert.deepEqual(sent.get(alice), [1, 2, 3, 4]);
});

test("removed messages are passed over: what comes after them is not held up, live or caught up", async () => {
  const { fanout, sent, enter, hear } = makeFanout([1, 4, 7].map(message), [2, 3, 6]);
  const alice = enter(aSession("alice", 1), 0);
  hear(1);
  hear(4); // 2 and 3 were removed before they came
  const deadline = Date.now() + 5_000;
  while ((sent.get(alice)?.length ?? 0) < 2 && Date.now() < deadline)
    await new Promise((r) => setTimeout(r, 5));
  assert.deepEqual(sent.get(alice), [1, 4]);
  hear(6); // waits for 5, and is removed meanwhile
  await fanout.moderated(1, [6]);
  hear(6); // once more, by another way
  hear(5);
  await fanout.catchUp();
  hear(6); // late
  assert.deepEqual(sent.get(alice), [1, 4, 5, 7]);
  assert.equal(fanout.delivered(1), 7);
  fanout.stop();
});

test("a participant whose connection is closed gets nothing", () => {
  const { fanout, sent, enter } = makeFanout([]);
  const bob = enter(aSession("bob", 2, { awaySinceMs: 1 }), 0);
  fanout.stored(room, message(1));
  assert.equal(sent.get(bob), undefined);
});

test("the other nodes hear of what was stored here, and of nothing that came from them", () => {
  const { fanout, published, enter, hear } = makeFanout([]);
  enter(aSession("alice", 1), 0);
  fanout.stored(room, message(1));
  hear(2);
  assert.deepEqual(
    published.map((given) => given.kind === "posted" && given.number),
    [1],
  );
});

test("progress names only rooms that moved, up to what was handed over", () => {
  const { fanout, enter } = makeFanout([]);
  enter(aSession("alice", 1), 5);
  assert.equal(fanout.takeProgress().size, 0);
  fanout.stored(room, message(6));
  assert.deepEqual([...fanout.takeProgress()], [[1, 6]]);
  assert.equal(fanout.takeProgress().size, 0);
});

test("a message stored under a version of the room that was not reviewed here waits until it is", async () => {
  const { fanout, sent, enter, hear, reviews } = makeFanout([]);
  const [alice, bob] = [enter(aSession("alice", 1), 0), enter(aSession("bob", 2), 0)];
  hear(1);
  hear(2, room.accessVersion + 1);
  assert.deepEqual([sent.get(alice), reviews], [[1], [1]]);
  fanout.leave(bob, 1); // the review finds that he lost his right
  fanout.reviewed({ ...room, accessVersion: room.accessVersion + 1 });
  hear(3, room.accessVersion + 1);
  assert.deepEqual([sent.get(alice), sent.get(bob)], [[1, 2, 3], [1]]);
});

test("who was found entitled under another version than was reviewed here is looked at again", () => {
  const { fanout, reviews } = makeFanout([]);
  const newer = { ...room, accessVersion: room.accessVersion + 1 };
  fanout.reviewed(newer);
  const late = aSession("late", 3);
  fanout.enter(late, room, 0);
  assert.deepEqual(reviews, [1]);
  fanout.enter(aSession("early", 4), newer, 0);
  assert.deepEqual(reviews, [1, 1], "those who are here were looked at under an older version");
});
