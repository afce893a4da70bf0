import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatError, type ChatErrorCode } from "../../src/chat/errors.ts";
import type { Aor, User } from "../../src/chat/user.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { type MysqlLab, newUser, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let stores: Stores;
let admin: Stores["administration"];

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
  admin = stores.administration;
  await admin.addCategory({ name: "Everything", allowed: ["example.com"] });
});
after(() => lab.stop());

let made = 0;

async function newGroups(count: number): Promise<string[]> {
  const uris = Array.from({ length: count }, () => `ma-grp:test-${++made}`);
  for (const uri of uris) await admin.addGroup(uri, `Group ${uri}`);
  return uris;
}

async function newRoom(role?: { group: string }): Promise<number> {
  const room = await admin.addRoom({ name: `Room ${++made}`, category: "Everything" });
  if (role) await admin.addRole(room.id, role.group, "member");
  return room.id;
}

/** Groups that the user stands for, as a session that begins now has them. */
async function groupsOf(user: User): Promise<string[]> {
  const now = await stores.users.find(user.uri);
  const groups = await admin.listGroups(1_000);
  return groups.filter(({ id }) => now?.principalIds.includes(id)).map(({ uri }) => uri);
}

async function versions(...roomIds: number[]): Promise<number[]> {
  const rooms = new Map((await stores.rooms.byIds(roomIds)).map((room) => [room.id, room.accessVersion]));
  return roomIds.map((id) => rooms.get(id) ?? 0);
}

const isMember = async (roomId: number, user: User) => {
  const rooms = await stores.rooms.byIds([roomId]);
  return (await stores.rooms.access(rooms, user))[0]?.member;
};

const refused = (code: ChatErrorCode, words: RegExp) => (error: unknown) =>
  error instanceof ChatError && error.code === code && words.test(error.message);

test("a user stands for the groups around his, three deep, and for none of them once he is out of the innermost", async () => {
  const [outer = "", middle = "", inner = ""] = await newGroups(3);
  const user = await newUser(stores, "nested");
  await admin.addToGroup(outer, [middle]);
  await admin.addToGroup(middle, [inner]);
  const { gained, lost, groups } = await admin.addToGroup(inner, [user.uri.toUpperCase()]);
  assert.deepEqual([gained, lost, groups.length], [3, 0, 3]);
  assert.deepEqual(await groupsOf(user), [outer, middle, inner].sort());
  await admin.removeFromGroup(inner, user.uri);
  assert.deepEqual(await groupsOf(user), []);
});

test("who is in a group by two ways stays in it while one is left", async () => {
  const [outer = "", left = "", right = ""] = await newGroups(3);
  const user = await newUser(stores, "both-ways");
  await admin.addToGroup(outer, [left, right]);
  await admin.addToGroup(left, [user.uri]);
  await admin.addToGroup(right, [user.uri]);
  await admin.removeFromGroup(outer, left);
  assert.deepEqual(await groupsOf(user), [outer, left, right].sort());
  await admin.removeFromGroup(right, user.uri);
  assert.deepEqual(await groupsOf(user), [left]);
});

test("groups in a circle hold the same users; when the circle is opened each has its own again", async () => {
  const [a = "", b = "", c = ""] = await newGroups(3);
  await admin.addToGroup(a, [b]);
  await admin.addToGroup(b, [c]);
  await admin.addToGroup(c, [a]);
  const [first, second] = [await newUser(stores, "circle-1"), await newUser(stores, "circle-2")];
  await admin.addToGroup(a, [first.uri]);
  await admin.addToGroup(c, [second.uri]);
  for (const user of [first, second]) assert.deepEqual(await groupsOf(user), [a, b, c].sort());
  await admin.removeFromGroup(c, a);
  assert.deepEqual(await groupsOf(first), [a]);
  assert.deepEqual(await groupsOf(second), [a, b, c].sort());
  await assert.rejects(admin.addToGroup(a, [a]), refused("BAD_REQUEST", /in itself/));
});

test("the access version rises in the rooms whose lists name one of the groups around, and in no other", async () => {
  const [outer = "", inner = "", aside = ""] = await newGroups(3);
  await admin.addToGroup(outer, [inner]);
  const named = await newRoom({ group: outer });
  const both = await newRoom({ group: inner });
  const other = await newRoom({ group: aside });
  const plain = await newRoom();
  await admin.addCategory({ name: "Scoped", allowed: [outer] });
  const scoped = await admin.addRoom({ name: "Scoped room", category: "Scoped" });
  const rooms = [named, both, other, plain, scoped.id];
  const user = await newUser(stores, "versions");
  const raised = async (change: () => Promise<{ readonly rooms: readonly number[] }>) => {
    const earlier = await versions(...rooms);
    const told = await change();
    const later = await versions(...rooms);
    const risen = rooms.filter((_, at) => later[at] !== earlier[at]);
    assert.deepEqual([...told.rooms].sort(), [...risen].sort(), "what is told is what was done");
    return risen;
  };
  assert.deepEqual(await raised(() => admin.addToGroup(inner, [user.uri])), [named, both, scoped.id]);
  assert.deepEqual(await raised(() => admin.addToGroup(inner, [user.uri])), [], "nothing changed");
  assert.deepEqual(await raised(() => admin.addToGroup(outer, [user.uri])), [], "he was in it already");
  assert.deepEqual(await raised(() => admin.removeFromGroup(inner, user.uri)), [both]);
  assert.deepEqual(await raised(() => admin.removeGroup(outer)), [named, scoped.id]);
});

test("a right by a group is gone at the next look, even to who is looked up as he was before", async () => {
  const [group = ""] = await newGroups(1);
  const room = await newRoom({ group });
  const before = await newUser(stores, "stale");
  await admin.addToGroup(group, [before.uri]);
  assert.equal(await isMember(room, before), true, "gained, though he signed in earlier");
  const signedIn = await stores.users.find(before.uri);
  assert.ok(signedIn);
  assert.deepEqual(
    (await stores.rooms.associations("member", signedIn, 10)).map(({ id }) => id),
    [room],
  );
  await admin.removeFromGroup(group, before.uri);
  assert.equal(await isMember(room, signedIn), false);
  assert.deepEqual(await stores.rooms.associations("member", signedIn, 10), []);
});

test("a group in an allowed group lies in the category's scope, however deep; one in a denied group does not", async () => {
  const [allowed = "", middle = "", inner = "", denied = "", below = "", strange = ""] = await newGroups(6);
  await admin.addToGroup(allowed, [middle, below]);
  await admin.addToGroup(middle, [inner]);
  await admin.addToGroup(denied, [below]);
  const category = `Scoped ${++made}`;
  await admin.addCategory({ name: category, allowed: [allowed], denied: [denied] });
  const { id } = await admin.addRoom({ name: `Room ${++made}`, category });
  for (const group of [allowed, middle, inner]) await admin.addRole(id, group, "member");
  for (const group of [below, denied, strange])
    await assert.rejects(admin.addRole(id, group, "member"), refused("OUT_OF_SCOPE", /does not allow/));
  await admin.changeCategory(category, { creators: [inner] });
  await assert.rejects(
    admin.changeCategory(category, { creators: [below] }),
    refused("OUT_OF_SCOPE", /does not allow|not allowed/),
  );
  const eligible = async (text: string) => (await admin.eligible(id, text, 100)).found.map(({ uri }) => uri);
  const all = await eligible("ma-grp:test-");
  assert.deepEqual(
    [allowed, middle, inner, denied, below, strange].filter((uri) => all.includes(uri)),
    [allowed, middle, inner],
  );
  const user = await newUser(stores, "eligible");
  await admin.addToGroup(inner, [user.uri]);
  await admin.addToGroup(below, [(await newUser(stores, "ineligible")).uri]);
  const users = async (words: string) =>
    (await admin.eligibleIn(category, words, 100, { usersOnly: true })).found.map(({ uri }) => uri);
  assert.deepEqual(await users("eligible"), [user.uri], "a group's users one by one");
  assert.deepEqual(await users("ma-grp:"), []);
  await admin.removeFromGroup(middle, inner);
  await assert.rejects(admin.addRole(id, inner, "manager"), refused("OUT_OF_SCOPE", /does not allow/));
});

test("a group in a group of members is a member: it may present", async () => {
  const [outer = "", inner = "", other = ""] = await newGroups(3);
  await admin.addToGroup(outer, [inner]);
  const { id } = await admin.addRoom({ name: `Room ${++made}`, category: "Everything", type: "auditorium" });
  await admin.addRole(id, outer, "member");
  await admin.addRole(id, inner, "presenter");
  await assert.rejects(
    admin.addRole(id, other, "presenter"),
    refused("PRESENTER_NOT_MEMBER", /must be a member/),
  );
});

test("a group that is removed is out of every list and every group; the directory's can only go there", async () => {
  const [outer = "", group = ""] = await newGroups(2);
  const user = await newUser(stores, "orphan");
  await admin.addToGroup(outer, [group]);
  await admin.addToGroup(group, [user.uri]);
  const room = await newRoom({ group });
  await admin.removeGroup(group);
  assert.deepEqual((await admin.inspectRoom(room)).roles, []);
  assert.deepEqual(await groupsOf(user), []);
  assert.deepEqual((await admin.inspectGroup(outer)).members, []);
  await assert.rejects(admin.inspectGroup(group), refused("PRINCIPAL_NOT_FOUND", /no group/));
  const { id } = (await admin.inspectGroup(outer)).group;
  await stores.database.change("INSERT INTO directory_group (group_id, dn) VALUES (?, 'cn=outer')", [id]);
  await assert.rejects(admin.removeGroup(outer), refused("BAD_REQUEST", /comes from the directory/));
});

test("who comes into a group around which a room invites is invited, and no longer when the group is gone", async () => {
  const [outer = "", inner = ""] = await newGroups(2);
  await admin.addToGroup(outer, [inner]);
  await admin.addCategory({ name: "Inviting", allowed: ["example.com", outer], invitations: true });
  const room = await admin.addRoom({ name: "Inviting room", category: "Inviting" });
  await admin.addRole(room.id, outer, "member");
  const user = await newUser(stores, "invited");
  const invited = async () =>
    (await stores.database.rows("SELECT room_id FROM invitation WHERE user_id = ?", [user.id])).length;
  assert.equal(await invited(), 0);
  await admin.addToGroup(inner, [user.uri]);
  assert.equal(await invited(), 1);
  await admin.removeGroup(outer);
  assert.equal(await invited(), 0);
});

test("how far the work of a large group is, is told: its import, its invitations, its end", async () => {
  const far: [what: string, done: number, all: number | undefined][] = [];
  const watched = await lab.open({ onProgress: (what, done, all) => void far.push([what, done, all]) });
  const told = () => far.splice(0);
  const { administration } = watched;
  const [group = ""] = await newGroups(1);
  const lines = Array.from({ length: 2_100 }, (_, n) => {
    return { line: n + 2, group, name: "", member: `sip:crowd-${n}@example.com` };
  });
  await administration.importMemberships(lines);
  const rights = ["rights by groups", 2_000, undefined];
  assert.deepEqual(told().slice(0, 6), [
    ["users", 0, 2_100],
    ["users", 2_000, 2_100],
    ["memberships", 2_000, 2_100],
    ["memberships", 2_100, 2_100],
    rights,
    ["rights by groups", 2_100, undefined],
  ]);
  await administration.addCategory({ name: "Crowded", allowed: ["example.com"], invitations: true });
  const room = await administration.addRoom({ name: "Crowded room", category: "Crowded" });
  await administration.addRole(room.id, group, "member");
  assert.deepEqual(
    told().map(([what, done]) => `${done} ${what}`),
    [400, 800, 1_200, 1_600, 2_000, 2_100].map((done) => `${done} invitations`),
  );
  await administration.removeGroup(group);
  const end = told();
  assert.deepEqual(end[0], ["rights by groups", 900, undefined]);
  assert.deepEqual(end.at(-1), ["invitations", 2_100, undefined]);
});

test("a group of 20,010 users is shown whole: those by hand, by the directory and by way of another group", async () => {
  const [outer = "", inner = ""] = await newGroups(2);
  const crowd = Array.from({ length: 20_010 }, (_, n) => `sip:member-${n}@example.com`);
  const ids = await admin.addUsers(crowd.map((uri) => ({ uri })));
  const groupId = (await admin.inspectGroup(inner)).group.id;
  for (let from = 0; from < ids.length; from += 10_000) {
    const some = ids.slice(from, from + 10_000);
    await stores.database.change(
      "INSERT INTO membership (group_id, member_kind, member_id, source) VALUES ?",
      [some.map((id) => [groupId, "user", id, "directory"])],
    );
  }
  await admin.addToGroup(inner, crowd.slice(0, 2));
  await admin.addToGroup(outer, [inner, crowd[1] ?? ""]);
  const shown = async (group: string) =>
    (await admin.inspectGroup(group)).members.map(({ uri, kind, sources }) => ({ uri, kind, sources }));
  const all = [...crowd].sort().map((uri) => {
    const byHand = uri === crowd[0] || uri === crowd[1] ? (["manual"] as const) : [];
    return { uri, kind: "user" as const, sources: [...byHand, "directory" as const] };
  });
  assert.deepEqual(await shown(inner), all);
  const others = all.flatMap((one) => (one.uri === crowd[1] ? [] : [{ ...one, sources: null }]));
  assert.deepEqual(await shown(outer), [
    { uri: crowd[1], kind: "user", sources: ["manual"] },
    { uri: inner, kind: "group", sources: ["manual"] },
    ...others,
  ]);
});

test("who is bound to a room by several lists finds it once, and a limit counts rooms, not lists", async () => {
  const [left = "", right = ""] = await newGroups(2);
  const user = await newUser(stores, "bound");
  for (const group of [left, right]) await admin.addToGroup(group, [user.uri]);
  const wanted = [`Bound a ${++made}`, `Bound b ${made}`];
  for (const name of wanted)
    for (const disabled of [false, true]) {
      const roles = (["member", "manager"] as const).map((role) => {
        return { role, change: "add" as const, principals: [user.uri, left, right, "example.com"] };
      });
      const given = disabled ? `${name} off` : name;
      await admin.addRoom({ name: given, category: "Everything", privacy: "secret", disabled, roles });
    }
  for (const disabled of [false, true]) {
    const query = { words: "bound", inDescription: false, disabled };
    const expected = wanted.map((name) => (disabled ? `${name} off` : name));
    for (const most of [2, 10])
      assert.deepEqual(
        (await stores.rooms.search(query, user, most)).map(({ name }) => name),
        expected,
      );
  }
});

test("nodes are told whom and what to look at, or everybody when that is many", async () => {
  const [group = ""] = await newGroups(1);
  const room = await newRoom({ group });
  const user = await newUser(stores, "told");
  const since = async (version: number) =>
    (await stores.changes.since(version, 2_000)).map(({ changed }) => changed);
  const before = await stores.changes.latest();
  await admin.addToGroup(group, [user.uri]);
  assert.deepEqual(await since(before), [
    { kind: "room", id: room },
    { kind: "user", id: user.id },
  ]);
  const crowd = Array.from({ length: 600 }, (_, n) => ({ uri: `sip:crowd${n}@example.com` }));
  await admin.addUsers(crowd);
  const then = await stores.changes.latest();
  await admin.addToGroup(
    group,
    crowd.map(({ uri }) => uri),
  );
  assert.deepEqual(await since(then), [{ kind: "everybody" }]);
});

test("who came into a group and who went is on the record, once", async () => {
  const [group = "", inner = ""] = await newGroups(2);
  const user = await newUser(stores, "recorded");
  await admin.addToGroup(group, [inner, user.uri]);
  await admin.addToGroup(group, [user.uri]);
  await admin.removeFromGroup(group, user.uri);
  const rows = await stores.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE kind = 'GROUP_CHANGED' ORDER BY stream_seq",
  );
  const events = rows
    .map(({ body }) => JSON.parse(body.toString("utf8")).detail)
    .filter(({ subject }) => subject === group);
  assert.deepEqual(events, [
    { after: { name: `Group ${group}` }, before: null, subject: group },
    { after: { added: [inner, user.uri].sort() }, before: { removed: [] }, subject: group },
    { after: { added: [] }, before: { removed: [user.uri] }, subject: group },
  ]);
});

/** What is recorded since then, in the order of each stream. */
async function recordedSince(eventId: Buffer) {
  const rows = await stores.database.rows<{ stream: string; stream_seq: number; body: Buffer }>(
    "SELECT stream, stream_seq, body FROM compliance_outbox WHERE event_id > ? ORDER BY stream, stream_seq",
    [eventId],
  );
  return rows.map(({ stream, stream_seq, body }) => {
    const { kind, detail, room } = JSON.parse(body.toString("utf8"));
    return { stream, seq: stream_seq, kind, room: room.name, ...detail };
  });
}

async function lastRecorded(): Promise<Buffer> {
  const [row] = await stores.database.rows<{ id: Buffer }>(
    "SELECT event_id AS id FROM compliance_outbox ORDER BY event_id DESC LIMIT 1",
  );
  return row?.id ?? Buffer.alloc(16);
}

test("a group that is removed is on the record of every room, category and group that named it, with who was in it", async () => {
  const [outer = "", group = "", inner = ""] = await newGroups(3);
  const user = await newUser(stores, "recorded-too");
  await admin.addToGroup(outer, [group]);
  await admin.addToGroup(group, [inner, user.uri]);
  const [named, plain] = [await newRoom({ group }), await newRoom()];
  await admin.addRole(named, group, "manager");
  const category = `Recorded ${++made}`;
  await admin.addCategory({ name: category, allowed: ["example.com", group], creators: [group] });
  const scoped = await admin.addRoom({ name: `Room ${++made}`, category });
  await admin.addRole(scoped.id, group, "member");
  const before = await lastRecorded();
  const { room } = await admin.inspectRoom(named);
  const rehearsing = await lab.open({ rehearsal: true });
  await rehearsing.administration.removeGroup(group);
  assert.deepEqual(await recordedSince(before), [], "a rehearsal is not on the record");
  await admin.removeGroup(group);
  const events = await recordedSince(before);
  assert.deepEqual(
    events.map(({ seq, stream, ...event }) => event),
    [
      { kind: "GROUP_CHANGED", room: "", subject: group, ...gone([inner, user.uri]) },
      { kind: "GROUP_CHANGED", room: "", subject: outer, ...gone([group]) },
      {
        kind: "CATEGORY_CHANGED",
        room: "",
        subject: category,
        before: { allowed: [group], creator: [group] },
        after: {},
      },
      { kind: "GROUP_CHANGED", room: "", subject: group, before: { removed: [group] }, after: null },
      {
        kind: "ROLE_CHANGED",
        room: room.name,
        subject: "",
        before: { manager: [group], member: [group] },
        after: {},
      },
      { kind: "ROLE_CHANGED", room: scoped.name, subject: "", before: { member: [group] }, after: {} },
    ],
  );
  for (const id of [named, scoped.id, plain]) {
    const [stream] = await stores.database.rows<{ n: number; last: number; said: number }>(
      "SELECT COUNT(*) AS n, MAX(o.stream_seq) AS last, MAX(r.last_event) AS said FROM compliance_outbox o " +
        "JOIN room r ON o.stream = CONCAT('room:', r.id) WHERE r.id = ?",
      [id],
    );
    assert.ok(stream && stream.n === stream.last && stream.last === stream.said, "dense");
  }
  assert.equal((await admin.inspectRoom(named)).audit.updatedBy, "administrator:local");
});

const gone = (members: readonly string[]) => ({
  before: { removed: [...members].sort() },
  after: { added: [] },
});

test("a group in a thousand rooms' lists is gone in a few statements, and on the record of each room", async () => {
  const [group = ""] = await newGroups(1);
  const { id: principalId } = (await admin.inspectGroup(group)).group;
  const rooms = await admin.addRooms(
    Array.from({ length: 1_000 }, (_, n) => ({ name: `Listed ${n}`, category: "Everything" })),
  );
  await admin.addRoles(rooms.map((roomId) => ({ roomId, principalId, role: "member" })));
  const before = await lastRecorded();
  const statements = async () => {
    const [row] = await stores.database.rows<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Questions'");
    return Number(row?.Value);
  };
  const earlier = await statements();
  const { listings } = await admin.removeGroup(group);
  const asked = (await statements()) - earlier;
  assert.equal(listings.rooms.length, 1_000);
  assert.ok(asked < 100, `${asked} statements while its rooms are locked`);
  const recorded = (await recordedSince(before)).filter(({ kind }) => kind === "ROLE_CHANGED");
  assert.deepEqual(new Set(recorded.map(({ stream }) => stream)), new Set(rooms.map((id) => `room:${id}`)));
  assert.equal(recorded.length, 1_000);
});

test("who is removed is out of the groups he is in by hand and loses what they gave; the directory's stay and are named", async () => {
  const [outer = "", inner = "", directory = ""] = await newGroups(3);
  const user = await newUser(stores, "dismissed");
  await admin.addToGroup(outer, [inner]);
  for (const group of [inner, directory]) await admin.addToGroup(group, [user.uri]);
  await stores.database.change(
    "UPDATE membership SET source = 'directory' WHERE group_id = (SELECT id FROM principal WHERE uri = ?)",
    [directory],
  );
  await admin.setGroupAdministers(outer, true);
  const room = await newRoom({ group: outer });
  assert.equal((await stores.users.find(user.uri))?.administrator, true);
  const [version = 0] = await versions(room);
  const rehearsing = await lab.open({ rehearsal: true });
  const { groups } = await rehearsing.administration.removeUser(user.uri);
  const both = [
    { name: `Group ${inner}`, source: "manual" },
    { name: `Group ${directory}`, source: "directory" },
  ];
  assert.deepEqual(
    groups.map(({ name, source }) => ({ name, source })),
    both,
  );
  await rehearsing.administration.removeGroup(inner);
  await rehearsing.administration.removeFromGroup(outer, inner);
  assert.deepEqual(await groupsOf(user), [outer, inner, directory].sort(), "a rehearsal changes nothing");
  assert.deepEqual(await versions(room), [version]);

  await admin.removeUser(user.uri);
  assert.deepEqual(await groupsOf(user), [directory]);
  assert.ok((await versions(room))[0] !== version, "what was decided there is decided again");
  await admin.setUserPolicy(user.uri, true);
  const again = await stores.users.find(user.uri);
  assert.deepEqual([again?.enabled, again?.administrator], [true, false]);
  await assert.rejects(admin.removeUser("sip:nobody@example.com"), refused("PRINCIPAL_NOT_FOUND", /no user/));
});

test("what does not fit is refused in words: strangers, domains, names that several groups have, members who are none", async () => {
  const [group = "", other = ""] = await newGroups(2);
  await assert.rejects(
    admin.addToGroup(group, ["sip:nobody@example.com"]),
    refused("PRINCIPAL_NOT_FOUND", /nobody@example/),
  );
  await assert.rejects(admin.addToGroup(group, ["example.com"]), refused("BAD_REQUEST", /is a domain/));
  await assert.rejects(admin.addToGroup("Nowhere", []), refused("PRINCIPAL_NOT_FOUND", /Nowhere/));
  await assert.rejects(admin.removeFromGroup(group, other), refused("PRINCIPAL_NOT_FOUND", /is not in/));
  await assert.rejects(admin.addGroup("sip:a@example.com", "A"), refused("BAD_REQUEST", /no group address/));
  await assert.rejects(admin.addGroup("ma-grp:nameless", " "), refused("BAD_REQUEST", /1 to 255/));
  await admin.addGroup("ma-grp:twin-1", "Twins");
  await admin.addGroup("ma-grp:twin-2", "Twins");
  await assert.rejects(admin.addToGroup("Twins", []), refused("BAD_REQUEST", /give the address/));
  assert.equal((await admin.inspectGroup("ma-grp:twin-2")).group.displayName, "Twins");
});

test("whatever is changed in whatever order, by several at once, everybody is in what leads to him", async () => {
  const groups = await newGroups(8);
  const users: User[] = [];
  for (let n = 0; n < 6; n++) users.push(await newUser(stores, `random-${n}`));
  let seed = 20_240_601;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  const direct = new Map(groups.map((uri) => [uri, new Set<string>()]));
  for (let round = 0; round < 40; round++) {
    const changes = new Map<string, { add: string[]; remove: string[] }>();
    for (let n = 0; n < 3; n++) {
      const group = groups[random(groups.length)] ?? "";
      const all = [...groups, ...users.map(({ uri }) => uri)].filter((uri) => uri !== group);
      const member = all[random(all.length)] ?? "";
      const change = changes.get(group) ?? { add: [], remove: [] };
      changes.set(group, change);
      if ([...change.add, ...change.remove].includes(member)) continue;
      (direct.get(group)?.has(member) ? change.remove : change.add).push(member);
    }
    await Promise.all(
      [...changes].map(async ([group, { add, remove }]) => {
        await admin.addToGroup(group, add);
        for (const member of remove) await admin.removeFromGroup(group, member);
        for (const member of add) direct.get(group)?.add(member);
        for (const member of remove) direct.get(group)?.delete(member);
      }),
    );
  }
  const holds = (group: string, uri: string, seen: Set<string>): boolean =>
    [...(direct.get(group) ?? [])].some(
      (member) =>
        member === uri || (direct.has(member) && !seen.has(member) && holds(member, uri, seen.add(member))),
    );
  let memberships = 0;
  for (const { uri } of users) {
    const expected = groups.filter((group) => holds(group, uri, new Set([group]))).sort();
    memberships += expected.length;
    const user = await stores.users.find(uri as Aor);
    assert.ok(user);
    assert.deepEqual(await groupsOf(user), expected, uri);
  }
  assert.ok(memberships > 5, `${memberships} memberships make no test`);
});
