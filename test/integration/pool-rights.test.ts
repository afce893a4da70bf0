import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { list, room as roomBlock } from "../support/management.ts";
import { incarnationOf, NODES, signedInOn, untilTakenOver } from "../support/pool-people.ts";
import { until } from "../support/until.ts";

let lab: Lab;
before(async () => {
  lab = await openLab({ nodes: 2, users: ["alice", "bob", "carol"] });
});
afterEach(async () => {
  await lab?.clearAway();
  for (const name of [...NODES, "redis"])
    if (lab && !(name in lab.stack.pids())) await lab.stack.restart(name);
});
after(() => lab?.close());

test("a manager's change on one node acts on the other: who is out hears nothing more, who stays hears of it", async () => {
  const uri = await lab.addRoom({ name: "Across", members: ["alice", "bob", "carol"], managers: ["alice"] });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  const carol = await signedInOn(lab, "n2", "carol", uri);
  const change = (inner: string) => alice.command("chanmodify", roomBlock(uri, {}, inner));
  assert.equal((await change(list("MEMBER", "REMOVE", [lab.address("bob")]))).code, 200);
  for (const text of ["one", "two"]) assert.equal(await alice.post(uri, text), 200);
  await carol.waitForMessage(({ text }) => text === "two", LAB_TIMEOUT_MS);
  await bob.waitForNotice(({ kind }) => kind === "kick", LAB_TIMEOUT_MS);
  assert.deepEqual(bob.messages, []);
  assert.equal((await change(list("MANAGER", "ADD", [lab.address("carol")]))).code, 200);
  for (const endpoint of [alice, carol])
    await endpoint.waitForNotice(
      ({ kind, users }) => kind === "permmodify" && users[0]?.permissions === 12276,
      LAB_TIMEOUT_MS,
    );
  assert.deepEqual(
    (await alice.join(uri)).rooms[0]?.participants.map(({ permissions }) => permissions),
    [12276, 12276],
  );
});

test("without Redis a change still keeps later messages from who lost his right on the other node", async () => {
  const uri = await lab.addRoom({ name: "Without Redis", members: ["alice", "bob", "carol"] });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  const carol = await signedInOn(lab, "n2", "carol", uri);
  await lab.stack.kill("redis", "SIGKILL");
  await lab.administration.removeRole(uri, lab.address("bob"), "member");
  assert.equal(await alice.post(uri, "by the database"), 200);
  await carol.waitForMessage(({ text }) => text === "by the database", LAB_TIMEOUT_MS);
  await bob.waitForNotice(({ kind }) => kind === "kick", LAB_TIMEOUT_MS);
  assert.deepEqual(bob.messages, []);
});

test("who lost his right while his node was dead is out when another has taken over, and gets nothing of what was said", async () => {
  const uri = await lab.addRoom({ name: "Orphaned", members: ["alice", "bob", "carol"] });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  const carol = await signedInOn(lab, "n2", "carol", uri);
  const dead = await incarnationOf(lab, "n2");
  await lab.stack.kill("n2", "SIGKILL");
  await lab.administration.removeRole(uri, lab.address("bob"), "member");
  assert.equal(await alice.post(uri, "while they were away"), 200);
  await untilTakenOver(lab, dead);
  await carol.waitForMessage(({ text }) => text === "while they were away", LAB_TIMEOUT_MS);
  await until("bob has left on the record", async () =>
    (await lab.recorded(uri)).some(({ kind, actor }) => kind === "PART" && actor === lab.address("bob")),
  );
  assert.deepEqual(bob.messages, []);
  assert.equal(await bob.post(uri, "still here?"), 403);
});
