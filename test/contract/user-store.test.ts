import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatError } from "../../src/chat/errors.ts";
import type { Aor } from "../../src/chat/user.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { type MysqlLab, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let stores: Stores;
let admin: Stores["administration"];

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
  admin = stores.administration;
});
after(() => lab.stop());

const aor = (uri: string) => uri as Aor; // written as one

test("a user's own policy beats the global one, which is off until an administrator says otherwise", async () => {
  for (const [name, enabled] of [
    ["yes", true],
    ["no", false],
    ["unset", null],
  ] as const)
    await admin.addUser({ uri: `sip:${name}@example.com`, displayName: name, enabled });
  const enabled = async () =>
    Promise.all(
      ["yes", "no", "unset"].map(
        async (name) => (await stores.users.find(aor(`sip:${name}@example.com`)))?.enabled,
      ),
    );
  assert.equal(await admin.globalPolicy(), false);
  assert.deepEqual(await enabled(), [true, false, false]);
  await admin.setGlobalPolicy(true);
  assert.deepEqual(await enabled(), [true, false, true]);
  await admin.setUserPolicy("sip:yes@example.com", null);
  await admin.setGlobalPolicy(false);
  assert.deepEqual(await enabled(), [false, false, false]);
});

test("whose policy is off is told apart from whose is on, by the own policy or the global one", async () => {
  const id = (uri: string, enabled: boolean | null) => admin.addUser({ uri, enabled });
  const on = await id("sip:on@example.com", true);
  const off = await id("sip:off@example.com", false);
  const global = await id("sip:as-global@example.com", null);
  await admin.setGlobalPolicy(false);
  assert.deepEqual(await stores.users.notEnabled([on, off, global, 4_000_000]), [off, global, 4_000_000]);
  await admin.setGlobalPolicy(true);
  assert.deepEqual(await stores.users.notEnabled([on, off, global]), [off]);
  await admin.setGlobalPolicy(false);
  assert.deepEqual(await stores.users.notEnabled([]), []);
});

test("an unknown user comes into being only of a served domain, and only with the global policy on", async () => {
  assert.equal(await stores.users.find(aor("sip:new@example.com")), undefined);
  await admin.setGlobalPolicy(true);
  assert.equal(await stores.users.find(aor("sip:new@elsewhere.example")), undefined);
  assert.equal(await stores.users.find(aor("example.com")), undefined, "a domain is no user");
  const born = await Promise.all(
    Array.from({ length: 8 }, () => stores.users.find(aor("sip:new@example.com"))),
  );
  assert.equal(new Set(born.map((user) => user?.id)).size, 1);
  assert.deepEqual([born[0]?.displayName, born[0]?.enabled, born[0]?.email], ["new", true, null]);
  await admin.setGlobalPolicy(false);
});

test("a user stands for itself, its groups and its domain", async () => {
  const domain = await admin.addDomainPrincipal("example.com");
  const group = await admin.addGroup("ma-grp:7", "Seven");
  const id = await admin.addUser({
    uri: "sip:Grouped@Example.com",
    displayName: "O'Neil \\ 😀",
    email: "g@example.com",
  });
  await admin.addToGroup("ma-grp:7", ["sip:grouped@example.com"]);
  const user = await stores.users.find(aor("sip:grouped@example.com"));
  assert.deepEqual(user?.principalIds, [id, group, domain]);
  assert.deepEqual(
    [user?.uri, user?.displayName, user?.email],
    ["sip:grouped@example.com", "O'Neil \\ 😀", "g@example.com"],
  );
  await admin.removeFromGroup("ma-grp:7", "sip:grouped@example.com");
  assert.deepEqual((await stores.users.find(aor("sip:grouped@example.com")))?.principalIds, [id, domain]);
});

test("adding a user again brings up to date what is given, and nothing else", async () => {
  const id = await admin.addUser({
    uri: "sip:twice@example.com",
    displayName: "First",
    email: "a@example.com",
    enabled: true,
  });
  assert.equal(await admin.addUser({ uri: "sip:TWICE@example.com", displayName: "Second" }), id);
  const user = await stores.users.find(aor("sip:twice@example.com"));
  assert.deepEqual([user?.displayName, user?.email, user?.enabled], ["Second", "a@example.com", true]);
  for (const wrong of [
    "twice@example.com",
    "sip:a b@example.com",
    "sip:@example.com",
    "sip:x",
    "sip:a@b'; --",
  ])
    await assert.rejects(
      admin.addUser({ uri: wrong }),
      (error) => error instanceof ChatError && error.code === "BAD_REQUEST",
    );
});

test("thousands of users, rooms and roles are added in a few statements", async () => {
  const users = Array.from({ length: 4_500 }, (_, n) => ({
    uri: `sip:bulk${n}@example.com`,
    displayName: `Bulk ${n}`,
    enabled: true,
  }));
  const userIds = await admin.addUsers(users);
  assert.equal(new Set(userIds).size, 4_500);
  assert.deepEqual(await admin.addUsers(users.slice(0, 10)), userIds.slice(0, 10));
  await admin.addCategory({ name: "Bulk", allowed: ["example.com"] });
  const roomIds = await admin.addRooms(
    Array.from({ length: 2_500 }, (_, n) => ({ name: `Bulk room ${n}`, category: "Bulk" })),
  );
  assert.equal(new Set(roomIds).size, 2_500);
  const [first = 0] = roomIds;
  await admin.addRoles(
    userIds.map((principalId) => ({ roomId: first, principalId, role: "member" as const })),
  );
  assert.equal((await admin.inspectRoom(first)).roles.length, 4_500);
  const user = await stores.users.find(aor("sip:bulk4499@example.com"));
  assert.ok(user);
  assert.deepEqual(
    (await stores.rooms.associations("member", user, 10)).map(({ id }) => id),
    [first],
  );
});
