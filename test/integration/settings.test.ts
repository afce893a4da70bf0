import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { readHistory } from "../../plugin/client/room-data.ts";
import { parlance } from "../support/cli.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { room as roomBlock } from "../support/management.ts";
import { signedInOn } from "../support/pool-people.ts";
import { until } from "../support/until.ts";

const URL_SET = "https://chat.example.com/rooms?a=1&b=2";
let lab: Lab;
before(async () => {
  lab = await openLab({ nodes: 2, users: ["alice", "bob", "carol", "dave"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

const config = (...words: string[]) => parlance(lab.stack.configFiles.n1 ?? "", "config", ...words);

async function shown(node: string, ...words: string[]): Promise<Record<string, unknown>[]> {
  const { code, out, err } = await parlance(lab.stack.configFiles[node] ?? "", "config", ...words, "--json");
  assert.deepEqual([code, err], [0, ""], words.join(" "));
  return JSON.parse(out);
}

async function set(name: string, value: string): Promise<void> {
  const [row] = await shown("n1", "set", name, value);
  assert.equal(row?.done, "set");
}

async function unset(name: string): Promise<void> {
  assert.equal((await shown("n1", "unset", name))[0]?.done, "set");
}

/** Messages of the room when the client does not say how many. */
async function historyOf(endpoint: XccosEndpoint, uri: string): Promise<number> {
  return readHistory((await endpoint.command("bccontext", roomBlock(uri))).data).length;
}

/** Participants that a client is told when it joins the room again. */
const rosterOf = async (endpoint: XccosEndpoint, uri: string) =>
  (await endpoint.join(uri)).rooms[0]?.participants.map(({ address }) => address.replace(/^sip:|@.*/g, ""));

test("each setting acts on both nodes while people stay signed in, and nobody loses his session or his rooms", async () => {
  const uri = await lab.addRoom({ name: "Steady", members: ["alice", "bob", "carol", "dave"] });
  await lab.addRoom({ name: "Steady too", privacy: "open" });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  const both = [alice, bob];
  const onBoth = (what: string, holds: (endpoint: XccosEndpoint) => Promise<boolean>) =>
    until(what, async () => (await Promise.all(both.map(holds))).every(Boolean), LAB_TIMEOUT_MS);
  const dialogs = both.map(({ session }) => session.current?.dialog?.remoteTarget);

  for (const number of [1, 2, 3]) assert.equal(await alice.post(uri, `message ${number}`), 200);
  await bob.waitForMessage(({ text }) => text === "message 3", LAB_TIMEOUT_MS);
  for (const endpoint of both) assert.equal(await historyOf(endpoint, uri), 3);
  await set("DefaultChatHistory", "2");
  await onBoth("two messages are given", async (endpoint) => (await historyOf(endpoint, uri)) === 2);
  for (const endpoint of both)
    assert.equal((await endpoint.history(uri, 3)).messages.length, 3, "who says how many gets so many");

  const long = "x".repeat(60);
  for (const endpoint of both) assert.equal(await endpoint.post(uri, long), 200);
  await set("max-message", "50");
  await onBoth("a long message is refused", async (endpoint) => (await endpoint.post(uri, long)) === 413);
  for (const endpoint of both) {
    assert.equal(await endpoint.post(uri, long.slice(10)), 200);
    assert.equal(await endpoint.post(uri, `[STORY]${long}`), 200);
  }
  await set("max-story", "50B");
  await onBoth(
    "a long story is refused",
    async (endpoint) => (await endpoint.post(uri, `[STORY]${long}`)) === 413,
  );

  await set("search-limit", "1");
  await onBoth("one room is found", async (endpoint) => (await endpoint.search("steady")).rooms.length === 1);

  await set("RoomManagementUrl", URL_SET);
  await onBoth(
    "the address is told",
    async (endpoint) => (await endpoint.getServerInfo()).info.roomManagementUrl === URL_SET,
  );
  for (const endpoint of both) {
    const { searchLimit, messageSizeLimit, storySizeLimit } = (await endpoint.getServerInfo()).info;
    assert.deepEqual([searchLimit, messageSizeLimit, storySizeLimit], ["1", "50", "50"]);
  }
  // Either node may answer the SUBSCRIBE of a sign-in.
  for (let signIn = 0; signIn < 4; signIn++) {
    const { properties } = (await lab.signedIn("carol")).session.provisioning ?? assert.fail();
    assert.equal(properties.PersistentChatWebManagerUriInt, URL_SET);
    assert.equal(properties.PersistentChatWebManagerUriExt, URL_SET);
  }

  for (const name of [
    "max-message",
    "max-story",
    "search-limit",
    "default-chat-history",
    "room-management-url",
  ])
    await unset(name);
  await onBoth("all is as before", async (endpoint) => {
    const { searchLimit, messageSizeLimit, storySizeLimit, roomManagementUrl } = (
      await endpoint.getServerInfo()
    ).info;
    return (
      [searchLimit, messageSizeLimit, storySizeLimit].join() === "999,8000,32000" &&
      roomManagementUrl === undefined
    );
  });
  for (const endpoint of both) {
    assert.equal(await endpoint.post(uri, long), 200);
    assert.ok((await historyOf(endpoint, uri)) > 2);
    assert.equal((await endpoint.search("steady")).rooms.length, 2);
  }
  assert.deepEqual(
    both.map(({ session }) => session.current?.dialog?.remoteTarget),
    dialogs,
  );
  const coming = (await lab.recorded(uri)).filter(({ kind }) => kind === "JOIN" || kind === "PART");
  assert.deepEqual(
    coming.map(({ kind, actor }) => [kind, actor]),
    [
      ["JOIN", lab.address("alice")],
      ["JOIN", lab.address("bob")],
    ],
  );
});

test("a lower participant limit hides the roster of a room that is over it, a higher one shows it again", async () => {
  const uri = await lab.addRoom({ name: "Crowd", members: ["alice", "bob", "carol", "dave"] });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  const both = [alice, bob];
  const seen = (endpoint: XccosEndpoint, kind: string, user: string) =>
    endpoint.waitForNotice(
      (notice) => notice.kind === kind && notice.users.some(({ address }) => address === lab.address(user)),
      LAB_TIMEOUT_MS,
    );
  const carol = await lab.signedIn("carol");
  await carol.join(uri);
  for (const endpoint of both) await seen(endpoint, "join", "carol");

  await set("ParticipantUpdateLimit", "2");
  for (const endpoint of both)
    await until("only oneself is shown", async () => (await rosterOf(endpoint, uri))?.length === 1);
  const dave = await lab.signedIn("dave");
  assert.deepEqual(await rosterOf(dave, uri), ["dave"]);
  await carol.part(uri);
  await Promise.all(both.map((endpoint) => endpoint.expectNothing(1_500)));

  await set("participant-update-limit", "3"); // as many as there are: more than 80 % of it, and not above it
  for (const endpoint of both)
    await until("all are shown", async () => (await rosterOf(endpoint, uri))?.length === 3);
  await dave.part(uri);
  for (const endpoint of both) await seen(endpoint, "part", "dave");
  await carol.join(uri);
  const again = (endpoint: XccosEndpoint) =>
    endpoint.notices.filter(
      ({ kind, users }) => kind === "join" && users.some(({ address }) => address === lab.address("carol")),
    );
  for (const endpoint of both)
    await until("carol is seen to come again", () => again(endpoint).length === 2, LAB_TIMEOUT_MS);
  await unset("participant-update-limit");
});

test("what is set outlives a node, goes before its file, and the file holds again when it is taken back", async () => {
  const uri = await lab.addRoom({ name: "Lasting", members: ["alice", "bob"] });
  await set("default-chat-history", "2");
  await set("room-management-url", "");
  await lab.configure("n1", { chat: { "default-chat-history": 3, "room-management-url": URL_SET } });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  for (const number of [1, 2, 3, 4]) assert.equal(await alice.post(uri, `message ${number}`), 200);
  await bob.waitForMessage(({ text }) => text === "message 4", LAB_TIMEOUT_MS);
  assert.deepEqual([await historyOf(alice, uri), await historyOf(bob, uri)], [2, 2]);
  const urlOf = async () => (await alice.getServerInfo()).info.roomManagementUrl;
  assert.equal(await urlOf(), undefined);
  const row = async (node: string) => {
    const { value, from, default: otherwise } = (await shown(node, "get", "DefaultChatHistory"))[0] ?? {};
    return [value, from, otherwise];
  };
  assert.deepEqual(
    [await row("n1"), await row("n2")],
    [
      [2, "run time", 30],
      [2, "run time", 30],
    ],
  );
  await unset("default-chat-history");
  await until("the file of n1 holds", async () => (await historyOf(alice, uri)) === 3);
  await unset("room-management-url");
  await until("the address of the file is told", async () => (await urlOf()) === URL_SET);
  await until("the default holds on n2", async () => (await historyOf(bob, uri)) === 4);
  assert.deepEqual(
    [await row("n1"), await row("n2")],
    [
      [3, "file", 30],
      [30, "default", 30],
    ],
  );
});

test("config list shows what holds, in which unit, where it comes from, and Lync's name", async () => {
  await set("max-story", "64kB");
  const rows = await shown("n2", "list");
  assert.deepEqual(rows[2], {
    setting: "max-story",
    value: 64_000,
    unit: "bytes",
    default: 32_000,
    from: "run time",
    lync: "StorySizeLimit",
  });
  assert.deepEqual(
    rows.map(({ setting, lync }) => `${setting} ${lync}`),
    [
      "default-chat-history DefaultChatHistory",
      "max-message MessageSizeLimit",
      "max-story StorySizeLimit",
      "search-limit SearchLimit",
      "participant-update-limit ParticipantUpdateLimit",
      "room-management-url RoomManagementUrl",
    ],
  );
  const { out } = await config("list");
  assert.match(out, /^SETTING +VALUE +UNIT +DEFAULT +FROM +LYNC\n/);
  await unset("max-story");
});

test("a wrong value or name is refused in one sentence, changes nothing and is not recorded; what is changed is", async () => {
  const before = (await lab.administered()).length;
  const refusals: readonly (readonly [sentence: string, ...words: string[]])[] = [
    ['default-chat-history: "0" is not a whole number from 1 to 500', "set", "DefaultChatHistory", "0"],
    ['max-message: "1GB" is not a size from 1 to 64kB, such as 8000 or 32kB', "set", "max-message", "1GB"],
    [
      'room-management-url: "chat.example.com" is not empty, or an http or https URL of at most 1000 characters',
      "set",
      "RoomManagementUrl",
      "chat.example.com",
    ],
    ["MaxFileSizeKB cannot be set: rooms carry no files yet", "set", "MaxFileSizeKB", "20000"],
    ["MaxFileSizeKB cannot be set: rooms carry no files yet", "get", "maxfilesizekb"],
  ];
  for (const [sentence, ...words] of refusals) {
    const { code, out, err } = await config(...words);
    assert.deepEqual([code, out, err], [64, "", `parlance: ${sentence}\n`]);
  }
  for (const words of [
    ["unset", "colour"],
    ["get", "session-expires"],
    ["set", "store-id", "x"],
  ]) {
    const { code, out, err } = await config(...words);
    assert.deepEqual([code, out], [64, ""]);
    assert.match(err, /^parlance: no setting "[a-z-]+" can be changed at run time; these can: [^\n]+\n$/);
  }
  const { code, err } = await config("set", "max-message");
  assert.deepEqual(
    [code, /expected NAME VALUE; usage: parlance config set default-chat/.test(err)],
    [64, true],
  );
  const [rehearsed] = await shown("n1", "set", "max-message", "1kB", "--dry-run");
  assert.deepEqual(rehearsed, {
    setting: "max-message",
    before: "as in the file",
    after: 1_000,
    unit: "bytes",
    done: "would be set",
  });
  assert.equal((await lab.administered()).length, before);

  await set("max-message", "1kB");
  assert.equal((await shown("n1", "set", "MessageSizeLimit", "1000"))[0]?.done, "was so already");
  await unset("max-message");
  const told = (await lab.administered()).slice(before);
  assert.deepEqual(
    told.map(({ kind, stream, detail }) => ({ kind, stream, ...detail })),
    [
      {
        kind: "SETTING_CHANGED",
        stream: "administration",
        subject: "max-message",
        before: null,
        after: 1_000,
      },
      {
        kind: "SETTING_CHANGED",
        stream: "administration",
        subject: "max-message",
        before: 1_000,
        after: null,
      },
    ],
  );
  assert.match(told[0]?.actor ?? "", /^administrator:./);
});
