import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ users: ["alice", "bob"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

/** The server has noticed that a connection of the user is closed. */
function untilAway(user: string): Promise<void> {
  const sql =
    "SELECT token FROM dialog d JOIN principal p ON p.id = d.user_id WHERE p.uri = ? AND away_since_ms IS NOT NULL";
  return until(`${user} is away`, async () => (await lab.sql(sql, [lab.address(user)])).length > 0);
}

async function bothIn(name: string, options: { sipe?: boolean } = {}) {
  const room = await lab.addRoom({ name, members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob", options)]);
  for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(room)).code, 200);
  bob.watch.strictNumbers = false;
  await alice.waitForNotice(
    ({ users }) => users.some(({ address }) => address === bob.address),
    LAB_TIMEOUT_MS,
  );
  return { room, alice, bob };
}

function recordedOf(room: string, user: string): Promise<string[]> {
  return lab
    .recorded(room)
    .then((events) =>
      events
        .filter(({ actor, kind }) => actor === lab.address(user) && kind !== "BACKCHAT")
        .map(({ kind }) => kind),
    );
}

async function said(alice: XccosEndpoint, room: string, text: string) {
  assert.equal(await alice.post(room, text), 200);
  await alice.waitForMessage((message) => message.text === text, LAB_TIMEOUT_MS);
}

for (const sipe of [false, true]) {
  const who = sipe ? "a SIPE-like client" : "a plain client";
  test(`${who} that crashes and comes back in time has its rooms, and nobody was told anything`, async () => {
    const { room, alice, bob } = await bothIn(`Crash ${sipe}`, { sipe });
    await said(alice, room, "before");
    await bob.waitForMessage(({ text }) => text === "before", LAB_TIMEOUT_MS);
    const notices = alice.notices.length;
    bob.crash();
    await untilAway("bob");
    await said(alice, room, "while away");
    await bob.reconnect();
    const history = await bob.history(room); // the first words on the new dialog
    assert.deepEqual(
      history.messages.map(({ text }) => text),
      ["before", "while away"],
    );
    await said(alice, room, "welcome back");
    await bob.waitForMessage(({ text }) => text === "welcome back", LAB_TIMEOUT_MS);
    assert.deepEqual(
      bob.messages.map(({ text }) => text),
      ["before", "welcome back"],
      "each message once",
    );
    assert.equal(await bob.post(room, "thanks"), 200);
    await alice.waitForMessage(({ text }) => text === "thanks", LAB_TIMEOUT_MS);
    await alice.expectNothing(1_500); // longer than roster news are gathered
    assert.equal(alice.notices.length, notices, "no part, no join");
    assert.deepEqual(await recordedOf(room, "bob"), ["JOIN", "CHAT"]);
    assert.equal((await alice.search(`crash ${sipe}`)).rooms[0]?.userCount, 2);
  });
}

test("who comes back with another epid is somebody else: the rooms stay with the lost connection", async () => {
  const { room, alice, bob } = await bothIn("Other phone");
  bob.crash();
  await untilAway("bob");
  const phone = await lab.signedIn("bob");
  assert.equal((await phone.history(room)).code, 200);
  assert.equal(await phone.post(room, "without joining"), 403);
  await said(alice, room, "nobody hears");
  assert.equal((await phone.search()).code, 200);
  assert.deepEqual(phone.messages, []);
});

test("a second client with the same epid takes nothing from one that is connected", async () => {
  const { room, alice, bob } = await bothIn("Twins");
  const twin = await lab.signedIn("bob", { epid: bob.epid ?? null });
  assert.equal((await twin.getInvitations()).code, 200);
  await said(alice, room, "who hears?");
  await bob.waitForMessage(({ text }) => text === "who hears?", LAB_TIMEOUT_MS);
  assert.equal((await twin.search()).code, 200);
  assert.deepEqual(twin.messages, [], "the twin has joined nothing");
  await twin.signOff();
  await said(alice, room, "and now?");
  await bob.waitForMessage(({ text }) => text === "and now?", LAB_TIMEOUT_MS);
});

test("a lookup takes over nothing; the session that follows does", async () => {
  const { room, alice, bob } = await bothIn("Lookup");
  bob.crash();
  await untilAway("bob");
  await bob.reconnect();
  const before = await lab.sql<{ n: number }>(
    "SELECT COUNT(*) AS n FROM dialog d JOIN dialog_room r ON r.token = d.token WHERE d.away_since_ms IS NOT NULL",
  );
  assert.ok(Number(before[0]?.n) > 0, "requri alone left the rooms where they were");
  assert.equal((await bob.getServerInfo()).code, 200);
  await said(alice, room, "hello again");
  await bob.waitForMessage(({ text }) => text === "hello again", LAB_TIMEOUT_MS);
});

test("SIPE's habit after a lost session, to post without joining, enters the room by the same endpoint", async () => {
  const { room, alice, bob } = await bothIn("Habit", { sipe: true });
  bob.crash();
  await untilAway("bob");
  await bob.reconnect({ lookup: true });
  assert.equal(await bob.post(room, "as if nothing had happened"), 200);
  await bob.waitForMessage(({ text }) => text === "as if nothing had happened", LAB_TIMEOUT_MS);
  await alice.waitForMessage(({ text }) => text === "as if nothing had happened", LAB_TIMEOUT_MS);
  assert.deepEqual(await recordedOf(room, "bob"), ["JOIN", "CHAT"]);
});

test("who is thrown out by 481 starts over by himself and goes on posting", async () => {
  const { room, alice, bob } = await bothIn("Thrown out", { sipe: true });
  bob.infoAnswer = 487; // that dialog is dead, says the client
  await said(alice, room, "are you there?");
  await until("the server believes it", async () => (await recordedOf(room, "bob")).includes("PART"));
  bob.infoAnswer = 200;
  assert.equal(await bob.post(room, "lost"), 481);
  await bob.inbox.waitFor(() => (bob.session.restarts > 0 ? true : undefined), LAB_TIMEOUT_MS, "start over");
  assert.equal(await bob.post(room, "found"), 200, "this endpoint was in rooms here");
  await alice.waitForMessage(({ text }) => text === "found", LAB_TIMEOUT_MS);
  assert.deepEqual(
    alice.messages.map(({ text }) => text),
    ["are you there?", "found"],
    "the lost post stays lost",
  );
  assert.deepEqual(await recordedOf(room, "bob"), ["JOIN", "PART", "JOIN", "CHAT"]);
});

test("a client that refuses one INFO stays in its rooms, unless it says that it no longer has the dialog", async () => {
  const { room, alice, bob } = await bothIn("Refused once", { sipe: true });
  for (const status of [400, 415, 486, 500, 503, 603]) {
    bob.infoAnswer = status;
    await said(alice, room, `refused with ${status}`);
    await until(`${status} is given`, () => bob.counts.infosRefused > 0);
    bob.infoAnswer = 200;
    bob.counts.infosRefused = 0;
    await said(alice, room, `after ${status}`);
    await bob.waitForMessage(({ text }) => text === `after ${status}`, LAB_TIMEOUT_MS);
    assert.equal(await bob.post(room, `I am here, in spite of ${status}`), 200);
  }
  assert.deepEqual([...new Set(await recordedOf(room, "bob"))], ["JOIN", "CHAT"]);
  for (const [restarts, status] of [481, 408].entries()) {
    await bob.join(room);
    bob.infoAnswer = status;
    await said(alice, room, `over with ${status}`);
    await until(
      "the server believes it",
      async () => (await recordedOf(room, "bob")).at(-1) === "PART",
      LAB_TIMEOUT_MS,
    );
    bob.infoAnswer = 200;
    assert.equal(await bob.post(room, "lost"), 481);
    const startedOver = () => (bob.session.restarts > restarts ? true : undefined);
    await bob.inbox.waitFor(startedOver, LAB_TIMEOUT_MS, "start over");
  }
});
