import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { attribute, child } from "../../plugin/client/xml-reader.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ nodes: 2, users: ["alice", "bob", "carol", "dave", "erin"] });
  await lab.administration.addGroup("ma-grp:shift", "Shift");
  await lab.administration.addCategory({
    name: "Inviting",
    allowed: [lab.stack.domain, "ma-grp:shift"],
    invitations: true,
  });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

/** Names of the rooms with their numbers, as `getinv` answers. */
async function invited(endpoint: XccosEndpoint, after = 0): Promise<string[]> {
  const { code, invitations } = await endpoint.getInvitations(after);
  assert.equal(code, 200);
  return invitations.map(({ inviteId, room }) => `${inviteId} ${room.name}`);
}

function toldOf(endpoint: XccosEndpoint, room: string): Promise<number> {
  return endpoint
    .waitForNotice((notice) => notice.kind === "invite" && notice.room === room, LAB_TIMEOUT_MS)
    .then(({ data }) => {
      const block = data && child(data, "chanib");
      return Number(attribute((block && child(block, "inv")) ?? assert.fail("no inv"), "inviteId"));
    });
}

test("a new member of a room that invites is told at once on every client, and asks for what is newer", async () => {
  const [desk, laptop] = await Promise.all([lab.signedIn("bob"), lab.signedIn("bob")]);
  assert.deepEqual(await invited(desk), []);
  assert.deepEqual(await invited(laptop), []);
  const room = await lab.addRoom({
    name: "Welcome",
    category: "Inviting",
    privacy: "secret",
    members: ["bob"],
  });
  assert.deepEqual(await Promise.all([toldOf(desk, room), toldOf(laptop, room)]), [1, 1]);
  const second = await lab.addRoom({
    name: "Welcome again",
    category: "Inviting",
    members: ["bob", "carol"],
  });
  assert.equal(await toldOf(desk, second), 2);
  assert.deepEqual(await invited(laptop), ["1 Welcome", "2 Welcome again"]);
  assert.deepEqual(await invited(laptop, 1), ["2 Welcome again"]);
  assert.deepEqual(await invited(laptop, 2), []);
  const { invitations } = await desk.getInvitations(1);
  assert.equal(invitations[0]?.room.uri, second);
  assert.ok(Math.abs(Date.parse(invitations[0]?.createdOn ?? "") - Date.now()) < 60_000);
  // Numbers are each user's own.
  assert.deepEqual(await invited(await lab.signedIn("carol")), ["1 Welcome again"]);
});

test("who was away is told when he asks, once for each room", async () => {
  const room = await lab.addRoom({ name: "Meanwhile", category: "Inviting", members: ["dave"] });
  await lab.administration.addRole(room, lab.address("dave"), "member");
  const dave = await lab.signedIn("dave");
  assert.deepEqual(await invited(dave), ["1 Meanwhile"]);
  await lab.administration.addRole(room, lab.address("dave"), "manager");
  assert.deepEqual(await invited(dave), ["1 Meanwhile"]);
});

test("no room invites whose category does not, or that was told not to, and no role but membership", async () => {
  const erin = await lab.signedIn("erin");
  await lab.addRoom({ name: "Plain", members: ["erin"] });
  await lab.administration.addRoom({ name: "Never", category: "Inviting", invitations: false });
  await lab.administration.addRole("Never", lab.address("erin"), "member");
  await lab.addRoom({ name: "Managed", category: "Inviting", managers: ["erin"] });
  await lab.addRoom({ name: "Open", category: "Inviting", privacy: "open" });
  const last = await lab.addRoom({ name: "Last", category: "Inviting", members: ["erin"] });
  await toldOf(erin, last);
  assert.deepEqual(await invited(erin), ["1 Last"]);
  assert.equal(erin.notices.filter(({ kind }) => kind === "invite").length, 1);
});

test("an invitation goes when the right goes, the room is disabled, stops inviting or is deleted", async () => {
  const carol = await lab.signedIn("carol");
  const before = await invited(carol);
  const highest = before.length;
  const rooms = ["Leaves", "Sleeps", "Falls silent", "Goes"];
  for (const name of rooms) await lab.addRoom({ name, category: "Inviting", members: ["carol"] });
  assert.deepEqual(
    await invited(carol, highest),
    rooms.map((name, index) => `${highest + index + 1} ${name}`),
  );
  await lab.administration.removeRole("Leaves", lab.address("carol"), "member");
  await lab.administration.setRoomDisabled("Sleeps", true);
  await lab.administration.changeRoom("Falls silent", { invitations: false });
  await lab.administration.removeRoom("Goes");
  assert.deepEqual(await invited(carol), before);
  // Back again: the room that slept has its invitation still, the one that was left makes a new one.
  await lab.administration.setRoomDisabled("Sleeps", false);
  await lab.administration.addRole("Leaves", lab.address("carol"), "member");
  assert.deepEqual(await invited(carol, highest), [`${highest + 2} Sleeps`, `${highest + 5} Leaves`]);
});

test("a group's members are invited with it, and whoever comes into the group later", async () => {
  const { administration } = lab;
  await administration.addToGroup("ma-grp:shift", [lab.address("alice")]);
  const alice = await lab.signedIn("alice");
  const dave = await lab.signedIn("dave");
  const highest = (await invited(dave)).length;
  const { uri } = await administration.addRoom({ name: "Shift room", category: "Inviting" });
  await administration.addRole(uri, "ma-grp:shift", "member");
  assert.equal(await toldOf(alice, uri), 1);
  await administration.addToGroup("ma-grp:shift", [lab.address("dave")]);
  assert.equal(await toldOf(dave, uri), highest + 1);
  await administration.removeFromGroup("ma-grp:shift", lab.address("dave"));
  assert.equal((await invited(dave)).length, highest);
  assert.deepEqual(await invited(alice), ["1 Shift room"]);
});

test("a domain's users are invited with it, those who are added later too", async () => {
  const { administration, stack } = lab;
  const { uri } = await administration.addRoom({ name: "Everybody", category: "Inviting" });
  await administration.addRole(uri, stack.domain, "member");
  const alice = await lab.signedIn("alice");
  assert.ok((await invited(alice)).some((line) => line.endsWith(" Everybody")));
  await administration.addUser({ uri: "sip:newcomer@example.com", enabled: true });
  const rows = await lab.sql<{ number: number }>(
    "SELECT i.number FROM invitation i JOIN principal p ON p.id = i.user_id WHERE p.uri = 'sip:newcomer@example.com'",
  );
  assert.deepEqual(rows, [{ number: 1 }]);
});

test("a thousand members at once are all invited, with dense numbers", async () => {
  const { administration } = lab;
  const users = await administration.addUsers(
    Array.from({ length: 1_200 }, (_, index) => ({ uri: `sip:many${index}@example.org` })),
  );
  const rooms = await administration.addRooms([
    { name: "Many A", category: "Inviting" },
    { name: "Many B", category: "Inviting" },
  ]);
  await administration.addRoles(
    rooms.flatMap((roomId) => users.map((principalId) => ({ roomId, principalId, role: "member" as const }))),
  );
  const [counted] = await lab.sql<{ users: number; lowest: number; highest: number }>(
    "SELECT COUNT(DISTINCT user_id) AS users, MIN(number) AS lowest, MAX(number) AS highest FROM invitation WHERE room_id IN (?)",
    [rooms],
  );
  assert.deepEqual(counted, { users: 1_200, lowest: 1, highest: 2 });
});

test("an invitation that a process left behind when it died is written by a node, and told", async () => {
  const erin = await lab.signedIn("erin");
  const { id, uri } = await lab.administration.addRoom({ name: "Left behind", category: "Inviting" });
  const user = await lab.administration.inspectPrincipal(lab.address("erin"));
  await lab.sql("INSERT INTO room_role (room_id, principal_id, role) VALUES (?)", [
    [id, user.principal.id, "member"],
  ]);
  await lab.sql("INSERT INTO invitation_work (due_ms, work) VALUES (0, ?)", [
    JSON.stringify({ what: "invite", rooms: [id], through: [user.principal.id] }),
  ]);
  assert.ok((await toldOf(erin, uri)) > 0);
});
