import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { ClientError } from "../../plugin/client/client-error.ts";
import { registrationFaults } from "../../plugin/client/registration.ts";
import { headerValue, headerValues } from "../../plugin/client/sip-message.ts";
import { attribute, children } from "../../plugin/client/xml-reader.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ nodes: 2, users: ["alice", "bob", "carol", "dave", "erin"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

const refusedWith = (status: number) => (error: unknown) =>
  error instanceof ClientError && error.kind === "refused" && error.status === status;

function setting(url: string, name = "A room"): string {
  return `<roomSetting xmlns="urn:x" xmlns:y="urn:y" y:kept="&amp;1"><propertyList><property name="url">${url}</property><property name="name">${name}</property></propertyList></roomSetting>`;
}

test("a room that one computer follows is followed by the user's other computers, at once and for good", async () => {
  const room = await lab.addRoom({ name: "Followed", members: ["alice"] });
  const [desk, laptop] = await Promise.all([lab.signedIn("alice"), lab.signedIn("alice")]);
  for (const { presence } of [desk, laptop]) {
    const answer = await presence.subscribe();
    assert.equal(headerValue(answer, "Event"), "vnd-microsoft-roaming-self");
    assert.equal(headerValue(answer, "subscription-state"), "active;expires=300");
    assert.deepEqual(presence.followed, []);
  }
  assert.equal((await desk.presence.follow(room, "Followed")).status, 200);
  assert.deepEqual(desk.presence.followed, [room]);
  await laptop.presence.waitUntil(({ followed }) => followed.includes(room), LAB_TIMEOUT_MS);
  const [category] = laptop.presence.categories.values();
  assert.deepEqual(category?.properties, { url: room, name: "Followed" });
  assert.equal(category?.version, 1);

  const later = await lab.signedIn("alice");
  await later.presence.subscribe(0);
  assert.deepEqual(later.presence.followed, [room]);

  assert.equal((await laptop.presence.unfollow(room)).status, 200);
  await desk.presence.waitUntil(({ followed }) => followed.length === 0, LAB_TIMEOUT_MS);
  await later.presence.subscribe(0);
  assert.equal((await lab.sql("SELECT 1 FROM publication WHERE content IS NOT NULL")).length, 0);
});

test("what is kept comes back as it was written", async () => {
  const bob = await lab.signedIn("bob");
  const content = `<s:roomSetting xmlns:s="urn:s" a="&lt;&quot;">Grüße <!-- no --><![CDATA[<b>]]>\u{1F600}<s:e/></s:roomSetting>`;
  assert.equal(
    (await bob.presence.publish([{ name: "roomSetting", instance: 7, version: 0, content }])).status,
    200,
  );
  const { body } = await bob.presence.subscribe(0);
  assert.ok(
    body.toString("utf8").includes(`a="&lt;&quot;" xmlns:s="urn:s"`) ||
      body.toString("utf8").includes(`xmlns:s="urn:s" a="&lt;&quot;"`),
    body.toString("utf8"),
  );
  assert.ok(body.toString("utf8").includes(">Grüße &lt;b&gt;\u{1F600}<s:e/></s:roomSetting>"));
});

test("of two computers that change the same setting the later one is told the version that stands", async () => {
  const [desk, laptop] = await Promise.all([lab.signedIn("carol"), lab.signedIn("carol")]);
  const name = "roomSetting";
  const change = (instance: number, version: number, content?: string) => ({
    name,
    instance,
    version,
    ...(content === undefined ? {} : { content }),
  });
  const first = await desk.presence.publish([change(1, 0, setting("ma-chan://example.com/1"))]);
  assert.deepEqual(first, { status: 200, conflicts: [] });
  const late = await laptop.presence.publish([
    change(2, 0, setting("ma-chan://example.com/2")),
    change(1, 0, "<x/>"),
  ]);
  assert.deepEqual(late, { status: 409, conflicts: [{ index: 2, current: 1 }] });
  await laptop.presence.subscribe(0);
  assert.deepEqual(laptop.presence.followed, ["ma-chan://example.com/1"], "and nothing of it was done");

  const race = await Promise.all(
    [desk, laptop].map(({ presence }) =>
      presence.publish([change(1, 1, setting("ma-chan://example.com/3"))]),
    ),
  );
  assert.deepEqual(race.map(({ status }) => status).sort(), [200, 409]);
  assert.deepEqual(race.find(({ status }) => status === 409)?.conflicts, [{ index: 1, current: 2 }]);

  // Removed and made again: a computer that knows the earlier version changes nothing.
  assert.equal((await desk.presence.publish([change(1, 2)])).status, 200);
  assert.deepEqual(await laptop.presence.publish([change(1, 2, "<x/>")]), {
    status: 409,
    conflicts: [{ index: 1, current: 0 }],
  });
  assert.equal((await desk.presence.publish([change(1, 0, setting("ma-chan://example.com/4"))])).status, 200);
  assert.equal((await laptop.presence.publish([change(1, 2, "<x/>")])).status, 409);
});

test("a presence document is its user's alone, and what is not understood changes nothing", async () => {
  const dave = await lab.signedIn("dave");
  const content = setting("ma-chan://example.com/1");
  const change = { name: "roomSetting", instance: 1, version: 0, content };
  assert.equal((await dave.presence.publish([change], "sip:alice@example.com")).status, 403);
  const around = (publication: string) =>
    `<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence"><publications uri="sip:dave@example.com">${publication}</publications></publish>`;
  const bad = [
    "",
    "<publish/>",
    "not XML",
    around('<publication categoryName="roomSetting" instance="x" container="1" version="0"/>'),
    around('<publication categoryName="roomSetting" instance="4294967296" container="1" version="0"/>'),
    around('<publication categoryName="roomSetting" instance="1" container="1"/>'),
    around('<publication categoryName="roomSetting" instance="1" container="1" version="0" expireType="x"/>'),
    around("<other/>"),
    `<!DOCTYPE p [<!ENTITY e "x">]>${around("")}`,
  ];
  for (const body of bad) assert.ok([400, 415].includes((await dave.presence.service(body)).status), body);
  const large = around(
    `<publication categoryName="roomSetting" instance="1" container="1" version="0">${"x".repeat(0)}<a>${"y".repeat(90_000)}</a></publication>`,
  );
  assert.equal((await dave.presence.service(large)).status, 413);
  const many = Array.from({ length: 40 }, (_, instance) => ({
    ...change,
    instance,
    content: `<a>${"z".repeat(2_000)}</a>`,
  }));
  assert.equal((await dave.presence.publish(many)).status, 413);
  await dave.presence.subscribe(0);
  assert.equal(dave.presence.categories.size, 0);
  // The user's own presence is somebody else's: accepted, as clients want it, and not kept.
  assert.equal(
    (await dave.presence.publish([{ name: "state", instance: 1, version: 0, content: "<state/>" }])).status,
    200,
  );
  await dave.presence.subscribe(0);
  assert.equal(dave.presence.categories.size, 0);
});

test("SIPE is not offered its presence document, and gets none", async () => {
  const sipe = await lab.signedIn("bob", { sipe: true });
  const plain = await lab.signedIn("bob");
  const offered = (response: Awaited<ReturnType<typeof sipe.session.registration.register>>) =>
    headerValues(response, "Allow-Events").flatMap((line) => line.split(","));
  const toSipe = await sipe.session.registration.register();
  assert.deepEqual(registrationFaults(toSipe), []);
  assert.deepEqual(offered(toSipe), ["vnd-microsoft-provisioning-v2"]);
  assert.deepEqual(offered(await plain.session.registration.register()), [
    "vnd-microsoft-provisioning-v2",
    "vnd-microsoft-roaming-self",
  ]);
  await assert.rejects(
    sipe.presence.subscribe(),
    (error) => error instanceof ClientError && error.kind === "refused",
  );
  const content = setting("ma-chan://example.com/1");
  assert.notEqual(
    (await sipe.presence.publish([{ name: "roomSetting", instance: 99, version: 0, content }])).status,
    200,
  );
  assert.equal((await lab.sql("SELECT 1 FROM publication WHERE instance = 99")).length, 0);
});

test("a subscription is refreshed and ended; a node that does not know it says so", async () => {
  const erin = await lab.signedIn("erin");
  const other = await lab.signedIn("erin");
  await other.presence.subscribe();
  await other.presence.subscribe(120);
  assert.equal((await erin.presence.follow("ma-chan://example.com/1", "One")).status, 200);
  await other.presence.waitUntil(({ notifications }) => notifications === 1, LAB_TIMEOUT_MS);
  await other.presence.subscribe(0);
  assert.equal((await erin.presence.follow("ma-chan://example.com/2", "Two")).status, 200);
  await other.presence.subscribe();
  assert.equal(other.presence.followed.length, 2);
  assert.equal(other.presence.notifications, 1);
  for (const node of ["n1", "n2"]) await lab.restart(node);
  await assert.rejects(other.presence.subscribe(120), refusedWith(481));
});

test("a client that knows neither piggybacking nor BENOTIFY is told by NOTIFY", async () => {
  const erin = await lab.signedIn("erin");
  const answer = await erin.presence.subscribe(300, "timer");
  assert.equal(answer.body.length, 0);
  await erin.presence.waitUntil(({ notifications }) => notifications === 1, LAB_TIMEOUT_MS);
  const other = await lab.signedIn("erin");
  const known = erin.presence.followed.length;
  assert.equal((await other.presence.follow("ma-chan://example.com/3", "Three")).status, 200);
  await erin.presence.waitUntil(({ followed }) => followed.length === known + 1, LAB_TIMEOUT_MS);
});

test("posts and alerts reach every computer that has joined what it follows, and wait for one that has not", async () => {
  const room = await lab.addRoom({ name: "Alarms", members: ["alice", "bob"] });
  const late = await lab.signedIn("alice");
  await late.presence.subscribe();
  const unread = async () => (await late.getAssociations()).rooms.find(({ uri }) => uri === room)?.unread;
  const computers = await Promise.all([lab.signedIn("alice"), lab.signedIn("alice")]);
  for (const { presence } of computers) await presence.subscribe();
  await computers[0]?.presence.follow(room, "Alarms");
  for (const computer of computers) {
    await computer.presence.waitUntil(({ followed }) => followed.includes(room), LAB_TIMEOUT_MS);
    assert.deepEqual((await computer.bjoin(computer.presence.followed)).failed, []);
  }
  const bob = await lab.signedIn("bob");
  await bob.join(room);
  assert.equal(await bob.post(room, "plain"), 200);
  assert.equal(await bob.post(room, "pump 3 burns", { alert: true }), 200);
  for (const computer of computers) {
    const alert = await computer.waitForMessage(({ text }) => text === "pump 3 burns", LAB_TIMEOUT_MS);
    assert.equal(alert.alert, true);
    assert.deepEqual(
      computer.messages.map(({ text }) => text),
      ["plain", "pump 3 burns"],
    );
    await computer.signOff();
  }
  await late.presence.waitUntil(({ followed }) => followed.includes(room), LAB_TIMEOUT_MS);
  assert.equal(await unread(), 0, "the user has heard them");
  assert.equal(await bob.post(room, "nobody hears", { alert: true }), 200);
  await until("it is counted", async () => (await unread()) === 1);
  assert.deepEqual(late.messages, [], "to follow is not to be in the room");
  assert.equal((await late.bjoin(late.presence.followed)).rooms[0]?.unread, 1);
  const { messages } = await late.history(room);
  assert.deepEqual(
    messages.map(({ text, alert }) => [text, alert]),
    [
      ["plain", false],
      ["pump 3 burns", true],
      ["nobody hears", true],
    ],
  );
});

test("a filter's words are found in the rooms its user follows and may read, whether he is in them or not", async () => {
  const room = await lab.addRoom({ name: "Pumps", members: ["carol", "bob"] });
  const closed = await lab.addRoom({ name: "Not hers", members: ["bob"] });
  const other = await lab.addRoom({ name: "Not followed", members: ["carol", "bob"] });
  const [carol, phone] = await Promise.all([lab.signedIn("carol"), lab.signedIn("carol")]);
  for (const uri of [room, closed]) assert.equal((await carol.presence.follow(uri, "x")).status, 200);
  assert.equal((await carol.presence.awaitWords("pumps", "Pumpe 停电")).status, 200);
  const bob = await lab.signedIn("bob");
  for (const uri of [room, closed, other]) await bob.join(uri);
  const found = (endpoint: typeof carol) =>
    endpoint.notices
      .filter(({ kind }) => kind === "feed")
      .flatMap(({ room: uri, data }) =>
        (data ? children(data, "chanib") : []).flatMap((block) =>
          children(block, "feed").map(
            (feed) =>
              `${uri === room} ${attribute(feed, "name")} ${attribute(feed, "chatId")} ${attribute(feed, "author")}`,
          ),
        ),
      );
  let posts = 0;
  await until("the filter is known", async () => {
    posts += 1;
    assert.equal(await bob.post(room, "die PUMPE steht"), 200);
    // Whatever is on its way is there before the answer. Each node learns of the filter by itself.
    for (const endpoint of [carol, phone]) await endpoint.getServerInfo();
    return found(carol).length > 0 && found(phone).length > 0;
  });
  for (const endpoint of [carol, phone])
    await until(
      "every post since then is found",
      () => found(endpoint).at(-1)?.startsWith(`true pumps ${posts} `) === true,
    );
  const before = found(carol).length;
  for (const [uri, text] of [
    [closed, "Pumpe"],
    [other, "Pumpe"],
    [room, "Pumpenhaus"],
    [room, "nothing"],
    [room, "昨天停电了"],
  ] as const)
    assert.equal(await bob.post(uri, text), 200);
  const last = `true pumps ${posts + 3} sip:bob@example.com`;
  for (const endpoint of [carol, phone])
    await until("the last one is found", () => found(endpoint).at(-1) === last);
  assert.equal(found(carol).length, before + 1);
  assert.deepEqual(carol.messages, [], "without being in the room, and without the text");
});
