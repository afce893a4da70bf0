import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import {
  firstHomeOf,
  incarnationOf,
  signedInOn,
  TAKEOVER_MS,
  untilTakenOver,
} from "../support/pool-people.ts";
import { until } from "../support/until.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ nodes: 2, users: ["alice", "bob"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

const newRoom = (name: string) => lab.addRoom({ name, members: ["alice", "bob"] });

/** As the room list of the user's rooms says it. */
async function unread(endpoint: XccosEndpoint, room: string): Promise<number | undefined> {
  return (await endpoint.getAssociations()).rooms.find(({ uri }) => uri === room)?.unread;
}

async function poster(room: string): Promise<(text: string) => Promise<void>> {
  const bob = await lab.signedIn("bob");
  await bob.join(room);
  return async (text) => {
    assert.equal(await bob.post(room, text), 200);
    await bob.waitForMessage((message) => message.text === text, LAB_TIMEOUT_MS);
  };
}

/** What is in the table; a room that was never left has no row. */
async function marked(user: string, room: string): Promise<number> {
  const [row] = await lab.sql<{ number: number }>(
    "SELECT m.number FROM read_mark m JOIN principal p ON p.id = m.user_id JOIN room r ON r.id = m.room_id WHERE p.uri = ? AND r.guid = ?",
    [lab.address(user), room.split("/").at(-1) ?? ""],
  );
  return row?.number ?? 0;
}

test("what was said is unread until history or a live copy has shown it, on every computer of the user", async () => {
  const room = await newRoom("Reading");
  const say = await poster(room);
  for (const text of ["one", "two", "three"]) await say(text);
  const [desk, laptop] = await Promise.all([lab.signedIn("alice"), lab.signedIn("alice")]);
  assert.equal(await unread(desk, room), 3);
  assert.equal((await desk.bjoin([room])).rooms[0]?.unread, 3, "entering shows nothing yet");
  assert.equal(await unread(desk, room), 3);
  assert.equal((await desk.history(room, 2)).messages.length, 2);
  assert.equal(await unread(desk, room), 0);
  await say("live");
  await desk.waitForMessage(({ text }) => text === "live", LAB_TIMEOUT_MS);
  assert.equal(await unread(desk, room), 0);
  await until("the other computer knows it too", async () => (await unread(laptop, room)) === 0);
  await desk.part(room);
  assert.equal(await unread(desk, room), 0);
  await say("after leaving");
  assert.equal(await unread(desk, room), 1);
  assert.equal((await desk.join(room)).rooms[0]?.unread, 1);
});

test("a history search has read what it shows, in the room that has it and no further than that", async () => {
  const [room, other] = [await newRoom("Searched"), await newRoom("Searched too")];
  const say = await poster(room);
  for (const text of ["one", "two needle", "three needle", "four"]) await say(text);
  await (await poster(other))("five");
  const [desk, laptop] = await Promise.all([lab.signedIn("alice"), lab.signedIn("alice")]);
  assert.deepEqual(
    (await desk.searchHistory({ text: "unheard-of" })).found.flatMap(({ messages }) => messages),
    [],
  );
  assert.deepEqual([await unread(desk, room), await unread(desk, other)], [4, 1]);
  const newest = await desk.searchHistory({ text: "needle", backwards: true, newestFirst: true });
  assert.deepEqual(
    newest.found.map(({ messages }) => messages.map(({ chatId }) => chatId)),
    [[3, 2]],
  );
  assert.deepEqual([await unread(desk, room), await unread(desk, other)], [1, 1]);
  await until("the other computer knows it too", async () => (await unread(laptop, room)) === 1);
  await desk.searchHistory({ rooms: [room], text: "one" });
  assert.equal(await unread(desk, room), 1, "what was read stays read");
  await until("the mark is saved", async () => (await marked("alice", room)) === 3);
});

test("an author has read what he wrote, another member has not", async () => {
  const room = await newRoom("Authors");
  const alice = await lab.signedIn("alice");
  const bob = await lab.signedIn("bob");
  await alice.join(room);
  assert.equal(await alice.post(room, "mine"), 200);
  assert.equal(await unread(alice, room), 0);
  assert.equal(await unread(bob, room), 1);
});

test("a copy writes nothing: the mark is made when the room is left", async () => {
  const room = await newRoom("Frugal");
  const say = await poster(room);
  const alice = await lab.signedIn("alice");
  await alice.join(room);
  for (let number = 1; number <= 20; number++) await say(`copy ${number}`);
  await alice.waitForMessage(({ text }) => text === "copy 20", LAB_TIMEOUT_MS);
  await until("the author's own mark is saved", async () => (await marked("bob", room)) === 20);
  assert.equal(await marked("alice", room), 0);
  assert.equal(await unread(alice, room), 0, "and yet it is known");
  await alice.part(room);
  await until("the mark is saved", async () => (await marked("alice", room)) === 20);
});

test("a lost connection has read what had left a moment before, and what was said since is unread", async () => {
  const room = await newRoom("Lost");
  const say = await poster(room);
  const alice = await lab.signedIn("alice");
  await alice.join(room);
  await say("heard");
  await alice.waitForMessage(({ text }) => text === "heard", LAB_TIMEOUT_MS);
  await until("it is known to have left", async () => {
    const rows = await lab.sql(
      "SELECT 1 FROM delivery_progress d JOIN room r ON r.id = d.room_id WHERE r.guid = ? AND d.incarnation LIKE ?",
      [room.split("/").at(-1) ?? "", `${firstHomeOf(alice)}-%`],
    );
    return rows.length > 0;
  });
  alice.crash();
  await until("the mark is saved", async () => (await marked("alice", room)) === 1);
  await say("missed");
  assert.equal(await unread(await lab.signedIn("alice"), room), 1);
});

test("rooms that keep no history, and rooms that one only manages, count nothing", async () => {
  await lab.administration.addCategory({
    name: "Forgetful",
    allowed: [lab.stack.domain],
    chatHistory: false,
  });
  const forgetful = await lab.addRoom({ name: "Whisper", category: "Forgetful", members: ["alice", "bob"] });
  const managed = await lab.addRoom({ name: "Managed", members: ["bob"], managers: ["alice"] });
  for (const room of [forgetful, managed]) await (await poster(room))("something");
  const alice = await lab.signedIn("alice");
  assert.equal(await unread(alice, forgetful), undefined);
  assert.equal((await alice.join(forgetful)).rooms[0]?.unread, undefined);
  const { rooms } = await alice.getAssociations("MANAGER");
  assert.equal(rooms.find(({ uri }) => uri === managed)?.unread, undefined);
});

test("who leaves after his node died has read what he heard before it did", async () => {
  const room = await newRoom("Survivor");
  const say = await poster(room);
  const alice = await signedInOn(lab, "n1", "alice", room);
  await say("before");
  await alice.waitForMessage(({ text }) => text === "before", LAB_TIMEOUT_MS);
  await until("the progress is saved", async () => {
    const rows = await lab.sql(
      "SELECT 1 FROM delivery_progress d JOIN room r ON r.id = d.room_id WHERE r.guid = ? AND d.incarnation LIKE 'n1-%'",
      [room.split("/").at(-1) ?? ""],
    );
    return rows.length > 0;
  });
  const dying = await incarnationOf(lab, "n1");
  await lab.stack.kill("n1", "SIGKILL");
  try {
    await untilTakenOver(lab, dying);
    await until(
      "it may leave",
      async () => (await alice.part(room).catch(() => undefined))?.code === 200,
      TAKEOVER_MS,
    );
    await until("the mark is saved", async () => (await marked("alice", room)) === 1);
    await (await poster(room))("after");
    assert.equal(await unread(await lab.signedIn("alice"), room), 1);
  } finally {
    await lab.restart("n1");
  }
});
