import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

const LIMIT = 5;
const USERS = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"] as const;
let lab: Lab;

before(async () => {
  lab = await openLab({ users: USERS, settings: { chat: { "participant-update-limit": LIMIT } } });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

function seen(endpoint: XccosEndpoint): string[] {
  return endpoint.notices
    .flatMap(({ kind, users }) => users.map(({ address }) => `${kind} ${address.replace(/^sip:|@.*$/g, "")}`))
    .sort();
}

test("above the limit a room shows no roster and no comings and goings; below 80 % of it they are back", async () => {
  const room = await lab.addRoom({ name: "Arena", members: USERS });
  const people = await Promise.all(USERS.map((user) => lab.signedIn(user)));
  const [alice, , , , , frank, grace] = people as [XccosEndpoint, ...XccosEndpoint[]];
  for (const endpoint of people.slice(0, LIMIT)) {
    const { rooms } = await endpoint.join(room);
    assert.ok(rooms[0]?.participants.some(({ address }) => address === endpoint.address));
  }
  await until("alice has seen all four", () => seen(alice).length >= LIMIT - 1);
  const known = seen(alice);
  assert.deepEqual(known, ["join bob", "join carol", "join dave", "join erin"]);

  for (const endpoint of [frank, grace]) {
    const { code, rooms } = (await endpoint?.join(room)) ?? assert.fail();
    assert.equal(code, 200);
    assert.deepEqual(
      rooms[0]?.participants.map(({ address }) => address),
      [endpoint?.address],
      "only the joiner himself",
    );
  }
  assert.equal((await alice.search("arena")).rooms[0]?.userCount, 7, "the number is told all the same");
  assert.equal(await frank?.post(room, "nobody sees me, everybody hears me"), 200);
  for (const endpoint of people)
    await endpoint.waitForMessage(({ room: where }) => where === room, LAB_TIMEOUT_MS);

  // 7, 6, 5, 4: still not below 80 % of 5
  for (const endpoint of [people[1], people[2], people[3]]) await endpoint?.part(room);
  await alice.expectNothing(1_500);
  assert.deepEqual(seen(alice), known, "no word of anybody who came or went meanwhile");
  await people[4]?.part(room); // 3 are left
  await until("alice sees erin go", () => seen(alice).includes("part erin"));
  const { rooms } = (await people[1]?.join(room)) ?? assert.fail();
  assert.deepEqual(
    rooms[0]?.participants.map(({ address }) => address).sort(),
    ["alice", "bob", "frank", "grace"].map(lab.address),
  );
  await until("alice sees bob come", () => seen(alice).filter((line) => line === "join bob").length === 2);
  assert.deepEqual(seen(alice), [...known, "join bob", "part erin"].sort());
});

test("a user's further clients do not make a room large", async () => {
  const room = await lab.addRoom({ name: "Clients", members: ["alice", "bob"] });
  const bob = await lab.signedIn("bob");
  await bob.join(room);
  const clients = await Promise.all(Array.from({ length: LIMIT + 2 }, () => lab.signedIn("alice")));
  for (const client of clients) {
    const { rooms } = await client.join(room);
    assert.deepEqual(
      rooms[0]?.participants.map(({ address }) => address).sort(),
      ["alice", "bob"].map(lab.address),
    );
  }
});

test("with compliance off nothing is recorded, and everything else works", async () => {
  await lab.configure("n1", { compliance: { enabled: false } });
  const room = await lab.addRoom({ name: "Unrecorded", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(room)).code, 200);
  assert.equal(await alice.post(room, "not for the record"), 200);
  await bob.waitForMessage(({ text }) => text === "not for the record", LAB_TIMEOUT_MS);
  assert.equal((await bob.history(room)).messages.length, 1);
  await bob.part(room);
  await alice.signOff();
  assert.deepEqual(await lab.recorded(room), []);
});
