import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { createConnection } from "mysql2/promise";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ users: ["alice", "bob", "carol", "dave"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

/** What a person may type, each with what an XML 1.0 parser makes of it (§2.11: raw CR LF arrives as LF). */
const TEXTS: readonly { readonly sent: string; readonly arrives?: string }[] = [
  { sent: `<b>not bold</b> & "quoted" 'too' &amp; ]]> <!-- no comment --> <?pi?>` },
  { sent: "emoji 😀👩‍👩‍👧 flags 🇪🇺, combining e\u0301, שלום ומرحبا \u202e" },
  { sent: "first\r\nsecond\r\n\r\nfourth", arrives: "first\nsecond\n\nfourth" },
  { sent: "  blanks \t before and after \n" },
  { sent: `${"0123456789abcde ".repeat(254)}${"äöü€".repeat(3)}${"z".repeat(5)}` },
  { sent: "\u{10FFFD}\uFFFD\u0085\u2028" },
];

async function inRoom(uri: string, ...users: string[]): Promise<XccosEndpoint[]> {
  const endpoints = await Promise.all(users.map((user) => lab.signedIn(user)));
  for (const endpoint of endpoints) assert.equal((await endpoint.join(uri)).code, 200);
  return endpoints;
}

function arrived(endpoint: XccosEndpoint, count: number): Promise<true> {
  const enough = () => (endpoint.messages.length >= count ? true : undefined);
  return endpoint.inbox.waitFor(enough, LAB_TIMEOUT_MS, `${count} messages, has ${endpoint.messages.length}`);
}

test("texts arrive, are read back and are recorded exactly as an XML parser reads them", async () => {
  const uri = await lab.addRoom({ name: 'Lads & Co "4"', members: ["alice", "bob"] });
  const [alice, bob] = (await inRoom(uri, "alice", "bob")) as [XccosEndpoint, XccosEndpoint];
  for (const { sent } of TEXTS) assert.equal(await alice.post(uri, sent), 200);
  const expected = TEXTS.map(({ sent, arrives }) => arrives ?? sent);
  for (const endpoint of [alice, bob]) {
    await arrived(endpoint, expected.length);
    assert.deepEqual(
      endpoint.messages.map(({ text }) => text),
      expected,
    );
  }
  const history = await bob.history(uri);
  assert.deepEqual(
    history.messages.map(({ text }) => text),
    expected,
  );
  const kept = await lab.sql<{ text: string }>(
    "SELECT text FROM message m JOIN room r ON r.id = m.room_id WHERE r.name = ? ORDER BY number",
    ['Lads & Co "4"'],
  );
  assert.deepEqual(
    kept.map(({ text }) => text),
    expected,
  );
  const recorded = (await lab.recorded(uri)).filter(({ kind }) => kind === "CHAT");
  assert.deepEqual(
    recorded.map(({ detail }) => detail.text),
    expected,
  );
});

test("a carriage return that a client writes as a reference is kept", async () => {
  const uri = await lab.addRoom({ name: "Returns", members: ["alice"] });
  const [alice] = (await inRoom(uri, "alice")) as [XccosEndpoint];
  assert.equal(await alice.post(uri, "", { raw: "<chat>a&#13;&#10;b</chat>" }), 200);
  assert.equal((await alice.waitForMessage(() => true)).text, "a\r\nb");
  assert.equal((await alice.history(uri)).messages[0]?.text, "a\r\nb");
});

test("history comes oldest first, as much as was asked for, with the original numbers and times", async () => {
  const uri = await lab.addRoom({ name: "Log", members: ["alice", "bob"] });
  const [alice] = (await inRoom(uri, "alice")) as [XccosEndpoint];
  for (let number = 1; number <= 12; number++) assert.equal(await alice.post(uri, `line ${number}`), 200);
  await arrived(alice, 12);
  const bob = await lab.signedIn("bob"); // a member need not be in the room to read
  const all = await bob.history(uri, 500);
  const core = ({ chatId, text, ts, author, authorName, room }: XccosEndpoint["messages"][number]) => ({
    chatId,
    text,
    ts,
    author,
    authorName,
    room,
  });
  assert.deepEqual(all.messages.map(core), alice.messages.map(core));
  assert.deepEqual(
    all.messages.map(({ chatId }) => chatId),
    Array.from({ length: 12 }, (_, index) => index + 1),
  );
  for (const { ts, author, authorName, room } of all.messages) {
    assert.match(ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,7}Z$/);
    assert.deepEqual([author, authorName, room], [lab.address("alice"), "Alice", uri]);
  }
  assert.deepEqual(
    (await bob.history(uri, 3)).messages.map(({ text }) => text),
    ["line 10", "line 11", "line 12"],
  );
  assert.deepEqual((await bob.history(uri, 0)).messages, []);
  assert.deepEqual(bob.messages, [], "reading is no joining");
});

test("a room whose category keeps no history gives none, though copies come live", async () => {
  await lab.administration.addCategory({ name: "Unlogged", allowed: [lab.stack.domain], chatHistory: false });
  const uri = await lab.addRoom({ name: "Off the record", members: ["alice", "bob"], category: "Unlogged" });
  const [alice, bob] = (await inRoom(uri, "alice", "bob")) as [XccosEndpoint, XccosEndpoint];
  assert.equal(await alice.post(uri, "just between us"), 200);
  assert.equal((await bob.waitForMessage(() => true)).text, "just between us");
  assert.deepEqual((await bob.history(uri)).messages, []);
});

test("the author's every endpoint gets the copy, once per dialog, and other rooms get nothing", async () => {
  const uri = await lab.addRoom({ name: "Echo", members: ["alice", "bob"] });
  const other = await lab.addRoom({ name: "Silence", members: ["alice", "bob", "carol"] });
  const clients = await inRoom(uri, "alice", "alice", "bob");
  const [carol] = (await inRoom(other, "carol")) as [XccosEndpoint];
  const outside = await lab.signedIn("alice"); // signed in, not joined
  await clients[0]?.post(uri, "one");
  await clients[1]?.post(uri, "two");
  for (const client of clients) {
    await arrived(client, 2);
    assert.deepEqual(
      client.messages.map(({ text, chatId }) => [text, chatId]),
      [
        ["one", 1],
        ["two", 2],
      ],
    );
  }
  await carol.post(other, "echo?");
  await arrived(carol, 1);
  for (const client of clients) assert.equal(client.messages.length, 2);
  assert.deepEqual([carol.messages.length, outside.messages.length], [1, 0]);
});

test("four authors at once: everybody gets everything in the same order, numbers without gaps", async () => {
  const uri = await lab.addRoom({ name: "Market", members: ["alice", "bob", "carol", "dave"] });
  const clients = await inRoom(uri, "alice", "bob", "carol", "dave");
  const each = 25;
  const said = await Promise.all(
    clients.map(async (client, index) => {
      const statuses = [];
      for (let turn = 0; turn < each; turn++) statuses.push(client.post(uri, `${index}/${turn}`)); // pipelined
      return Promise.all(statuses);
    }),
  );
  assert.ok(said.flat().every((status) => status === 200));
  const total = clients.length * each;
  const [reference] = clients;
  for (const client of clients) {
    await arrived(client, total);
    assert.deepEqual(
      client.messages.map(({ chatId }) => chatId),
      Array.from({ length: total }, (_, index) => index + 1),
    );
    assert.deepEqual(
      client.messages.map(({ text }) => text),
      reference?.messages.map(({ text }) => text),
    );
  }
  for (const index of clients.keys()) {
    const own = reference?.messages
      .filter(({ text }) => text.startsWith(`${index}/`))
      .map(({ text }) => text);
    assert.deepEqual(
      own,
      Array.from({ length: each }, (_, turn) => `${index}/${turn}`),
      "in the author's own order",
    );
  }
  const recorded = (await lab.recorded(uri)).filter(({ kind }) => kind === "CHAT");
  assert.deepEqual(
    recorded.map(({ detail }) => detail.number),
    Array.from({ length: total }, (_, index) => index + 1),
  );
});

test("alert, rich text, display name and stories go through unchanged; the client's own time does not", async () => {
  const uri = await lab.addRoom({ name: "Board", members: ["alice", "bob"] });
  const [alice, bob] = (await inRoom(uri, "alice", "bob")) as [XccosEndpoint, XccosEndpoint];
  const rtf = "{\\rtf1\\ansi <b> & \\'e4\r\n}";
  const story = `[STORY]Night: ${"long ".repeat(5_000)}`;
  assert.equal(await alice.post(uri, "urgent", { alert: true, rtf, ts: "1999-01-01T00:00:00Z" }), 200);
  assert.equal(await alice.post(uri, story), 200);
  assert.equal(await alice.post(uri, "no author named", { author: null }), 200);
  await arrived(bob, 3);
  const [urgent, long, plain] = bob.messages;
  assert.deepEqual(
    [urgent?.alert, urgent?.rtf, urgent?.authorName],
    [true, rtf.replace("\r\n", "\n"), "Alice"],
  );
  assert.ok(Math.abs(Date.parse(urgent?.ts ?? "") - Date.now()) < 60_000, "the server's time");
  assert.deepEqual([long?.text, long?.alert, long?.rtf], [story, false, undefined]);
  assert.equal(plain?.author, lab.address("alice"));
  const { messages } = await bob.history(uri);
  assert.deepEqual([messages[0]?.rtf, messages[0]?.alert, messages[1]?.text], [urgent?.rtf, true, story]);
  assert.deepEqual(
    (await lab.recorded(uri))
      .filter(({ kind }) => /CHAT$|STORY/.test(kind) && kind !== "BACKCHAT")
      .map(({ kind }) => kind),
    ["CHAT", "STORY", "CHAT"],
  );
});

test("a post that is sent again is stored once and answered the same", async () => {
  const uri = await lab.addRoom({ name: "Repeats", members: ["alice", "bob"] });
  const [alice, bob] = (await inRoom(uri, "alice", "bob")) as [XccosEndpoint, XccosEndpoint];
  for (let time = 0; time < 3; time++)
    assert.equal(await alice.post(uri, "once", { envid: "7962449779256945056" }), 200);
  assert.equal(await alice.post(uri, "next"), 200);
  await arrived(bob, 2);
  assert.deepEqual(
    bob.messages.map(({ text }) => text),
    ["once", "next"],
  );
  assert.deepEqual(
    (await bob.history(uri)).messages.map(({ text }) => text),
    ["once", "next"],
  );
});

test("reading is recorded before the reader gets anything, and only when something could be read", async () => {
  const uri = await lab.addRoom({ name: "Archive", members: ["alice", "bob"] });
  const [alice] = (await inRoom(uri, "alice")) as [XccosEndpoint];
  for (const text of ["a", "b", "c"]) await alice.post(uri, text);
  const carol = await lab.signedIn("carol");
  assert.equal((await carol.history(uri)).code, 403);
  const bob = await lab.signedIn("bob");
  assert.equal((await bob.history(uri, 2)).messages.length, 2);
  // No waiting here: the record must be there when the answer is.
  const read = (await lab.recorded(uri)).filter(({ kind }) => kind === "BACKCHAT");
  assert.deepEqual(
    read.map(({ actor, detail }) => [actor, detail]),
    [[lab.address("bob"), { count: 2, from: 2, to: 3, limit: 2 }]],
  );
});

test("nothing is answered, delivered or shown before it is on disk", async () => {
  const uri = await lab.addRoom({ name: "Slow disk", members: ["alice", "bob"] });
  const [alice, bob] = (await inRoom(uri, "alice", "bob")) as [XccosEndpoint, XccosEndpoint];
  assert.equal(await alice.post(uri, "earlier"), 200);
  await bob.waitForMessage(({ text }) => text === "earlier", LAB_TIMEOUT_MS);
  const settled: string[] = [];
  const connection = await createConnection({ uri: lab.stack.mysqlUrl });
  try {
    // Whoever writes the journal needs this row: nothing can be committed while it is locked here.
    await connection.beginTransaction();
    await connection.query("SELECT * FROM incarnation FOR UPDATE");
    const posted = alice.post(uri, "later").then((status) => settled.push(`posted ${status}`));
    const read = bob.history(uri).then(({ messages }) => settled.push(`read ${messages.length}`));
    await bob.expectNothing(500);
    assert.deepEqual(settled, []);
    assert.equal(bob.messages.length, 1);
    await connection.commit();
    await Promise.all([posted, read]);
  } finally {
    connection.destroy();
  }
  assert.deepEqual(settled.sort(), ["posted 200", "read 1"]);
  await bob.waitForMessage(({ text }) => text === "later", LAB_TIMEOUT_MS);
});

test("recorded events of a room are numbered without gaps in the order they happened", async () => {
  const uri = await lab.addRoom({ name: "Ledger", members: ["alice", "bob"] });
  const [alice, bob] = (await inRoom(uri, "alice", "bob")) as [XccosEndpoint, XccosEndpoint];
  await alice.post(uri, "x");
  await bob.part(uri);
  await alice.signOff();
  const room = (await lab.recorded(uri)).filter(({ stream }) => stream.startsWith("room:"));
  assert.deepEqual(
    room.map(({ kind }) => kind),
    ["JOIN", "JOIN", "CHAT", "PART", "PART"],
  );
  assert.deepEqual(
    room.map(({ streamSeq }) => streamSeq),
    [4, 5, 6, 7, 8],
    "after its creation and two members",
  );
});
