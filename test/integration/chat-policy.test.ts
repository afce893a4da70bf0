import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";

let lab: Lab;
before(async () => {
  lab = await openLab({ users: ["alice", "bob"], rooms: [{ name: "Desk", members: ["alice", "bob"] }] });
});
after(() => lab?.close());

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
