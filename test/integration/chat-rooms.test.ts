import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";

const MEMBER = 3984;
const MANAGER = 12276;
let lab: Lab;

before(async () => {
  lab = await openLab({ users: ["alice", "bob", "carol", "dave", "erin"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

/** `kind user` of every notice about the room, in order. */
function seen(endpoint: XccosEndpoint, room: string): string[] {
  return endpoint.notices
    .filter((notice) => notice.room === room)
    .flatMap(({ kind, users }) =>
      users.map(({ address }) => `${kind} ${address.replace(/^sip:|@.*$/g, "")}`),
    );
}

/** Waits for exactly these notices about the room; one too many fails here or at the next comparison. */
async function expectNotices(endpoint: XccosEndpoint, room: string, expected: readonly string[]) {
  await endpoint.inbox
    .waitFor(
      () => (seen(endpoint, room).length >= expected.length ? true : undefined),
      LAB_TIMEOUT_MS,
      expected.join(),
    )
    .catch(() => undefined); // the comparison says more
  assert.deepEqual(seen(endpoint, room), expected);
}

test("a join is answered with the room and its participants, the joiner among them, each user once", async () => {
  const uri = await lab.addRoom({
    name: "Lobby",
    description: "by the <door>",
    members: ["alice", "bob"],
    managers: ["bob"],
  });
  const [alice, phone, bob] = await Promise.all([
    lab.signedIn("alice"),
    lab.signedIn("alice"),
    lab.signedIn("bob"),
  ]);
  const first = await alice.join(uri);
  assert.equal(first.code, 200);
  const [room] = first.rooms;
  assert.deepEqual(
    [room?.uri, room?.name, room?.description, room?.visibility, room?.attributes.behavior],
    [uri, "Lobby", "by the <door>", "scoped", "NORMAL"],
  );
  const self = { address: lab.address("alice"), name: "Alice", permissions: MEMBER };
  assert.deepEqual(room?.participants, [self]);
  await phone.join(uri);
  const { rooms } = await bob.join(uri);
  assert.deepEqual(rooms[0]?.participants, [
    self,
    { address: lab.address("bob"), name: "Bob", permissions: MANAGER },
  ]);
});

test("others hear of a user's first endpoint coming and last endpoint going, and of nothing between", async () => {
  const uri = await lab.addRoom({ name: "Corridor", members: ["alice", "bob"], managers: ["bob"] });
  const alice = await lab.signedIn("alice");
  const [desk, phone] = [await lab.signedIn("bob"), await lab.signedIn("bob")];
  await alice.join(uri);
  await desk.join(uri);
  await expectNotices(alice, uri, ["join bob"]);
  const [entered] = alice.notices;
  assert.deepEqual(entered?.users, [{ address: lab.address("bob"), name: "Bob", permissions: MANAGER }]);
  await phone.join(uri);
  await desk.join(uri); // already there
  await desk.part(uri);
  assert.deepEqual((await alice.search("corridor")).rooms[0]?.userCount, 2, "bob is still there");
  await phone.part(uri);
  await expectNotices(alice, uri, ["join bob", "part bob"]);
  for (const endpoint of [desk, phone])
    assert.deepEqual(seen(endpoint, uri), [], "nobody is told of himself");
});

test("leaving is answered with the room, in a room one is not in too, and ends all delivery", async () => {
  const uri = await lab.addRoom({ name: "Exit", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  await alice.join(uri);
  await bob.join(uri);
  await expectNotices(alice, uri, ["join bob"]);
  for (const left of [await bob.part(uri), await bob.part(uri)]) {
    assert.deepEqual([left.code, left.rooms.map((room) => room.uri)], [200, [uri]]);
  }
  await alice.post(uri, "after he left");
  await alice.waitForMessage(({ text }) => text === "after he left");
  await expectNotices(alice, uri, ["join bob", "part bob"]);
  assert.deepEqual(bob.messages, []);
  const kinds = (await lab.recorded(uri)).filter(({ actor }) => actor === lab.address("bob"));
  assert.deepEqual(
    kinds.map(({ kind, detail }) => [kind, detail]),
    [
      ["JOIN", {}],
      ["PART", { reason: "left" }],
    ],
  );
});

test("a sign-off leaves every room, and others see it", async () => {
  const rooms = [];
  for (const name of ["One", "Two"]) rooms.push(await lab.addRoom({ name, members: ["alice", "bob"] }));
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  await alice.bjoin(rooms);
  await bob.bjoin(rooms);
  for (const room of rooms) await expectNotices(alice, room, ["bjoin bob"]);
  await bob.signOff();
  for (const room of rooms) {
    await expectNotices(alice, room, ["bjoin bob", "part bob"]);
    const last = (await lab.recorded(room)).at(-1);
    assert.deepEqual([last?.kind, last?.detail], ["PART", { reason: "signed-off" }]);
  }
  assert.deepEqual(
    await lab.sql(
      "SELECT r.room_id FROM remembered_room r JOIN principal p ON p.id = r.user_id WHERE p.uri = ?",
      [lab.address("bob")],
    ),
    [],
    "who signed off is forgotten",
  );
});

test("a batch join with one forbidden and one unknown room enters the others", async () => {
  const mine = [];
  for (const name of ["Alpha", "Beta"]) mine.push(await lab.addRoom({ name, members: ["alice", "bob"] }));
  const forbidden = await lab.addRoom({ name: "Gamma", members: ["bob"] });
  const alice = await lab.signedIn("alice");
  const three = await alice.bjoin([...mine, forbidden]);
  assert.equal(three.code, 200);
  assert.deepEqual(
    three.rooms.map(({ uri }) => uri),
    mine,
  );
  assert.deepEqual(three.failed, [forbidden]);
  assert.equal(
    three.data.children.filter(({ name }) => name === "uib").length,
    1,
    "alice once, for both rooms",
  );
  const unknown = "ma-chan://example.com/00000000-0000-4000-8000-000000000000";
  const none = await alice.bjoin([forbidden, unknown]);
  assert.deepEqual([none.code, none.rooms, none.failed], [200, [], [forbidden, unknown]]);
  assert.deepEqual(await lab.recorded(forbidden), []);
});

test("joins are refused by right and state of the room, and nothing is recorded", async () => {
  const alice = await lab.signedIn("alice");
  const closed = await lab.addRoom({ name: "Closed", members: ["bob"] });
  const managed = await lab.addRoom({ name: "Managed", managers: ["alice"] });
  const shut = await lab.addRoom({ name: "Shut", members: ["alice"] });
  await lab.administration.setRoomDisabled(shut, true);
  await lab.administration.addCategory({ name: "Elsewhere", allowed: [lab.address("bob")] });
  const outside = await lab.addRoom({ name: "Outside", privacy: "open", category: "Elsewhere" });
  const expected = [
    [closed, 403],
    [managed, 403],
    [shut, 410],
    [outside, 403],
    ["ma-chan://elsewhere.example/7c1e0f5a-0000-4000-8000-000000000000", 404],
  ] as const;
  for (const [uri, code] of expected) {
    const refused = await alice.join(uri);
    assert.deepEqual([refused.code, refused.data.children], [code, []], uri);
    assert.match(refused.text, /^ERROR_[A-Z_]+: [A-Z].+/);
  }
  for (const uri of [closed, managed, shut, outside]) assert.deepEqual(await lab.recorded(uri), []);
  const open = await lab.addRoom({ name: "Open", privacy: "open" });
  assert.equal((await alice.join(open)).code, 200);
});

test("who loses the right is out of the room, though he stays connected; the others see him go", async () => {
  const uri = await lab.addRoom({ name: "Trusted", members: ["alice", "bob"] });
  const other = await lab.addRoom({ name: "Still his", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  for (const endpoint of [alice, bob]) await endpoint.bjoin([uri, other]);
  await expectNotices(alice, uri, ["bjoin bob"]);
  await lab.administration.removeRole(uri, lab.address("bob"), "member");
  assert.equal(await bob.post(uri, "am I still here?"), 403, "the right is gone before he is");
  await expectNotices(alice, uri, ["bjoin bob", "part bob"]);
  assert.equal(await alice.post(uri, "among ourselves"), 200);
  assert.equal(await alice.post(other, "for both"), 200);
  await bob.waitForMessage(({ room }) => room === other);
  assert.deepEqual(
    bob.messages.map(({ text }) => text),
    ["for both"],
  );
  assert.equal((await bob.join(uri)).code, 403);
  assert.equal((await bob.history(uri)).code, 403);
  const parts = (await lab.recorded(uri)).filter(({ kind }) => kind === "PART");
  assert.deepEqual(
    parts.map(({ actor, detail }) => [actor, detail.reason]),
    [[lab.address("bob"), "expelled"]],
  );
});

test("a room that is disabled is empty at once: no post, no reading, no joining", async () => {
  const uri = await lab.addRoom({ name: "Closing", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  await alice.join(uri);
  await bob.join(uri);
  await lab.administration.setRoomDisabled(uri, true);
  assert.equal(await alice.post(uri, "too late"), 410);
  assert.equal((await alice.history(uri)).code, 410);
  assert.equal((await alice.join(uri)).code, 410);
  assert.deepEqual((await alice.search("closing")).rooms, []);
  await lab.administration.setRoomDisabled(uri, false);
  assert.equal((await bob.join(uri)).code, 200);
  assert.deepEqual((await bob.history(uri)).messages, []);
});

test("all who join within a second reach a receiver in one notice", async () => {
  const users = ["alice", "bob", "carol", "dave", "erin"];
  const uri = await lab.addRoom({ name: "Crowd", members: users });
  const [alice, erin] = await Promise.all([lab.signedIn("alice"), lab.signedIn("erin")]);
  const others = await Promise.all(["bob", "carol", "dave"].map((user) => lab.signedIn(user)));
  await alice.join(uri);
  await erin.join(uri);
  await expectNotices(alice, uri, ["join erin"]); // with that the second of their own coming is over
  const before = alice.counts.infos;
  await Promise.all(others.map((endpoint) => endpoint.join(uri)));
  await alice.waitForNotice(({ users: who }) => who.length === 3, LAB_TIMEOUT_MS);
  assert.equal(alice.counts.infos - before, 1, "one INFO for all three");
  assert.deepEqual(seen(alice, uri).sort(), ["join bob", "join carol", "join dave", "join erin"]);
  await erin.waitForNotice(({ users: who }) => who.length === 3, LAB_TIMEOUT_MS);
  assert.ok(!seen(erin, uri).includes("join alice"), "who was there before is no news");
});

test("who comes and goes within the same second is not mentioned to anybody", async () => {
  const uri = await lab.addRoom({ name: "Wrong door", members: ["alice", "bob", "carol"] });
  const [alice, bob, carol] = await Promise.all([
    lab.signedIn("alice"),
    lab.signedIn("bob"),
    lab.signedIn("carol"),
  ]);
  await alice.join(uri);
  await carol.join(uri);
  await expectNotices(alice, uri, ["join carol"]);
  await bob.join(uri);
  await bob.part(uri);
  await carol.part(uri);
  await alice.waitForNotice(({ kind }) => kind === "part", LAB_TIMEOUT_MS);
  assert.deepEqual(seen(alice, uri), ["join carol", "part carol"]);
});

test("a lost connection keeps its place for the time of grace, then others see him leave", async () => {
  const uri = await lab.addRoom({ name: "Tunnel", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  await alice.join(uri);
  await bob.join(uri);
  await expectNotices(alice, uri, ["join bob"]);
  const lostMs = performance.now();
  bob.crash();
  await alice.waitForNotice(({ kind }) => kind === "part", 60_000);
  assert.ok(performance.now() - lostMs > 29_000, "not before its time");
  assert.deepEqual(seen(alice, uri), ["join bob", "part bob"]);
  const last = (await lab.recorded(uri)).at(-1);
  assert.deepEqual(
    [last?.kind, last?.actor, last?.detail],
    ["PART", lab.address("bob"), { reason: "connection-lost" }],
  );
});
