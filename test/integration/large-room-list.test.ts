import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Reply } from "../../plugin/client/pending-commands.ts";
import { readRooms } from "../../plugin/client/room-data.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { room } from "../support/management.ts";

/** Too many for one reply. */
const CROWD = Array.from({ length: 20 }, (_, index) => `participant${index + 1}`);

let lab: Lab;
before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "carol", "dave", ...CROWD],
    settings: { chat: { "participant-update-limit": 2, "max-reply": "4kB" } },
    rooms: [
      { name: "Hall", members: ["alice", "bob", "carol"] },
      { name: "Nook", members: ["alice"] },
      { name: "Forum", members: CROWD },
      { name: "Vault", privacy: "secret", members: ["bob"] },
    ],
  });
});
after(() => lab?.close());

test("a large room's participants come on request to who is in it, and not again and again", async () => {
  const [alice, bob, carol, dave] = await Promise.all(
    ["alice", "bob", "carol", "dave"].map((user) => lab.signedIn(user)),
  );
  assert.ok(alice && bob && carol && dave);
  const hall = lab.room("Hall");
  for (const endpoint of [alice, bob, carol]) assert.equal((await endpoint.join(hall)).code, 200);
  const list = await alice.command("getparts", room(hall));
  assert.equal(list.code, 200, list.text);
  assert.deepEqual(
    readRooms(list.data)[0]
      ?.participants.map(({ address }) => address)
      .sort(),
    ["alice", "bob", "carol"].map((user) => lab.address(user)),
  );
  assert.equal((await alice.command("getparts", room(hall))).code, 503);
  await carol.part(hall);
  assert.equal((await carol.command("getparts", room(hall))).code, 480);
  assert.equal((await dave.command("getparts", room(hall))).code, 403);
  await bob.join(lab.room("Vault"));
  assert.equal((await bob.command("getparts", room(lab.room("Vault")))).code, 405);
  const outside = await dave.command("getparts", room(lab.room("Vault")));
  const nothing = await dave.command(
    "getparts",
    room("ma-chan://example.com/00000000-0000-4000-8000-000000000000"),
  );
  assert.deepEqual([outside.code, outside.text], [nothing.code, nothing.text]);
  assert.equal(outside.code, 404);
});

test("a large room's participants come in as many replies as it takes: everybody once, and each reply may travel", async () => {
  await lab.sql(
    "UPDATE principal SET display_name = CONCAT(display_name, ' ', REPEAT('\u00e9', 60)) WHERE uri LIKE 'sip:participant%'",
  );
  const forum = lab.room("Forum");
  const everybody = await Promise.all(CROWD.map((user) => lab.signedIn(user)));
  for (const endpoint of everybody) assert.equal((await endpoint.join(forum)).code, 200);
  const listed = (replies: readonly Reply[]) =>
    replies.flatMap(({ data }) => readRooms(data).flatMap(({ participants }) => participants));
  const [asker] = everybody;
  assert.ok(asker);
  const replies = await asker.session.command(
    "getparts",
    room(forum),
    (some) => some.some(({ code }) => code !== 200) || listed(some).length >= CROWD.length,
  );
  assert.deepEqual(
    listed(replies)
      .map(({ address }) => address)
      .sort(),
    CROWD.map(lab.address).sort(),
  );
  for (const { name } of listed(replies)) assert.ok(name.endsWith("\u00e9".repeat(60)), name);
  assert.ok(replies.length >= 3, `${replies.length} replies`);
  // A reply more would be a violation of the client's rules; this comes behind it.
  assert.equal((await asker.history(forum)).code, 200);
  assert.deepEqual(asker.violations, []);
});
