import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import type { Reply } from "../../plugin/client/pending-commands.ts";
import { attribute, child, children } from "../../plugin/client/xml-reader.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { create, described, list, listed, room } from "../support/management.ts";
import { until } from "../support/until.ts";

let lab: Lab;
let plant: string;

before(async () => {
  lab = await openLab({ users: ["alice", "bob", "carol", "dave", "root"] });
  await lab.administration.setAdministrator(lab.address("root"), true);
  await lab.administration.addCategory({
    name: "Plant",
    allowed: [lab.stack.domain],
    denied: [lab.address("dave")],
    creators: [lab.address("alice")],
  });
  const { category } = await lab.administration.inspectCategory("Plant");
  plant = `ma-cat://${lab.stack.domain}/${category.guid}`;
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

const people = <Names extends string[]>(...names: Names) =>
  Promise.all(names.map((name) => lab.signedIn(name))) as Promise<{ [Name in keyof Names]: XccosEndpoint }>; // one each
const kinds = (endpoint: XccosEndpoint, uri: string) =>
  endpoint.notices.filter((notice) => notice.room === uri).map(({ kind }) => kind);
const saw = (endpoint: XccosEndpoint, kind: string, uri: string) =>
  endpoint.waitForNotice((notice) => notice.kind === kind && notice.room === uri, LAB_TIMEOUT_MS);

test("a creator makes a room with its lists in one go and manages it, but enters only as a member", async () => {
  const [alice, bob] = await people("alice", "bob");
  const made = await create(alice, {
    name: "Line 4",
    parent: plant,
    visibility: "private",
    attributes: { description: "Filling & <packing>" },
    lists: [list("MEMBER", "ADD", [lab.address("bob")])],
  });
  assert.equal(made.code, 200, made.text);
  const { uri = "", name, description, parent, version } = described(made);
  assert.deepEqual([name, description, parent, version], ["Line 4", "Filling & <packing>", plant, "1"]);
  assert.equal((await alice.join(uri)).code, 403);
  assert.equal((await bob.join(uri)).code, 200);
  const lists = await alice.command("getroles", room(uri));
  assert.deepEqual(
    ["MEMBER", "MANAGER", "PRESENTER"].map((type) => listed(lists, type)),
    [[lab.address("bob")], [lab.address("alice")], []],
  );
  const [recorded] = await lab.administered(uri);
  assert.deepEqual(
    [recorded?.kind, recorded?.actor, recorded?.detail.after],
    [
      "ROOM_CREATED",
      lab.address("alice"),
      {
        addIn: null,
        category: "Plant",
        description: "Filling & <packing>",
        disabled: false,
        invitations: "inherit",
        name: "Line 4",
        privacy: "secret",
        roles: { manager: [lab.address("alice")], member: [lab.address("bob")] },
        type: "normal",
      },
    ],
  );
});

test("a room that cannot be made is refused by what is wrong with it, and nothing of it is left", async () => {
  const [alice, bob, dave] = await people("alice", "bob", "dave");
  const rooms = async () => (await lab.sql<{ n: number }>("SELECT COUNT(*) AS n FROM room"))[0]?.n;
  const before = await rooms();
  const refused = async (
    by: XccosEndpoint,
    code: number,
    name: string,
    given: Parameters<typeof create>[1],
  ) => {
    const reply = await create(by, given);
    assert.deepEqual(
      [reply.code, reply.text.split(":")[0], reply.data.children],
      [code, name, []],
      given.name,
    );
  };
  const somewhere = { name: "Nowhere", parent: plant };
  await refused(bob, 403, "ERROR_PERMISSION", somewhere);
  await refused(dave, 404, "ERROR_NO_SUCH_NODE", somewhere);
  await refused(alice, 409, "ERROR_DUPLICATE_ROOM_NAME", { ...somewhere, name: "LINE 4" });
  await refused(alice, 409, "ERROR_DUPLICATE_ROOM_NAME", { ...somewhere, name: "plant" });
  await refused(alice, 416, "ERROR_NODE_HIERARCHY", {
    ...somewhere,
    parent: `ma-cat://${lab.stack.domain}/root`,
  });
  await refused(alice, 404, "ERROR_NO_SUCH_NODE", { ...somewhere, parent: `ma-cat://${lab.stack.domain}/7` });
  await refused(alice, 404, "ERROR_NO_SUCH_NODE", {
    ...somewhere,
    parent: plant.replace("example.com", "example.org"),
  });
  await refused(alice, 400, "ERROR_INVALID_ARGUMENT", { ...somewhere, name: " " });
  await refused(alice, 400, "ERROR_INVALID_ARGUMENT", { ...somewhere, name: "x".repeat(257) });
  await refused(alice, 403, "ERROR_PERMISSION", {
    ...somewhere,
    lists: [list("MEMBER", "ADD", [lab.address("dave")])],
  });
  await refused(alice, 404, "ERROR_NO_SUCH_PRINCIPAL", {
    ...somewhere,
    lists: [list("MEMBER", "ADD", ["sip:x@example.com"])],
  });
  await refused(alice, 400, "ERROR_INVALID_ARGUMENT", {
    ...somewhere,
    lists: [list("PRESENTER", "ADD", [lab.address("bob")])],
  });
  await refused(alice, 404, "ERROR_INVALID_ARGUMENT", { ...somewhere, attributes: { siopname: "Unknown" } });
  const auditorium = { ...somewhere, attributes: { behavior: "AUDITORIUM" } };
  await refused(alice, 403, "ERROR_PERMISSION", {
    ...auditorium,
    lists: [list("PRESENTER", "ADD", [lab.address("bob")])],
  });
  await lab.administration.setCreatePolicy(lab.address("alice"), false);
  await until(
    "the policy has come through",
    async () => (await alice.command("nodespermcreatechild")).data.children.length === 0,
  );
  await refused(alice, 403, "ERROR_PERMISSION", somewhere);
  await lab.administration.setCreatePolicy(lab.address("alice"), null);
  assert.equal(await rooms(), before);
  const many = Array.from({ length: 1_001 }, (_, n) => `sip:u${n}@example.com`);
  assert.equal((await create(alice, { ...somewhere, lists: [list("MEMBER", "ADD", many)] })).code, 413);
});

test("of two managers who change the same room one is told of the collision, and nothing of his change is written", async () => {
  const uri = await lab.addRoom({ name: "Contended", members: ["alice"], managers: ["alice", "bob"] });
  const [alice, bob] = await people("alice", "bob");
  const { version = "" } = described(await alice.command("getchan", room(uri)));
  const change = (by: XccosEndpoint, name: string, member: string) =>
    by.command("chanmodify", room(uri, { version, name }, list("MEMBER", "ADD", [lab.address(member)])));
  const replies = await Promise.all([change(alice, "By alice", "carol"), change(bob, "By bob", "bob")]);
  assert.deepEqual(replies.map(({ code }) => code).sort(), [200, 409]);
  const loser = replies.find(({ code }) => code === 409);
  assert.match(loser?.text ?? "", /^ERROR_DATA_COLLISION: /);
  const aliceWon = replies[0]?.code === 200;
  const seen = await lab.administration.inspectRoom(uri);
  assert.equal(seen.room.name, aliceWon ? "By alice" : "By bob");
  assert.deepEqual(
    seen.roles.filter(({ role }) => role === "member").map((one) => one.uri),
    [lab.address("alice"), lab.address(aliceWon ? "carol" : "bob")],
  );
  assert.equal(seen.room.accessVersion, Number(version) + 1);
  const changes = (await lab.administered(uri)).filter(({ actor }) => !actor.startsWith("administrator:"));
  assert.deepEqual(
    changes.map(({ kind, actor }) => [kind, actor]),
    ["ROOM_CHANGED", "ROLE_CHANGED"].map((kind) => [kind, lab.address(aliceWon ? "alice" : "bob")]),
  );
});

test("who loses the right by a manager's change is told so and gets nothing more; who stays hears of the change", async () => {
  const uri = await lab.addRoom({ name: "Watched", members: ["alice", "bob", "carol"], managers: ["alice"] });
  const [alice, bob, carol] = await people("alice", "bob", "carol");
  for (const endpoint of [alice, bob, carol]) assert.equal((await endpoint.join(uri)).code, 200);
  await saw(alice, "join", uri);
  const renamed = await alice.command("chanmodify", room(uri, { name: "Watched well" }));
  assert.equal(renamed.code, 200, renamed.text);
  for (const endpoint of [alice, bob, carol]) {
    const notice = await saw(endpoint, "chanmodify", uri);
    const [chanib] = notice.data ? children(notice.data, "chanib") : [];
    assert.equal(chanib && attribute(chanib, "name"), "Watched well");
  }
  assert.equal(
    (await alice.command("chanmodify", room(uri, {}, list("MEMBER", "REMOVE", [lab.address("bob")])))).code,
    200,
  );
  assert.equal(await alice.post(uri, "among ourselves"), 200);
  await carol.waitForMessage(({ text }) => text === "among ourselves", LAB_TIMEOUT_MS);
  const kick = await saw(bob, "kick", uri);
  assert.deepEqual(
    kick.users.map(({ address }) => address),
    [lab.address("bob")],
  );
  await saw(carol, "part", uri);
  assert.deepEqual(bob.messages, []);
  assert.equal(await bob.post(uri, "let me in"), 403);
  await alice.command("chanmodify", room(uri, {}, list("MANAGER", "ADD", [lab.address("carol")])));
  for (const endpoint of [alice, carol]) {
    const { users } = await saw(endpoint, "permmodify", uri);
    assert.deepEqual(users, [{ address: lab.address("carol"), name: "Carol", permissions: 12276 }]);
  }
  assert.deepEqual(
    (await alice.join(uri)).rooms[0]?.participants.map(({ permissions }) => permissions),
    [12276, 12276],
  );
  assert.equal((await carol.command("chanmodify", room(uri, { description: "now I may" }))).code, 200);
});

test("nothing that is posted after a right was taken away reaches the one who lost it, however fast it is posted", async () => {
  const uri = await lab.addRoom({ name: "Quick", members: ["alice", "bob"] });
  const [alice, bob] = await people("alice", "bob");
  for (let round = 0; round < 5; round++) {
    for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(uri)).code, 200);
    await lab.administration.removeRole(uri, lab.address("bob"), "member");
    const texts = ["a", "b", "c"].map((text) => `${text} ${round}`);
    for (const text of texts) assert.equal(await alice.post(uri, text), 200);
    await alice.waitForMessage(({ text }) => text === `c ${round}`, LAB_TIMEOUT_MS);
    await until("bob is out", async () => kinds(bob, uri).filter((kind) => kind === "kick").length > round);
    await lab.administration.addRole(uri, lab.address("bob"), "member");
  }
  assert.deepEqual(bob.messages, []);
});

test("a manager disables a room: all hear it and are out; only an administrator enables it again", async () => {
  const uri = await lab.addRoom({ name: "Closing time", members: ["alice", "bob"], managers: ["alice"] });
  const [alice, bob, root] = await people("alice", "bob", "root");
  for (const endpoint of [alice, bob]) await endpoint.join(uri);
  const closed = await alice.command("chanmodify", room(uri, { disabled: "true" }));
  assert.deepEqual([closed.code, described(closed).disabled], [200, "true"]);
  for (const endpoint of [alice, bob]) {
    const notice = await saw(endpoint, "chanmodify", uri);
    const [chanib] = notice.data ? children(notice.data, "chanib") : [];
    assert.equal(chanib && attribute(chanib, "disabled"), "true");
    await endpoint.waitForNotice(
      ({ kind, room: where, users }) =>
        kind === "part" && where === uri && users[0]?.address === endpoint.address,
      LAB_TIMEOUT_MS,
    );
  }
  assert.equal((await bob.join(uri)).code, 410);
  assert.equal((await alice.command("chanmodify", room(uri, { disabled: "false" }))).code, 403);
  assert.equal((await bob.command("chanmodify", room(uri, { disabled: "false" }))).code, 410);
  const found = async (by: XccosEndpoint, filter: string) =>
    (await by.command("chansrch", `<qib qtype="BYNAME" criteria="closing" ${filter}/>`)).data.children.length;
  assert.deepEqual([await found(alice, ""), await found(alice, 'disabled="true"')], [0, 1]);
  assert.deepEqual([await found(bob, 'disabled="true"'), await found(root, 'disabled="true"')], [0, 1]);
  const { name } = described(await alice.command("chanmodify", room(uri, { name: "Closing time, closed" })));
  assert.equal(name, "Closing time, closed");
  assert.equal((await root.command("chanmodify", room(uri, { disabled: "false" }))).code, 200);
  assert.equal((await bob.join(uri)).code, 200);
  const left = (await lab.recorded(uri)).filter(({ kind }) => kind === "PART");
  assert.deepEqual(
    left.map(({ detail }) => detail.reason),
    ["expelled", "expelled"],
  );
});

test("an administrator deletes a room: everybody has left it on the record, and nothing of it is left to find", async () => {
  const uri = await lab.addRoom({ name: "Doomed", members: ["alice", "bob"], managers: ["alice"] });
  const [alice, bob, root] = await people("alice", "bob", "root");
  for (const endpoint of [alice, bob]) await endpoint.join(uri);
  await alice.post(uri, "last words");
  const { id } = await lab.administration.findRoom(uri);
  assert.equal((await alice.command("chandelete", room(uri))).code, 403);
  assert.equal((await root.command("chandelete", room(uri, { version: 1 }))).code, 409);
  assert.equal((await root.command("chandelete", room(uri))).code, 200);
  for (const endpoint of [alice, bob]) await saw(endpoint, "kick", uri);
  assert.equal(await bob.post(uri, "hello?"), 404);
  assert.equal((await alice.history(uri)).code, 404);
  assert.equal((await alice.command("chanmodify", room(uri, { name: "Risen" }))).code, 404);
  const rows = await lab.sql<{ kind: string; stream_seq: number }>(
    "SELECT kind, stream_seq FROM compliance_outbox WHERE room_id = ? UNION SELECT kind, stream_seq FROM compliance_handover WHERE room_id = ? ORDER BY stream_seq",
    [id, id],
  );
  assert.deepEqual(
    rows.slice(-5).map(({ kind }) => kind),
    ["JOIN", "CHAT", "PART", "PART", "ROOM_DELETED"],
  );
  assert.deepEqual(
    rows.map(({ stream_seq }) => stream_seq),
    rows.map((_, index) => index + 1),
  );
  const again = await lab.addRoom({ name: "Doomed" });
  assert.notEqual(again, uri, "the name is free");
});

test("a room moves only where its manager may create, and loses there whoever is out of scope", async () => {
  const { administration } = lab;
  await administration.addCategory({ name: "Narrow", allowed: [lab.address("alice"), lab.address("bob")] });
  const { category } = await administration.inspectCategory("Narrow");
  const parent = `ma-cat://${lab.stack.domain}/${category.guid}`;
  const uri = await lab.addRoom({
    name: "Moving",
    members: ["alice", "bob", "carol"],
    managers: ["alice", "carol"],
  });
  const [alice, bob, carol] = await people("alice", "bob", "carol");
  for (const endpoint of [alice, bob, carol]) await endpoint.join(uri);
  assert.equal((await alice.command("chanmodify", room(uri, { parent }))).code, 403, "no creator there yet");
  await administration.changeCategory("Narrow", { creators: [lab.address("alice")] });
  assert.equal(
    (await carol.command("chanmodify", room(uri, { parent }))).code,
    404,
    "not even in scope there",
  );
  const moved = await alice.command("chanmodify", room(uri, { parent }));
  assert.deepEqual([moved.code, described(moved).parent], [200, parent]);
  await saw(carol, "kick", uri);
  assert.equal(await bob.post(uri, "the two of us"), 200);
  const { roles, category: now } = await administration.inspectRoom(uri);
  assert.equal(now, "Narrow");
  assert.deepEqual(
    roles.map((one) => `${one.role} ${one.uri}`),
    [`member ${lab.address("alice")}`, `member ${lab.address("bob")}`, `manager ${lab.address("alice")}`],
  );
  const [last] = (await lab.administered(uri)).slice(-1);
  assert.deepEqual(
    [last?.kind, last?.detail.before],
    ["ROLE_CHANGED", { manager: [lab.address("carol")], member: [lab.address("carol")] }],
  );
});

test("a group's and a category's change act at once, too", async () => {
  const { administration } = lab;
  await administration.addGroup("ma-grp:9", "Night shift");
  await administration.addToGroup("ma-grp:9", [lab.address("bob"), lab.address("carol")]);
  const uri = await lab.addRoom({ name: "By group", members: ["alice"] });
  await administration.addRole(uri, "ma-grp:9", "member");
  const [alice, bob, carol] = await people("alice", "bob", "carol");
  for (const endpoint of [alice, bob, carol]) assert.equal((await endpoint.join(uri)).code, 200);
  await administration.removeFromGroup("ma-grp:9", lab.address("bob"));
  await saw(bob, "kick", uri);
  assert.equal((await bob.join(uri)).code, 403);
  await administration.changeCategory("Lab", { denied: [lab.address("carol")] });
  await saw(carol, "kick", uri);
  assert.equal((await carol.join(uri)).code, 403);
  await administration.changeCategory("Lab", { denied: [] });
  assert.equal((await carol.join(uri)).code, 200);
});

test("lists, permissions, categories, add-ins and people are shown to whom they concern", async () => {
  const { administration } = lab;
  await administration.addAddIn({ name: "Wiki", url: "https://wiki.example.com/" });
  const uri = await lab.addRoom({
    name: "Shown",
    type: "auditorium",
    members: ["alice", "bob"],
    managers: ["alice"],
    presenters: ["bob"],
  });
  const [alice, bob, carol, dave, root] = await people("alice", "bob", "carol", "dave", "root");
  assert.deepEqual(listed(await carol.command("getroles", `${room(uri)}<rib type="MANAGER"/>`), "MANAGER"), [
    lab.address("alice"),
  ]);
  assert.equal((await carol.command("getroles", room(uri))).code, 403);
  const mask = async (endpoint: XccosEndpoint) => {
    const { data } = await endpoint.command("getperms", room(uri));
    const [uib] = children(data, "uib");
    const [aib] = uib ? children(uib, "aib") : [];
    return Number(aib && attribute(aib, "key"));
  };
  assert.deepEqual(await Promise.all([alice, bob, carol, root].map(mask)), [
    2048 + 128 + 1024 + 4,
    2048 + 128 + 1024 + 256 + 4096,
    2048,
    2048 + 4 + 8192,
  ]);
  const names = async (endpoint: XccosEndpoint, command: string) =>
    children((await endpoint.command(command)).data, "catib").map((one) => attribute(one, "name"));
  assert.deepEqual(
    [await names(alice, "nodespermcreatechild"), await names(bob, "nodespermcreatechild")],
    [["Narrow", "Plant"], []],
  );
  assert.deepEqual(await names(dave, "getnodes"), ["Lab"]);
  assert.deepEqual(await names(root, "nodespermcreatechild"), ["Lab", "Narrow", "Plant"]);
  const [siop] = children((await bob.command("getsiops")).data, "siop");
  assert.deepEqual(siop?.attributes, { name: "Wiki", url: "https://wiki.example.com/" });
  assert.equal((await alice.command("chanmodify", room(uri, { siopname: "Wiki" }))).code, 200);
  assert.equal((await bob.join(uri)).rooms[0]?.attributes.siopurl, "https://wiki.example.com/");
  const search = async (endpoint: XccosEndpoint, data: string) => {
    const { code, data: found } = await endpoint.command("usrsrch", data);
    return code === 200 ? children(found, "uib").map((one) => attribute(one, "uri")) : code;
  };
  assert.deepEqual(await search(alice, `<catib uri="${plant}"/><qib criteria="a"/>`), [
    "example.com",
    "ma-grp:9",
    lab.address("alice"),
    lab.address("bob"),
    lab.address("carol"),
    lab.address("root"),
  ]);
  assert.deepEqual(await search(alice, `${room(uri)}<qib criteria="b" presenters="true"/>`), [
    lab.address("bob"),
  ]);
  assert.equal(await search(bob, `${room(uri)}<qib criteria=""/>`), 403);
  assert.equal(await search(bob, `<catib uri="${plant}"/>`), 403);
  assert.equal(await search(dave, `<catib uri="${plant}"/>`), 404);
});

test("rooms are searched by member, manager, category, add-in, type, privacy, invitations, and by all words, any, or the phrase", async () => {
  const { administration } = lab;
  const [alice] = await people("alice");
  await lab.addRoom({ name: "Blue moon hall", members: ["bob"], managers: ["carol"] });
  await lab.addRoom({ name: "Blue sea", privacy: "secret", members: ["bob"], managers: ["carol"] });
  await administration.addRoom({ name: "Moon base", category: "Plant", privacy: "open", addIn: "Wiki" });
  await administration.changeCategory("Plant", { invitations: true });
  const found = async (criteria: string, filter = "") => {
    const reply = await alice.command("chansrch", `<qib qtype="BYNAME" criteria="${criteria}" ${filter}/>`);
    return reply.code === 200
      ? children(reply.data, "chanib").map((one) => attribute(one, "name"))
      : reply.code;
  };
  assert.deepEqual(await found("moon blue"), ["Blue moon hall"]);
  assert.deepEqual(await found("moon blue", 'match="ANY"'), ["Blue moon hall", "Moon base"]);
  assert.deepEqual(await found("moon hall", 'match="EXACT"'), ["Blue moon hall"]);
  assert.deepEqual(await found("hall moon", 'match="EXACT"'), []);
  assert.deepEqual(
    await found("blue", `member="SIP:Bob@example.com"`),
    ["Blue moon hall"],
    "no secret room by its members",
  );
  assert.deepEqual(await found("blue", `manager="${lab.address("carol")}"`), ["Blue moon hall"]);
  assert.deepEqual(await found("blue", 'manager="sip:nobody@example.com"'), []);
  assert.deepEqual(await found("", `category="${plant}" visibility="open"`), ["Moon base"]);
  assert.deepEqual(await found("", 'addin="wiki" visibility="open"'), ["Moon base"]);
  await lab.addRoom({ name: "Stage door" });
  await administration.addRoom({ name: "Stage", category: "Plant", type: "auditorium" });
  assert.deepEqual(await found("stage", 'behavior="AUDITORIUM"'), ["Stage"]);
  assert.deepEqual(await found("stage", 'behavior="NORMAL" visibility="scoped"'), ["Stage door"]);
  assert.deepEqual(await found("moon", 'invite="true"'), ["Moon base"]);
  assert.deepEqual(await found("moon", 'invite="false"'), ["Blue moon hall"]);
  assert.deepEqual([await found("", 'category="Plant"'), await found("", 'match="SOME"')], [400, 400]);
});

test("who made a room and who changed it last is shown to whoever sees it, an administrator without his name", async () => {
  const [alice, bob] = await people("alice", "bob");
  const audit = async (by: XccosEndpoint, uri: string) => {
    const reply = await by.command("getchan", room(uri));
    const chanib = child(reply.data, "chanib");
    return (chanib && child(chanib, "audit")?.attributes) ?? reply.code;
  };
  const lists = [list("MEMBER", "ADD", [lab.address("bob")])];
  const made = await create(alice, { name: "Audited", parent: plant, visibility: "private", lists });
  const { uri = "" } = described(made);
  const first = await audit(bob, uri);
  assert.ok(typeof first === "object");
  const { createdon = "", updatedon, ...by } = first;
  assert.deepEqual(by, { createdby: lab.address("alice"), updatedby: lab.address("alice") });
  assert.match(createdon, /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/);
  assert.equal(updatedon, createdon);
  await lab.administration.addRole(uri, lab.address("carol"), "member");
  const second = await audit(bob, uri);
  assert.ok(typeof second === "object");
  assert.deepEqual([second.createdby, second.updatedby], [lab.address("alice"), "administrator"]);
  assert.equal(second.createdon, createdon);
  assert.ok(Date.parse(second.updatedon ?? "") >= Date.parse(createdon));
  const [dave] = await people("dave");
  assert.equal(await audit(dave, uri), 404);
});

test("the rooms somebody is in now are told to who could enter or manages them, and to nobody else", async () => {
  const [alice, bob, carol, dave] = await people("alice", "bob", "carol", "dave");
  const uris = {
    open: await lab.addRoom({ name: "Here open", privacy: "open" }),
    closed: await lab.addRoom({ name: "Here closed", members: ["alice", "bob"], managers: ["carol"] }),
    secret: await lab.addRoom({ name: "Here secret", privacy: "secret", members: ["alice"] }),
    left: await lab.addRoom({ name: "Here left", privacy: "open" }),
  };
  for (const uri of Object.values(uris)) assert.equal((await alice.join(uri)).code, 200);
  await alice.part(uris.left);
  const rooms = async (by: XccosEndpoint, user: string) => {
    const query = `<qib qtype="BYNAME" criteria="Here" joineduser="${lab.address(user)}"/>`;
    return children((await by.command("chansrch", query)).data, "chanib").map((one) =>
      attribute(one, "name"),
    );
  };
  await until("alice has left", async () => !(await rooms(bob, "alice")).includes("Here left"));
  assert.deepEqual(await rooms(bob, "alice"), ["Here closed", "Here open"]);
  assert.deepEqual(await rooms(carol, "alice"), ["Here closed", "Here open"]);
  assert.deepEqual(await rooms(dave, "alice"), ["Here open"]);
  assert.deepEqual(await rooms(alice, "alice"), ["Here closed", "Here open", "Here secret"]);
  assert.deepEqual([await rooms(bob, "dave"), await rooms(bob, "nobody")], [[], []]);
});

test("a list too long for a reply says that it goes on and takes no other's place, is had in parts, and is not replaced", async () => {
  const [alice] = await people("alice");
  const uri = await lab.addRoom({ name: "Crowd", members: ["bob"], managers: ["alice", "carol"] });
  const crowd = Array.from({ length: 1_100 }, (_, n) => `sip:crowd${n}@${lab.stack.domain}`);
  const ids = await lab.administration.addUsers(crowd.map((user) => ({ uri: user })));
  const { id: roomId } = await lab.administration.findRoom(uri);
  await lab.administration.addRoles(
    ids.map((principalId) => ({ roomId, principalId, role: "member" as const })),
  );
  const everybody = [...crowd, lab.address("bob")].sort();
  const goesOn = (reply: Reply) =>
    children(child(reply.data, "chanib") ?? assert.fail(), "rib").map((one) => [
      attribute(one, "type"),
      attribute(one, "more"),
    ]);

  const whole = await alice.command("getroles", room(uri));
  assert.deepEqual(goesOn(whole), [
    ["MEMBER", "true"],
    ["MANAGER", ""],
    ["PRESENTER", ""],
  ]);
  assert.deepEqual(listed(whole, "MANAGER"), [lab.address("alice"), lab.address("carol")]);
  const shown = listed(whole, "MEMBER");
  assert.deepEqual(shown, everybody.slice(0, shown.length));
  assert.ok(shown.length > 400, String(shown.length));

  const parts = [...shown];
  for (let more = "true"; more === "true"; ) {
    const after = `<rib type="MEMBER" after="${parts.at(-1)}" maxResults="500"/>`;
    const part = await alice.command("getroles", room(uri) + after);
    assert.equal(part.code, 200, part.text);
    parts.push(...listed(part, "MEMBER"));
    more = goesOn(part)[0]?.[1] ?? "";
  }
  assert.deepEqual(parts, everybody);
  assert.equal((await alice.command("getroles", `${room(uri)}<rib after="sip:b"/>`)).code, 400);

  const { version = "" } = described(whole);
  const edited = list("MEMBER", "REPLACE", [...shown.slice(1), lab.address("root")]);
  for (const attributes of [{ version }, {}] as const) {
    const refused = await alice.command("chanmodify", room(uri, attributes, edited));
    assert.equal(refused.code, 413);
    assert.match(refused.text, /list of members is too long to be replaced: add to it and remove from it/);
  }
  const short = list("MANAGER", "REPLACE", [lab.address("alice")]);
  assert.equal((await alice.command("chanmodify", room(uri, { version }, short))).code, 200);
  const removed = list("MEMBER", "REMOVE", [lab.address("bob")]);
  assert.equal((await alice.command("chanmodify", room(uri, {}, removed))).code, 200);
  const { roles } = await lab.administration.inspectRoom(uri);
  assert.deepEqual(
    roles.map(({ role, uri: who }) => `${role} ${who}`),
    [...[...crowd].sort().map((who) => `member ${who}`), `manager ${lab.address("alice")}`],
  );
});
