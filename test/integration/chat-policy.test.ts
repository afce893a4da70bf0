import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createConnection } from "mysql2/promise";
import { ClientError } from "../../plugin/client/client-error.ts";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { attribute, child } from "../../plugin/client/xml-reader.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

let lab: Lab;
before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "carol", "dave", "erin", "frank"],
    rooms: [{ name: "Desk", members: ["alice", "bob"] }],
  });
});
after(() => lab?.close());

function setPreference(label: string, version: number, seqid = 1): string {
  return `<cmd id="cmd:setpref" seqid="${seqid}"><data><pref label="${label}" seqid="${version}" createdefault="false" content="YQ=="/></data></cmd>`;
}

async function info(endpoint: XccosEndpoint, commands: readonly string[]): Promise<number> {
  const envid = endpoint.session.nextEnvid();
  const body = `<xccos ver="1" envid="${envid}" xmlns="urn:parlano:xml:ns:xccos">${commands.join("")}</xccos>`;
  return (await endpoint.sendInfo({ body: Buffer.from(body) })).status;
}

/** Commands that take a second each, one after the other, while the preference of that label is locked. */
function slowCommands(label: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => setPreference(label, 1, index + 1));
}

async function preferenceVersion(endpoint: XccosEndpoint, label: string): Promise<string | undefined> {
  const { data } = await endpoint.command(
    "getpref",
    `<pref label="${label}" seqid="0" createdefault="true"/>`,
  );
  const pref = child(data, "pref");
  return pref && attribute(pref, "seqid");
}

async function locked(label: string, meanwhile: () => Promise<void>): Promise<void> {
  const connection = await createConnection({ uri: lab.stack.mysqlUrl });
  try {
    await connection.beginTransaction();
    await connection.query("SELECT * FROM preference WHERE label = ? FOR UPDATE", [label]);
    await meanwhile();
  } finally {
    connection.destroy();
  }
}

test("who loses the policy is out of the rooms, gets nothing more, and is refused when he starts over", async () => {
  const alice = await lab.signedIn("alice");
  const bob = await lab.signedIn("bob");
  const desk = lab.room("Desk");
  for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(desk)).code, 200);

  // Who comes and goes within the same second is not mentioned to anybody.
  await alice.waitForNotice(
    ({ kind, users }) => /join$/.test(kind) && users.some(({ address }) => address === bob.address),
    LAB_TIMEOUT_MS,
  );

  await lab.administration.addUser({ uri: lab.address("bob"), enabled: false });
  const left = await alice.waitForNotice(
    ({ kind, room }) => kind === "part" && room === desk,
    LAB_TIMEOUT_MS,
  );
  assert.deepEqual(
    left.users.map(({ address }) => address),
    [lab.address("bob")],
  );
  const told = await bob.waitForNotice(({ kind }) => kind === "kick", LAB_TIMEOUT_MS);
  assert.equal(told.room, desk);
  const before = bob.messages.length;
  assert.equal(await alice.post(desk, "among ourselves"), 200);
  await alice.waitForMessage(({ text }) => text === "among ourselves", LAB_TIMEOUT_MS);
  assert.equal(await bob.post(desk, "still here?"), 481);
  assert.equal(bob.messages.length, before);
  const again = lab.endpoint("bob");
  await assert.rejects(again.signIn({ provision: false, lookup: false, poolUri: lab.stack.poolUri }), /403/);
  const history = await alice.history(desk);
  assert.deepEqual(
    history.messages.map(({ text }) => text),
    ["among ourselves"],
  );
});

test("who is busy when he loses the policy hears nothing more, is out before his commands are done, and holds up nobody else's changes", async () => {
  const [talk, other] = await Promise.all([
    lab.addRoom({ name: "Talk", members: ["carol", "dave", "erin"] }),
    lab.addRoom({ name: "Other", members: ["erin"] }),
  ]);
  const [carol, dave, erin] = await Promise.all(["carol", "dave", "erin"].map((name) => lab.signedIn(name)));
  assert.ok(carol && dave && erin);
  for (const endpoint of [carol, dave]) assert.equal((await endpoint.join(talk)).code, 200);
  assert.equal((await erin.join(other)).code, 200);
  assert.equal(await info(carol, [setPreference("busy", 0)]), 200);
  await until("it is stored", async () => (await preferenceVersion(carol, "busy")) === "1");

  await locked("busy", async () => {
    assert.equal(await info(carol, slowCommands("busy", 16)), 200);
    const queued = info(carol, [setPreference("queued", 0)]);
    await lab.administration.setUserPolicy(lab.address("carol"), false);
    await lab.administration.removeRole(other, lab.address("erin"), "member");
    await erin.waitForNotice(({ kind, room }) => kind === "kick" && room === other, LAB_TIMEOUT_MS);
    // The changes of one look, users first: carol's has been applied, whatever she has under way.
    for (const text of ["one", "two"]) assert.equal(await dave.post(talk, text), 200);
    await dave.waitForMessage(({ text }) => text === "two", LAB_TIMEOUT_MS);
    const out = await carol.waitForNotice(({ kind }) => kind === "kick", LAB_TIMEOUT_MS);
    assert.equal(out.room, talk);
    assert.ok([481, 503].includes(await queued), "not begun");
    assert.equal(await carol.post(talk, "still here?"), 481);
  });
  assert.deepEqual(carol.messages, []);
  const coming = (await lab.recorded(talk)).filter(({ actor }) => actor === lab.address("carol"));
  assert.deepEqual(
    coming.map(({ kind, detail }) => [kind, detail.reason]),
    [
      ["JOIN", undefined],
      ["PART", "expelled"],
    ],
  );
  const kept = await lab.sql<{ label: string; version: number }>("SELECT label, version FROM preference");
  assert.deepEqual(kept, [{ label: "busy", version: 1 }]);
});

test("who is busy when he is taken out of the group that made him a member hears nothing more, and is told when he is done", async () => {
  const room = await lab.addRoom({ name: "Shift", members: ["erin"] });
  await lab.administration.addGroup("ma-grp:shift", "Shift");
  await lab.administration.addRole(room, "ma-grp:shift", "member");
  await lab.administration.addToGroup("ma-grp:shift", [lab.address("dave")]);
  const [dave, erin] = await Promise.all([lab.signedIn("dave"), lab.signedIn("erin")]);
  for (const endpoint of [dave, erin]) assert.equal((await endpoint.join(room)).code, 200);
  assert.equal(await info(dave, [setPreference("shift", 0)]), 200);
  await until("it is stored", async () => (await preferenceVersion(dave, "shift")) === "1");

  await locked("shift", async () => {
    assert.equal(await info(dave, slowCommands("shift", 16)), 200);
    await lab.administration.removeFromGroup("ma-grp:shift", lab.address("dave"));
    // Of a later look than dave's, or of the same, behind his.
    await lab.administration.changeRoom(room, { description: "without dave" });
    await erin.waitForNotice(({ kind }) => kind === "chanmodify", LAB_TIMEOUT_MS);
    assert.equal(await erin.post(room, "among ourselves"), 200);
    await erin.waitForMessage(({ text }) => text === "among ourselves", LAB_TIMEOUT_MS);
    assert.ok(!dave.notices.some(({ kind }) => kind === "kick"), "he is still busy");
  });
  assert.equal((await dave.waitForNotice(({ kind }) => kind === "kick", LAB_TIMEOUT_MS)).room, room);
  assert.deepEqual(dave.messages, []);
  assert.equal(await dave.post(room, "still here?"), 403);
});

test("a command that has waited for so long that its INFO was answered 503 is not carried out", async () => {
  const frank = await lab.signedIn("frank");
  assert.equal(await info(frank, [setPreference("slow", 0)]), 200);
  await until("it is stored", async () => (await preferenceVersion(frank, "slow")) === "1");
  await locked("slow", async () => {
    assert.equal(await info(frank, slowCommands("slow", 16)), 200);
    assert.equal(await info(frank, [setPreference("late", 0)]), 503);
  });
  assert.equal(await preferenceVersion(frank, "late"), "0");
});

test("a subscription to one's own presence ends with the policy, and nothing is published any more", async () => {
  const [frank, again] = await Promise.all([lab.signedIn("frank"), lab.signedIn("frank")]);
  await frank.presence.subscribe();
  await lab.administration.setUserPolicy(lab.address("frank"), false);
  const refused = (status: number) => (error: unknown) =>
    error instanceof ClientError && error.status === status;
  await assert.rejects(frank.presence.subscribe(), refused(481));
  await assert.rejects(again.presence.subscribe(), refused(403));
  const followed = await again.presence.follow("ma-chan://example.com/room", "Room");
  assert.equal(followed.status, 403, "nor is anything published");
});
