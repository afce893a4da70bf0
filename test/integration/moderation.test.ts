import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { attribute, child, children } from "../../plugin/client/xml-reader.ts";
import { parlance as runCommand } from "../support/cli.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { signedInOn } from "../support/pool-people.ts";

const LYNC_TEXT = "This message was replaced by the Persistent Chat administrator.";

let lab: Lab;
before(async () => {
  lab = await openLab({ nodes: 2, users: ["alice", "bob", "carol"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

/** As an administrator beside a node runs it. */
const parlance = (...words: string[]) => runCommand(lab.stack.configFiles.n1 ?? "", ...words);

/** What `ntc:msgmodify` says. */
async function told(
  endpoint: XccosEndpoint,
  room: string,
): Promise<{ removed: string[]; replaced: string[] }> {
  const notice = await endpoint.waitForNotice(
    ({ kind, room: of }) => kind === "msgmodify" && of === room,
    LAB_TIMEOUT_MS,
  );
  const chanib = notice.data && child(notice.data, "chanib");
  assert.ok(chanib);
  return {
    removed: children(chanib, "removed").map((span) => `${attribute(span, "from")}-${attribute(span, "to")}`),
    replaced: children(chanib, "msg").map(
      (msg) => `${attribute(msg, "chatId")} ${attribute(msg, "author")} ${child(msg, "chat")?.text}`,
    ),
  };
}

const shown = async (endpoint: XccosEndpoint, room: string) =>
  (await endpoint.history(room)).messages.map(({ text }) => text);

test("a message that is removed at the command line is gone for participants on both nodes, newcomers and unread counts", async () => {
  const uri = await lab.addRoom({ name: "Slip", members: ["alice", "bob", "carol"] });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  for (const text of ["one", "my password is 4711", "three"]) assert.equal(await alice.post(uri, text), 200);
  await bob.waitForMessage(({ text }) => text === "three", LAB_TIMEOUT_MS);
  const dry = await parlance("message", "remove", "Slip", "--words", "PASSWORD", "--dry-run", "--json");
  assert.deepEqual([dry.code, JSON.parse(dry.out)], [0, [{ room: "Slip", "would be removed": 1 }]], dry.err);
  assert.equal((await shown(bob, uri)).length, 3);
  const done = await parlance(
    "message",
    "remove",
    "Slip",
    "--words",
    "PASSWORD",
    "--reason",
    "a slip",
    "--json",
  );
  assert.deepEqual([done.code, JSON.parse(done.out)], [0, [{ room: "Slip", removed: 1 }]], done.err);
  for (const endpoint of [alice, bob])
    assert.deepEqual(await told(endpoint, uri), { removed: ["2-2"], replaced: [] });
  assert.deepEqual(await shown(bob, uri), ["one", "three"]);
  const carol = await lab.signedIn("carol");
  const followed = (await carol.getAssociations()).rooms.find((room) => room.uri === uri);
  assert.equal(followed?.unread, 2);
  assert.equal((await carol.join(uri)).code, 200);
  assert.deepEqual(await shown(carol, uri), ["one", "three"]);
  assert.equal(await alice.post(uri, "four"), 200);
  for (const endpoint of [alice, bob, carol]) {
    const copy = await endpoint.waitForMessage(({ text }) => text === "four", LAB_TIMEOUT_MS);
    assert.equal(copy.chatId, 4, "numbers go on");
  }
  const event = (await lab.administered("Slip")).at(-1);
  assert.deepEqual(
    [event?.kind, event?.detail.reason, event?.actor],
    ["MESSAGE_REMOVED", "a slip", `administrator:${userInfo().username}`],
  );
});

test("a search finds a replaced message by its new words, not by its old ones, and a removed one not at all", async () => {
  const uri = await lab.addRoom({ name: "Searched", members: ["alice", "bob"] });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  for (const text of ["first secret", "second secret", "third"])
    assert.equal(await alice.post(uri, text), 200);
  const found = async (endpoint: XccosEndpoint, text: string) =>
    (await endpoint.searchHistory({ rooms: [uri], text, authors: [lab.address("alice")] })).found.flatMap(
      ({ messages }) => messages.map(({ chatId }) => chatId),
    );
  // Both nodes know the words by then.
  for (const endpoint of [alice, bob]) assert.deepEqual(await found(endpoint, "secret"), [1, 2]);
  const replaced = await parlance("message", "replace", "Searched", "--words", "first", "--reason", "test");
  assert.equal(replaced.code, 0, replaced.err);
  const removed = await parlance("message", "remove", "Searched", "--words", "second", "--reason", "test");
  assert.equal(removed.code, 0, removed.err);
  for (const endpoint of [alice, bob]) {
    assert.deepEqual(await found(endpoint, "secret"), []);
    assert.deepEqual(await found(endpoint, "administrator"), [1]);
    assert.deepEqual(await found(endpoint, "third"), [3]);
  }
});

test("what an author said is replaced, by Lync's text unless another is given, and participants get the new text", async () => {
  const uri = await lab.addRoom({ name: "Rude", members: ["alice", "bob"] });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  assert.equal(await alice.post(uri, "hello"), 200);
  await bob.waitForMessage(({ text }) => text === "hello", LAB_TIMEOUT_MS);
  assert.equal(await bob.post(uri, "you <fool>"), 200);
  await alice.waitForMessage(({ text }) => text === "you <fool>", LAB_TIMEOUT_MS);
  const author = lab.address("bob");
  const done = await parlance("message", "replace", "Rude", "--author", author, "--reason", "tone");
  assert.equal(done.code, 0, done.err);
  for (const endpoint of [alice, bob])
    assert.deepEqual(await told(endpoint, uri), { removed: [], replaced: [`2 ${author} ${LYNC_TEXT}`] });
  assert.deepEqual(await shown(alice, uri), ["hello", LYNC_TEXT]);
});

test("a manager moderates by XCCOS without being in the room, a member does not", async () => {
  const uri = await lab.addRoom({ name: "Looked after", members: ["alice", "bob"], managers: ["carol"] });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  for (const text of ["one", "two"]) assert.equal(await alice.post(uri, text), 200);
  await bob.waitForMessage(({ text }) => text === "two", LAB_TIMEOUT_MS);
  const carol = await lab.signedIn("carol");
  const ask = (endpoint: XccosEndpoint, attributes: string, inner: string) =>
    endpoint.command("msgmodify", `<chanib uri="${uri}"/><moderation ${attributes}>${inner}</moderation>`);
  const first = '<msg chatId="1"/>';
  assert.equal((await ask(bob, 'change="REMOVE" reason="mine"', first)).code, 403);
  assert.equal((await ask(carol, 'change="REMOVE"', first)).code, 400, "no reason");
  assert.deepEqual(await shown(bob, uri), ["one", "two"]);
  const reply = await ask(carol, 'change="REPLACE" reason="tone"', `${first}<chat>1 &amp; only</chat>`);
  assert.deepEqual([reply.code, reply.data.children[0]?.attributes], [200, { cnt: "1" }]);
  for (const endpoint of [alice, bob])
    assert.deepEqual(await told(endpoint, uri), {
      removed: [],
      replaced: [`1 ${lab.address("alice")} 1 & only`],
    });
  assert.equal(
    (await ask(carol, 'change="REMOVE" reason="x"', '<msg chatId="2"/><msg chatId="3"/>')).code,
    200,
  );
  assert.deepEqual(await shown(bob, uri), ["1 & only"]);
  const event = (await lab.administered("Looked after")).at(-1);
  assert.deepEqual([event?.kind, event?.actor], ["MESSAGE_REMOVED", lab.address("carol")]);
  const clear = (endpoint: XccosEndpoint, attributes: string) =>
    ask(endpoint, `change="CLEAR" ${attributes}`, "");
  assert.equal((await clear(bob, 'reason="mine"')).code, 403);
  assert.equal((await clear(carol, "")).code, 400, "no reason");
  for (const before of ["yesterday", ""])
    assert.equal((await clear(carol, `reason="x" before="${before}"`)).code, 400);
  const early = await clear(carol, 'reason="x" before="2001-01-01T00:00:00Z"');
  assert.deepEqual([early.code, early.data.children[0]?.attributes], [200, { cnt: "0" }]);
  assert.deepEqual(await shown(bob, uri), ["1 & only"]);
  const cleared = await clear(carol, 'reason="spring"');
  assert.deepEqual([cleared.code, cleared.data.children[0]?.attributes], [200, { cnt: "1" }]);
  assert.deepEqual(await shown(bob, uri), []);
  const last = (await lab.administered("Looked after")).at(-1);
  assert.deepEqual(
    [last?.kind, last?.actor, last?.detail.reason],
    ["ROOM_CLEARED", lab.address("carol"), "spring"],
  );
});

test("a room is cleared at the command line, participants are told up to where, and it goes on", async () => {
  const uri = await lab.addRoom({ name: "Old", members: ["alice", "bob"] });
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  for (const text of ["one", "two", "three"]) assert.equal(await alice.post(uri, text), 200);
  await bob.waitForMessage(({ text }) => text === "three", LAB_TIMEOUT_MS);
  const early = await parlance("room", "clear", "Old", "--before", "2001-01-01", "--reason", "age", "--json");
  assert.deepEqual([early.code, JSON.parse(early.out)], [0, [{ room: "Old", removed: 0 }]], early.err);
  const done = await parlance("room", "clear", "Old", "--all", "--reason", "age", "--json");
  assert.deepEqual([done.code, JSON.parse(done.out)], [0, [{ room: "Old", removed: 3 }]], done.err);
  for (const endpoint of [alice, bob])
    assert.deepEqual(await told(endpoint, uri), { removed: ["1-3"], replaced: [] });
  assert.deepEqual(await shown(bob, uri), []);
  assert.equal(await bob.post(uri, "fresh"), 200);
  await alice.waitForMessage(({ text }) => text === "fresh", LAB_TIMEOUT_MS);
  assert.deepEqual(await shown(alice, uri), ["fresh"]);
});

test("the commands say what they miss, with exit code 64, and do nothing", async () => {
  await lab.addRoom({ name: "Untouched", members: ["alice"] });
  for (const [args, sentence] of [
    [["message", "remove", "Untouched", "--reason", "x"], /Say which messages/],
    [["message", "remove", "Untouched", "--number", "1"], /--reason is missing/],
    [["message", "replace", "Untouched", "--number", "x", "--reason", "x"], /no number of a message/],
    [["message", "remove", "No such room", "--number", "1", "--reason", "x"], /There is no room/],
    [["room", "clear", "Untouched", "--reason", "x"], /--before DATE, or --all/],
    [["room", "clear", "Untouched", "--before", "yesterday", "--reason", "x"], /is a date such as/],
  ] as const) {
    const { code, err } = await parlance(...args);
    assert.equal(code, 64, err);
    assert.match(err, sentence);
  }
  assert.deepEqual(
    (await lab.administered("Untouched")).map(({ kind }) => kind),
    ["ROOM_CREATED", "ROLE_CHANGED"],
  );
});
