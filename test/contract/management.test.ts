import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatError, type ChatErrorCode } from "../../src/chat/errors.ts";
import type { Room } from "../../src/chat/room.ts";
import type { Aor } from "../../src/chat/user.ts";
import type { Actor } from "../../src/management/actor.ts";
import { newToken } from "../../src/sip/dialog.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import {
  dialogRecord,
  type MysqlLab,
  newUser,
  postEntry,
  recorder,
  startMysqlLab,
} from "../support/mysql.ts";

let lab: MysqlLab;
let one: Stores;
let other: Stores;
let told = 0;

before(async () => {
  lab = await startMysqlLab();
  one = await lab.open({ onChanged: () => (told += 1) });
  other = await lab.open();
  await one.administration.addCategory({ name: "Everybody", allowed: ["example.com"] });
});
after(() => lab.stop());

const refusedWith = (code: ChatErrorCode) => (error: unknown) =>
  error instanceof ChatError && error.code === code;
const root: Actor = { kind: "administrator", name: "root" };

interface Recorded {
  readonly kind: string;
  readonly streamSeq: number;
  readonly subject: string;
  readonly actor: string;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
}

async function recorded(stream: string): Promise<Recorded[]> {
  const rows = await one.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE stream = ? ORDER BY stream_seq",
    [stream],
  );
  return rows.map(({ body }) => {
    const { kind, streamSeq, detail, actor } = JSON.parse(body.toString("utf8"));
    const { subject, before, after } = detail;
    return { kind, streamSeq, subject, actor: actor.uri, before, after };
  });
}

test("of changes made for the same version on two nodes at once, one is written and the others collide", async () => {
  const room = await one.administration.addRoom({ name: "Contended", category: "Everybody" });
  const changes = Array.from({ length: 12 }, (_, n) =>
    (n % 2 === 0 ? one : other).management.changeRoom(
      root,
      { id: room.id },
      { name: `Winner ${n}`, description: `by ${n}` },
      room.accessVersion,
    ),
  );
  const settled = await Promise.allSettled(changes);
  const won = settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  assert.equal(won.length, 1);
  for (const result of settled)
    if (result.status === "rejected") assert.ok(refusedWith("COLLISION")(result.reason));
  const now = await one.administration.findRoom(room.id);
  assert.deepEqual(now, won[0]);
  assert.equal(now.name.replace("Winner", "by"), now.description, "all of one change, nothing of another");
  assert.deepEqual(
    (await recorded(`room:${room.id}`)).map(({ kind, streamSeq }) => [kind, streamSeq]),
    [
      ["ROOM_CREATED", 1],
      ["ROOM_CHANGED", 2],
    ],
  );
});

test("a change that fails half-way leaves nothing: neither rows nor records, and nobody is told", async () => {
  const room = await one.administration.addRoom({ name: "Untouched", category: "Everybody" });
  const before = [await one.administration.inspectRoom(room.id), await recorded(`room:${room.id}`), told];
  const latest = await one.changes.latest();
  await assert.rejects(
    one.administration.changeRoom(room.id, {
      name: "Touched",
      privacy: "secret",
      roles: [{ role: "member", change: "add", principals: ["sip:unknown@example.com"] }],
    }),
    refusedWith("PRINCIPAL_NOT_FOUND"),
  );
  await assert.rejects(
    one.administration.addRoom({ name: "Half", category: "Everybody", addIn: "none" }),
    refusedWith("ADD_IN_NOT_FOUND"),
  );
  assert.deepEqual(
    [await one.administration.inspectRoom(room.id), await recorded(`room:${room.id}`), told],
    before,
  );
  assert.deepEqual(await one.changes.since(latest, 10), []);
  await assert.rejects(one.administration.inspectRoom("Half"), refusedWith("ROOM_NOT_FOUND"));
});

test("a change that changes nothing raises no version, records nothing and tells nobody", async () => {
  const { administration } = one;
  const user = await newUser(one, "idle");
  const room = await administration.addRoom({ name: "Idle", category: "Everybody" });
  const added = await administration.addRole(room.id, user.uri, "member");
  const [records, before] = [await recorded(`room:${room.id}`), told];
  for (const change of [{}, { name: "Idle", disabled: false, addIn: null, category: "Everybody" }] as const)
    assert.deepEqual(await administration.changeRoom(room.id, change), added);
  await administration.removeRole(room.id, "example.com", "member");
  await administration.setGlobalPolicy(await administration.globalPolicy());
  assert.deepEqual([await recorded(`room:${room.id}`), told], [records, before]);
});

test("a list of rooms that goes on page by page has each room once, where several domains have one name too", async () => {
  const { administration } = one;
  const names = Array.from({ length: 5 }, (_, n) => `Twin room ${n}`);
  for (const name of names)
    for (const domain of ["example.com", "example.org", "example.net"])
      await administration.addRoom({ name, domain, category: "Everybody" });
  const filter = { words: "twin room" };
  const all = await administration.findRooms(filter, 100);
  assert.equal(new Set(all.map(({ uri }) => uri)).size, 15);
  for (const page of [1, 2, 4, 7]) {
    const seen: Room[] = [];
    for (;;) {
      const some = await administration.findRooms(filter, page, seen.at(-1));
      seen.push(...some);
      if (some.length < page) break;
    }
    assert.deepEqual(seen, all, `pages of ${page}`);
  }
});

test("what was changed is followed in the order of commits, by whichever node it was changed", async () => {
  const from = await one.changes.latest();
  const rooms = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      (n % 2 === 0 ? one : other).administration.addRoom({ name: `Followed ${n}`, category: "Everybody" }),
    ),
  );
  const seen: number[] = [];
  let version = from;
  const follow = async () => {
    for (const { version: at, changed } of await one.changes.since(version, 100)) {
      assert.ok(at > version, "no number comes after a greater one was seen");
      version = at;
      if (changed.kind === "room") seen.push(changed.id);
    }
  };
  const work = Promise.all(
    rooms.map(({ id }, n) => (n % 2 === 0 ? other : one).administration.changeRoom(id, { disabled: true })),
  );
  for (let look = 0; look < 50; look++) await follow();
  await work;
  await follow();
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    rooms.map(({ id }) => id).sort((a, b) => a - b),
  );
});

test("categories: creators are in scope, only an empty one goes, and all of it is recorded", async () => {
  const { administration } = one;
  const user = await newUser(one, "founder");
  await administration.addCategory({ name: "Walled", allowed: [user.uri] });
  await assert.rejects(
    administration.changeCategory("Walled", { creators: ["example.com"] }),
    refusedWith("OUT_OF_SCOPE"),
  );
  await assert.rejects(
    administration.changeCategory("Walled", { denied: [user.uri], creators: [user.uri] }),
    refusedWith("OUT_OF_SCOPE"),
  );
  const changed = await administration.changeCategory("Walled", {
    creators: [user.uri],
    name: "Walled garden",
  });
  await assert.rejects(
    administration.changeCategory("Walled garden", { fileUpload: true }, changed.version - 1),
    refusedWith("COLLISION"),
  );
  await assert.rejects(administration.changeCategory("Walled", {}), refusedWith("CATEGORY_NOT_FOUND"));
  assert.equal(changed.reading, "strict", "unless another is given");
  await administration.changeCategory("Walled garden", { reading: "buffered" });
  await administration.addRoom({ name: "Inside", category: "Walled garden" });
  await assert.rejects(administration.removeCategory("Walled garden"), refusedWith("NOT_EMPTY"));
  await administration.removeRoom("Inside");
  await administration.removeCategory("Walled garden");
  const events = (await recorded("administration")).filter(({ subject }) => subject.startsWith("Walled"));
  assert.deepEqual(
    events.map(({ kind, subject, actor }) => [kind, subject, actor]),
    [
      ["CATEGORY_CREATED", "Walled", "administrator:local"],
      ["CATEGORY_CHANGED", "Walled", "administrator:local"],
      ["CATEGORY_CHANGED", "Walled garden", "administrator:local"],
      ["CATEGORY_DELETED", "Walled garden", "administrator:local"],
    ],
  );
  const [, , switched] = events;
  assert.deepEqual([switched?.before?.reading, switched?.after?.reading], ["strict", "buffered"]);
  const all = await recorded("administration");
  assert.deepEqual(
    all.map(({ streamSeq }) => streamSeq),
    all.map((_, index) => index + 1),
    "dense",
  );
});

test("a presenter is a member, himself or by a group, and goes with the membership and the auditorium", async () => {
  const { administration } = one;
  const [speaker, guest] = [await newUser(one, "speaker"), await newUser(one, "guest")];
  await administration.addGroup("ma-grp:speakers", "Speakers");
  await administration.addToGroup("ma-grp:speakers", [guest.uri]);
  const { id } = await administration.addRoom({ name: "Stage", category: "Everybody", type: "auditorium" });
  await assert.rejects(
    administration.addRole(id, speaker.uri, "presenter"),
    refusedWith("PRESENTER_NOT_MEMBER"),
  );
  await administration.addRole(id, "ma-grp:speakers", "member");
  await administration.addRole(id, guest.uri, "presenter");
  await administration.changeRoom(id, {
    roles: [
      { role: "presenter", change: "add", principals: [speaker.uri] },
      { role: "member", change: "add", principals: [speaker.uri] },
    ],
  });
  const presenters = async () =>
    (await administration.inspectRoom(id)).roles
      .filter(({ role }) => role === "presenter")
      .map(({ uri }) => uri);
  assert.deepEqual(await presenters(), [guest.uri, speaker.uri]);
  await administration.removeRole(id, "ma-grp:speakers", "member");
  assert.deepEqual(await presenters(), [speaker.uri]);
  await administration.changeRoom(id, { privacy: "open" });
  await administration.addRole(id, guest.uri, "presenter");
  await administration.changeRoom(id, { privacy: "secret" });
  assert.deepEqual(await presenters(), [speaker.uri], "who could post as long as the room was open");
  const [left] = (await recorded(`room:${id}`)).slice(-1);
  assert.deepEqual([left?.kind, left?.before], ["ROLE_CHANGED", { presenter: [guest.uri] }]);
  await administration.changeRoom(id, { type: "normal" });
  assert.deepEqual(await presenters(), []);
});

test("add-ins are unique, web pages, and stay while a room has one", async () => {
  const { administration } = one;
  await administration.addAddIn({ name: "Board", url: "https://board.example.com/?room=1" });
  await assert.rejects(
    administration.addAddIn({ name: "BOARD", url: "https://x.example.com" }),
    refusedWith("NAME_TAKEN"),
  );
  for (const url of [
    "ftp://x.example.com",
    "javascript:alert(1)",
    "https://",
    `https://x/${"y".repeat(250)}`,
  ])
    await assert.rejects(administration.addAddIn({ name: "Other", url }), refusedWith("BAD_REQUEST"));
  await assert.rejects(
    administration.addAddIn({ name: "x".repeat(51), url: "https://x.example.com" }),
    refusedWith("BAD_REQUEST"),
  );
  const room = await administration.addRoom({ name: "With board", category: "Everybody", addIn: "board" });
  assert.deepEqual([room.addIn?.name, room.addIn?.url], ["Board", "https://board.example.com/?room=1"]);
  await administration.changeAddIn("Board", { url: "https://new.example.com/" });
  const now = await administration.findRoom(room.id);
  assert.deepEqual([now.addIn?.url, now.accessVersion], ["https://new.example.com/", room.accessVersion + 1]);
  await assert.rejects(administration.removeAddIn("Board"), refusedWith("NOT_EMPTY"));
  await administration.changeRoom(room.id, { addIn: null });
  await administration.removeAddIn("Board");
});

test("a deleted room's participants have left it on the record, and its messages go by and by", async () => {
  const journal = one.journal(await one.leases.begin("n1"));
  const by = recorder(await newUser(one, "lingering"));
  const room = await one.administration.addRoom({
    name: "Gone soon",
    category: "Everybody",
    privacy: "open",
  });
  await journal.open(dialogRecord(by, (await one.leases.living())[0] ?? assert.fail()));
  await journal.join(by, [{ room, mask: 3984 }]);
  for (const text of ["a", "b"]) await journal.post(postEntry(by, room, text));
  await one.administration.removeRoom(room.id);
  await journal.part(by, [room], "expelled");
  assert.deepEqual(
    (await recorded(`room:${room.id}`)).map(({ kind, streamSeq, actor }) => `${streamSeq} ${kind} ${actor}`),
    [
      "1 ROOM_CREATED administrator:local",
      `2 JOIN ${by.user.uri}`,
      `3 CHAT ${by.user.uri}`,
      `4 CHAT ${by.user.uri}`,
      `5 PART ${by.user.uri}`,
      "6 ROOM_DELETED administrator:local",
    ],
  );
  const left = async () => (await one.messages.latest(room.id, 10, 10)).length;
  assert.equal(await left(), 2);
  await one.sweep();
  assert.equal(await left(), 0);
  assert.deepEqual(await one.database.rows("SELECT room_id FROM deleted_room"), []);
});

test("administrators and creators: by own policy, by group, and by the global one", async () => {
  const { administration } = one;
  const user = await newUser(one, "promoted");
  const now = async () => {
    const found = await one.users.find(user.uri);
    return [found?.administrator, found?.mayCreateRooms];
  };
  assert.deepEqual(await now(), [false, true]);
  await administration.setGlobalCreatePolicy(false);
  assert.deepEqual(await now(), [false, false]);
  await administration.setCreatePolicy(user.uri, true);
  await administration.setAdministrator(user.uri, true);
  assert.deepEqual(await now(), [true, true]);
  await administration.setAdministrator(user.uri, false);
  await administration.addGroup("ma-grp:roots", "Roots");
  await administration.addToGroup("ma-grp:roots", [user.uri]);
  await administration.setGroupAdministers("ma-grp:roots", true);
  assert.deepEqual(await now(), [true, true]);
  await administration.setGlobalCreatePolicy(true);
  const plain: Actor = { kind: "user", user: await newUser(one, "plain"), token: newToken() };
  for (const attempt of [
    () => one.management.createCategory(plain, { name: "Mine" }),
    () => one.management.changeCategory(plain, { name: "Everybody" }, { denied: [] }),
    () => one.management.deleteCategory(plain, { name: "Everybody" }),
    () => one.management.createAddIn(plain, { name: "Mine", url: "https://x.example.com" }),
    () => one.management.saveUser(plain, { uri: plain.user.uri, administrator: true }),
    () => one.management.setUserPolicy(plain, plain.user.uri, { administrator: true }),
    () => one.management.setGroupAdministers(plain, "ma-grp:roots", true),
    () => one.management.setGlobalPolicy(plain, "enable-persistent-chat", true),
    () => one.management.saveGroup(plain, "ma-grp:mine", "Mine"),
  ])
    await assert.rejects(attempt, refusedWith("NOT_PERMITTED"));
});

test("a domain goes with its lists only where that is said, and nobody has a right or an invitation by it any more", async () => {
  const { administration } = one;
  await administration.addDomainPrincipal("Example.net");
  await administration.addDomainPrincipal("example.net");
  await administration.addCategory({
    name: "Net",
    allowed: ["example.com", "example.net"],
    invitations: true,
  });
  const room = await administration.addRoom({ name: "Net room", category: "Net" });
  await administration.addRole(room.id, "example.net", "member");
  const uri = "sip:someone@example.net" as Aor; // normalised
  const id = await administration.addUser({ uri, enabled: true });
  const member = async () => {
    const user = await other.users.find(uri);
    const [now] = await other.rooms.byIds([room.id]);
    assert.ok(user && now);
    return { version: now.accessVersion, is: (await other.rooms.access([now], user))[0]?.member };
  };
  const invited = async () =>
    (await one.database.rows("SELECT room_id FROM invitation WHERE user_id = ?", [id])).length;
  const before = await member();
  assert.deepEqual([before.is, await invited()], [true, 1]);
  await assert.rejects(administration.removeDomain("example.net"), refusedWith("NOT_EMPTY"));
  await assert.rejects(
    administration.removeDomain("example.com", { fromLists: true }),
    refusedWith("BAD_REQUEST"),
  );
  assert.equal((await member()).version, before.version);

  await administration.removeDomain("EXAMPLE.net", { fromLists: true });
  const after = await member();
  assert.deepEqual([after.is, after.version > before.version, await invited()], [false, true, 0]);
  await administration.setGlobalPolicy(true);
  assert.equal(await other.users.find("sip:stranger@example.net" as Aor), undefined, "served no longer");
  await administration.setGlobalPolicy(false);
  await assert.rejects(administration.removeDomain("example.net"), refusedWith("PRINCIPAL_NOT_FOUND"));
  const kept = (await recorded("administration")).filter(({ kind }) => kind === "DOMAIN_CHANGED");
  assert.deepEqual(
    kept.map(({ subject, before: was, after: is }) => [subject, was, is]),
    [
      ["example.net", null, { served: true }],
      ["example.net", { served: true }, null],
    ],
    "once each, and not for the domain of the configuration",
  );
});

test("a category that is narrowed leaves the lists as they are, of no effect; a later change takes nothing else away", async () => {
  const { administration } = one;
  const [inside, outside] = [await newUser(one, "inside"), await newUser(one, "outside")];
  await administration.addCategory({ name: "Narrowing", allowed: ["example.com"] });
  const { id } = await administration.addRoom({ name: "Narrowed", category: "Narrowing" });
  for (const { uri } of [inside, outside]) await administration.addRole(id, uri, "member");
  await administration.changeCategory("Narrowing", { allowed: [inside.uri] });
  const room = await administration.addRole(id, inside.uri, "manager");
  assert.deepEqual(
    (await administration.inspectRoom(id)).roles.map(({ uri, role }) => `${role} ${uri}`),
    [`member ${inside.uri}`, `member ${outside.uri}`, `manager ${inside.uri}`],
  );
  const [access] = await one.rooms.access([room], outside);
  assert.equal(access?.member, false);
  await administration.changeCategory("Narrowing", { allowed: ["example.com"] });
  assert.equal((await one.rooms.access([room], outside))[0]?.member, true);
});

test("a rush of changes is refused beyond a bound, and keeps nobody from reading", async () => {
  const { id } = await one.administration.addRoom({ name: "Rushed", category: "Everybody" });
  const rush = Promise.allSettled(
    Array.from({ length: 150 }, (_, n) =>
      one.management.changeRoom(root, { id }, { description: `rush ${n}` }),
    ),
  );
  assert.equal((await one.rooms.byIds([id])).length, 1);
  const settled = await rush;
  const refused = settled.filter((result) => result.status === "rejected");
  assert.equal(refused.length, 50);
  for (const { reason } of refused) assert.ok(refusedWith("OVERLOADED")(reason));
  assert.equal((await one.administration.findRoom(id)).accessVersion, 101);
});
