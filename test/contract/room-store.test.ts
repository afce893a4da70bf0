import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { ChatError } from "../../src/chat/errors.ts";
import { NO_ACCESS, refusal } from "../../src/chat/role.ts";
import type { Room } from "../../src/chat/room.ts";
import type { User } from "../../src/chat/user.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { ask, dialogRecord, type MysqlLab, newUser, recorder, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let stores: Stores;
let admin: Stores["administration"];
let member: User;
let manager: User;
let stranger: User;
let groupie: User;
let denied: User;
const rooms = new Map<string, Room>();

/** Every privacy, enabled and disabled, in a category for the domain and in one for nobody but a group. */
before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
  admin = stores.administration;
  [member, manager, stranger, groupie, denied] = (await Promise.all(
    ["member", "manager", "stranger", "groupie", "denied"].map((name) => newUser(stores, name)),
  )) as [User, User, User, User, User]; // as many as names
  await admin.addGroup("ma-grp:1", "A group");
  await admin.addToGroup("ma-grp:1", [groupie.uri]);
  groupie = (await stores.users.find(groupie.uri)) ?? groupie;
  await admin.addCategory({ name: "Everybody", allowed: ["example.com"], denied: [denied.uri] });
  await admin.addCategory({ name: "Group", allowed: ["ma-grp:1"] });
  for (const category of ["Everybody", "Group"])
    for (const privacy of ["open", "closed", "secret"] as const)
      for (const state of ["enabled", "disabled"]) {
        const name = `${category} ${privacy} ${state}`;
        const room = await admin.addRoom({ name, category, privacy, description: `100% of "${name}"` });
        if (category === "Everybody") {
          await admin.addRole(room.id, member.uri, "member");
          await admin.addRole(room.id, manager.uri, "manager");
        }
        if (state === "disabled") await admin.setRoomDisabled(room.id, true);
        rooms.set(name, await admin.findRoom(room.id));
      }
});
after(() => lab.stop());

const all = { words: "", inDescription: false };
const names = (found: readonly Room[]) => found.map(({ name }) => name);

test("a search shows exactly the enabled rooms that the table of rights lets each user see, sorted by name", async () => {
  for (const user of [member, manager, stranger, groupie, denied]) {
    const everything = [...rooms.values()];
    const access = await stores.rooms.access(everything, user);
    const visible = everything.filter((room, index) => {
      const held = access[index];
      return held && !room.disabled && refusal("see", room, held) === undefined;
    });
    assert.deepEqual(names(await stores.rooms.search(all, user, 999)), names(visible).sort(), user.uri);
  }
  assert.equal((await stores.rooms.search(all, denied, 999)).length, 0);
  assert.deepEqual(names(await stores.rooms.search(all, groupie, 999)), [
    "Everybody closed enabled",
    "Everybody open enabled",
    "Group closed enabled",
    "Group open enabled",
  ]);
});

test("the rooms that a search in history looks into are exactly those that the table of rights lets each user read", async () => {
  for (const user of [member, manager, stranger, groupie, denied]) {
    const everything = [...rooms.values()];
    const access = await stores.rooms.access(everything, user);
    const expected = everything
      .filter((room, index) => refusal("read", room, access[index] ?? NO_ACCESS) === undefined)
      .map(({ id }) => id);
    assert.deepEqual(await stores.rooms.readable(user, 999), expected, user.uri);
    assert.deepEqual(await stores.rooms.readable(user, 1), expected.slice(0, 1), user.uri);
  }
  const [first] = await stores.rooms.readable(member, 1);
  await ask(lab.url, "UPDATE category SET chat_history = 0 WHERE name = 'Everybody'");
  const left = await stores.rooms.readable(member, 999);
  await ask(lab.url, "UPDATE category SET chat_history = 1 WHERE name = 'Everybody'");
  assert.ok(first !== undefined && !left.includes(first), "rooms that keep no history are not looked into");
});

test("rooms in which somebody is now are told to whom the table of rights lets enter or manage them, as many as are asked for", async () => {
  const present = recorder(member);
  const home = await stores.leases.begin("n1");
  await stores.journal(home).open(dialogRecord(present, home));
  await ask(
    lab.url,
    "INSERT INTO dialog_room (token, room_id, mask, since) SELECT d.token, r.id, 0, 0 FROM dialog d JOIN room r",
  );
  for (const user of [member, manager, stranger, groupie, denied, { ...stranger, administrator: true }])
    for (const disabled of [false, true]) {
      const everything = [...rooms.values()].filter((room) => room.disabled === disabled);
      const access = await stores.rooms.access(everything, user);
      const expected = everything.filter((room, index) => {
        const held = access[index] ?? NO_ACCESS;
        return !refusal("join", room, held) || !refusal("manage", room, held);
      });
      const found = (limit: number) =>
        stores.rooms.search({ ...all, participant: present.user.uri, disabled }, user, limit);
      const expectedNames = names(expected).sort();
      assert.deepEqual(names(await found(999)), expectedNames, user.uri);
      assert.deepEqual(
        names(await found(1)),
        expectedNames.slice(0, 1),
        "none that are hidden take the place",
      );
    }
  await ask(lab.url, "DELETE FROM dialog_room");
});

test("a secret room appears in no search of an outsider, whatever is asked for", async () => {
  for (const query of [
    { ...all, words: "secret" },
    { ...all, privacy: "secret" as const },
    { words: "secret", inDescription: true },
  ])
    assert.deepEqual(await stores.rooms.search(query, stranger, 999), []);
  assert.deepEqual(names(await stores.rooms.search({ ...all, words: "secret" }, member, 999)), [
    "Everybody secret enabled",
  ]);
});

test("a secret room and a room that does not exist cost an outsider's look the same statements", async () => {
  const secret = rooms.get("Everybody secret enabled");
  assert.ok(secret);
  const count = async () => {
    const rows = await stores.database.rows<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Com_select'");
    return Number(rows[0]?.Value);
  };
  const look = async (guid: string): Promise<number> => {
    const before = await count();
    const room = await stores.rooms.find("example.com", guid);
    const [access] = await stores.rooms.access([room], stranger);
    assert.equal(room && access ? refusal("see", room, access) : "ROOM_NOT_FOUND", "ROOM_NOT_FOUND");
    return (await count()) - before;
  };
  assert.equal(await look(randomUUID()), await look(secret.guid));
});

test("words must all match, without regard to case, and what is special in a pattern is ordinary text", async () => {
  const search = async (words: string, inDescription = false) =>
    names(await stores.rooms.search({ words, inDescription }, member, 999));
  assert.deepEqual(await search("OPEN everybody"), ["Everybody open enabled"]);
  assert.deepEqual(await search("open closed"), []);
  assert.equal((await search("100%", true)).length, 3);
  for (const nothing of ["%", "_", "\\", "'", "' OR 1=1 -- ", "100%"])
    assert.deepEqual(await search(nothing), []);
  assert.equal((await stores.rooms.search(all, member, 2)).length, 2);
});

test("associations are the enabled rooms of the role", async () => {
  assert.deepEqual(names(await stores.rooms.associations("member", member, 99)), [
    "Everybody closed enabled",
    "Everybody open enabled",
    "Everybody secret enabled",
  ]);
  assert.deepEqual(await stores.rooms.associations("member", manager, 99), []);
  assert.equal((await stores.rooms.associations("manager", manager, 99)).length, 3);
});

test("a right that is taken away is gone at the next look, and the room has a new version", async () => {
  const room = rooms.get("Everybody closed enabled");
  assert.ok(room);
  await admin.removeRole(room.id, member.uri, "member");
  const seen = await stores.rooms.find(room.domain, room.guid);
  assert.equal(seen?.accessVersion, room.accessVersion + 1);
  assert.equal((await stores.rooms.access([room], member))[0]?.member, false);
  await admin.addRole(room.id, member.uri, "member");
  const versions = async () =>
    (await stores.rooms.byIds([...rooms.values()].map(({ id }) => id))).map((r) => r.accessVersion);
  const before = await versions();
  await admin.changeCategory("Everybody", { denied: [denied.uri, member.uri], fileUpload: true });
  assert.deepEqual(
    (await versions()).map((version, index) => version - (before[index] ?? 0)),
    [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
  );
  const [access] = await stores.rooms.access([room], member);
  assert.deepEqual(access, NO_ACCESS, "denied wins over the role that is still there");
  assert.equal((await stores.rooms.search(all, member, 999)).length, 0);
  assert.equal((await stores.rooms.associations("member", member, 999)).length, 0);
  assert.equal((await stores.rooms.find(room.domain, room.guid))?.fileUpload, true);
});

test("rooms are found by domain and GUID only, and many looks at once each get their own", async () => {
  const list = [...rooms.values()];
  const found = await Promise.all([
    ...list.map(({ domain, guid }) => stores.rooms.find(domain, guid)),
    stores.rooms.find("example.org", list[0]?.guid ?? ""),
    stores.rooms.find("example.com", "' OR 1=1 -- "),
  ]);
  assert.deepEqual(
    found.map((room) => room?.id),
    [...list.map(({ id }) => id), undefined, undefined],
  );
  assert.deepEqual(await stores.rooms.byIds([]), []);
  const numbers = await stores.rooms.lastNumbers([...list.map(({ id }) => id), 999_999]);
  assert.deepEqual([numbers.size, numbers.has(999_999)], [list.length, false]);
});

test("names are unique among the rooms of a domain and the categories, also for two administrators at once", async () => {
  const taken = (error: unknown) => error instanceof ChatError && error.code === "NAME_TAKEN";
  await assert.rejects(admin.addRoom({ name: "EVERYBODY OPEN ENABLED", category: "Group" }), taken);
  await assert.rejects(admin.addRoom({ name: "everybody", category: "Group" }), taken);
  await assert.rejects(admin.addCategory({ name: "Everybody open enabled" }), taken);
  await assert.rejects(admin.addRooms([{ name: "Everybody", category: "Group" }]), taken);
  await assert.rejects(admin.changeRoom("Group open enabled", { name: "Group" }), taken);
  await admin.addRoom({ name: "Everybody open enabled", category: "Group", domain: "example.org" });
  const both = await Promise.allSettled([
    admin.addRoom({ name: "Twin", category: "Group" }),
    admin.addCategory({ name: "Twin" }),
  ]);
  assert.equal(both.filter(({ status }) => status === "fulfilled").length, 1);
  assert.equal(
    (await admin.changeRoom("Group open enabled", { name: "GROUP open enabled" })).name,
    "GROUP open enabled",
  );
});

test("roles are given only to those whom the category allows", async () => {
  const room = "Everybody open disabled";
  const refused = (code: string) => (error: unknown) => error instanceof ChatError && error.code === code;
  await assert.rejects(admin.addRole(room, denied.uri, "member"), refused("OUT_OF_SCOPE"));
  await assert.rejects(
    admin.addRole(room, "sip:nobody@example.com", "member"),
    refused("PRINCIPAL_NOT_FOUND"),
  );
  await assert.rejects(admin.addRole("No such room", stranger.uri, "member"), refused("ROOM_NOT_FOUND"));
  await assert.rejects(
    admin.addRole("Group secret enabled", stranger.uri, "presenter"),
    refused("BAD_REQUEST"),
  );
  const version = (await admin.addRole("Group secret enabled", "ma-grp:1", "member")).accessVersion;
  assert.equal(
    (await admin.addRole("Group secret enabled", "ma-grp:1", "member")).accessVersion,
    version,
    "who is there already changes nothing",
  );
  assert.equal(names(await stores.rooms.search(all, groupie, 999)).includes("Group secret enabled"), true);
});

test("text of an administrator comes back as it was given, SQL or not", async () => {
  const name = "Robert'); DROP TABLE room; -- \\ 😀";
  const room = await admin.addRoom({ name, category: "Group", description: name, privacy: "secret" });
  assert.deepEqual([room.name, room.description], [name, name]);
  const { room: seen, category, roles } = await admin.inspectRoom(name);
  assert.deepEqual([seen, category, roles], [room, "Group", []]);
  await admin.removeRoom(name);
  assert.equal(await stores.rooms.find(room.domain, room.guid), undefined);
  assert.deepEqual(await ask(lab.url, `SELECT role FROM room_role WHERE room_id = ${room.id}`), []);
});
