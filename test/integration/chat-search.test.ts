import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { SearchOptions, SearchReply } from "../../plugin/client/history-search.ts";
import type { Aor } from "../../src/chat/user.ts";
import { seededRandom } from "../bench/statistics.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { randomCriteria, randomText } from "../support/random-search.ts";
import { isAskedFor } from "../support/search-oracle.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "carol", "dave"],
    settings: { chat: { "max-reply": "16kB" } },
  });
  await lab.administration.addCategory({
    name: "Forgetful",
    allowed: [lab.stack.domain],
    chatHistory: false,
  });
  for (const room of [
    { name: "Open", privacy: "open" as const, members: ["alice"] },
    { name: "Closed", members: ["alice", "bob"] },
    { name: "Secret", privacy: "secret" as const, members: ["alice"], managers: ["carol"] },
    { name: "Disabled", members: ["alice", "bob"] },
    { name: "Forgotten", category: "Forgetful", members: ["alice", "bob"] },
    { name: "Long", members: ["alice", "bob"] },
  ])
    await lab.addRoom(room);
  const alice = await lab.signedIn("alice");
  const bob = await lab.signedIn("bob");
  for (const name of ["Open", "Closed", "Secret", "Disabled", "Forgotten", "Long"]) {
    await alice.join(lab.room(name));
    for (const text of [`Pump 3 in ${name}`, "all quiet", "pump 4 & valve, 東京都", "PUMP 3 again 👍"])
      assert.equal(await alice.post(lab.room(name), text), 200);
  }
  await bob.join(lab.room("Closed"));
  assert.equal(await bob.post(lab.room("Closed"), "a pump of bob's", { rtf: "{\\rtf1 pump}" }), 200);
  for (let number = 5; number <= 40; number++)
    assert.equal(await alice.post(lab.room("Long"), `pump ${number} ${"x".repeat(400)}`), 200);
  await lab.administration.setRoomDisabled(lab.room("Disabled"), true);
  await lab.clearAway();
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

async function search(user: string, options: SearchOptions): Promise<SearchReply> {
  return (await lab.signedIn(user)).searchHistory(options);
}

/** `room: numbers` of each room that is told. */
function numbers({ found }: SearchReply): string[] {
  return found.map(({ name, messages }) => `${name}: ${messages.map(({ chatId }) => chatId)}`);
}

const searches = async (user: string) => {
  const events = await lab.sql<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE kind = 'SEARCH' UNION ALL SELECT body FROM compliance_handover WHERE kind = 'SEARCH'",
  );
  return events
    .map(({ body }) => JSON.parse(body.toString("utf8")))
    .filter(({ actor }) => actor.uri === lab.address(user))
    .sort((a, b) => a.streamSeq - b.streamSeq);
};

test("words, all of them, a phrase, case, authors, other scripts and symbols", async () => {
  const alice = await lab.signedIn("alice");
  const rooms = [lab.room("Closed")];
  const ask = async (options: SearchOptions) => numbers(await alice.searchHistory({ rooms, ...options }));
  assert.deepEqual(await ask({ text: "valve again" }), ["Closed: 3,4"]);
  assert.deepEqual(await ask({ text: "3 pump", match: "ALL" }), ["Closed: 1,4"]);
  assert.deepEqual(await ask({ text: "pump 3", match: "EXACT" }), ["Closed: 1,4"]);
  assert.deepEqual(await ask({ text: "3 pump", match: "EXACT" }), ["Closed: "]);
  assert.deepEqual(await ask({ text: "PUMP", caseSensitive: true }), ["Closed: 4"]);
  assert.deepEqual(await ask({ text: "pump", authors: ["SIP:Bob@example.com;x=y"] }), ["Closed: 5"]);
  assert.deepEqual(await ask({ authors: [lab.address("bob")] }), ["Closed: 5"]);
  assert.deepEqual(await ask({ authors: ["sip:nobody@example.com"] }), ["Closed: "]);
  assert.deepEqual(await ask({ text: "京都" }), ["Closed: 3"]);
  assert.deepEqual(await ask({ text: "👍" }), ["Closed: 4"]);
  assert.deepEqual(await ask({ text: "a" }), ["Closed: 5"]);
  assert.deepEqual(await ask({ text: "pumps" }), ["Closed: "]);
});

test("limits, both directions and both orders, from a message on, and between dates", async () => {
  const alice = await lab.signedIn("alice");
  const rooms = [lab.room("Closed")];
  const ask = async (options: SearchOptions) => {
    const { found } = await alice.searchHistory({ rooms, text: "pump", ...options });
    return found.map(({ messages, matches, exceeded }) => [
      messages.map(({ chatId }) => chatId),
      matches,
      exceeded,
    ]);
  };
  assert.deepEqual(await ask({}), [[[1, 3, 4, 5], 4, false]]);
  assert.deepEqual(await ask({ limit: 2 }), [[[1, 3], 4, true]]);
  assert.deepEqual(await ask({ limit: 2, newestFirst: true }), [[[3, 1], 4, true]]);
  assert.deepEqual(await ask({ limit: 2, backwards: true }), [[[4, 5], 4, true]]);
  assert.deepEqual(await ask({ limit: 2, backwards: true, newestFirst: true }), [[[5, 4], 4, true]]);
  assert.deepEqual(await ask({ start: 4 }), [[[4, 5], 2, false]]);
  assert.deepEqual(await ask({ start: 4, backwards: true, limit: 1 }), [[[4], 3, true]]);
  const times = (await alice.history(rooms[0] ?? "", 10)).messages.map(({ ts }) => ts);
  assert.deepEqual(await ask({ from: times[2] ?? "", to: times[3] ?? "" }), [[[3, 4], 2, false]]);
  assert.deepEqual(await ask({ to: "2001-01-01" }), [[[], 0, false]]);
});

test("a search finds only what the user may read, and secret rooms are as rooms that do not exist", async () => {
  const single = async (user: string, name: string) => {
    const { code, text } = await search(user, { rooms: [name], text: "pump" });
    return [code, text];
  };
  const missing = `ma-chan://${lab.stack.domain}/00000000-0000-4000-8000-000000000000`;
  const noSuchRoom = [404, "ERROR_NO_SUCH_NODE: There is no such room"];
  assert.deepEqual(await single("dave", missing), noSuchRoom);
  assert.deepEqual(await single("dave", lab.room("Secret")), noSuchRoom);
  assert.equal(
    (await single("carol", lab.room("Secret")))[0],
    403,
    "a manager who is no member does not read",
  );
  assert.equal((await single("dave", lab.room("Closed")))[0], 403);
  assert.equal((await single("bob", lab.room("Disabled")))[0], 410);
  assert.equal((await single("dave", lab.room("Open")))[0], 200, "in scope of an open room, not joined");
  assert.deepEqual(numbers(await search("bob", { rooms: [lab.room("Forgotten")], text: "pump" })), [
    "Forgotten: ",
  ]);

  const named = ["Open", "Secret", "Closed", "Disabled", "Forgotten"].map((name) => lab.room(name));
  const many = await search("bob", { rooms: [...named, missing], text: "quiet" });
  assert.deepEqual([many.code, ...numbers(many)], [200, "Open: 2", "Closed: 2", "Forgotten: "]);
  assert.deepEqual([...many.failed].sort(), [lab.room("Secret"), lab.room("Disabled"), missing].sort());

  assert.deepEqual(numbers(await search("dave", { text: "quiet" })), ["Open: 2"]);
  assert.deepEqual(numbers(await search("bob", { text: "quiet" })), ["Closed: 2", "Long: 2", "Open: 2"]);
  assert.deepEqual(numbers(await search("alice", { text: "quiet" })), [
    "Closed: 2",
    "Long: 2",
    "Open: 2",
    "Secret: 2",
  ]);
  await lab.administration.removeRole(lab.room("Closed"), lab.address("bob"), "member");
  assert.deepEqual(numbers(await search("bob", { text: "quiet" })), ["Long: 2", "Open: 2"]);
  await lab.administration.addRole(lab.room("Closed"), lab.address("bob"), "member");
});

test("what does not fit into one reply is told as exceeded, and no room takes all of it", async () => {
  const alice = await lab.signedIn("alice");
  const { found, code } = await alice.searchHistory({ text: "pump", backwards: true, newestFirst: true });
  assert.equal(code, 200);
  assert.deepEqual(
    found.map(({ name, matches }) => [name, matches]),
    [
      ["Closed", 4],
      ["Long", 39],
      ["Open", 3],
      ["Secret", 3],
    ],
  );
  const long = found.find(({ name }) => name === "Long");
  assert.ok(long?.exceeded && long.messages.length > 3 && long.messages.length < 39);
  assert.equal(long.messages[0]?.chatId, 40, "the newest are those that are shown");
  assert.ok(found.every(({ name, messages, matches }) => name === "Long" || messages.length === matches));
  const next = await alice.searchHistory({
    rooms: [long.uri],
    text: "pump",
    backwards: true,
    newestFirst: true,
    start: (long.messages.at(-1)?.chatId ?? 0) - 1,
  });
  assert.equal(next.found[0]?.messages[0]?.chatId, (long.messages.at(-1)?.chatId ?? 0) - 1);
});

test("what a search shows is recorded before it is shown, per room with what was asked, and so is one that shows nothing", async () => {
  const dave = await lab.signedIn("dave");
  await lab.administration.addRole(lab.room("Long"), lab.address("dave"), "member");
  const reply = await dave.searchHistory({
    text: "quiet",
    authors: [lab.address("alice")],
    backwards: true,
    limit: 3,
  });
  // No waiting here: the record must be there when the answer is.
  const events = await searches("dave");
  const recorded = events
    .slice(-2)
    .map(({ room, detail }) => [room.name, detail.shown, detail.matches, detail.exceeded]);
  assert.deepEqual(recorded, [
    ["Long", [2], 1, false],
    ["Open", [2], 1, false],
  ]);
  assert.deepEqual(numbers(reply), ["Long: 2", "Open: 2"]);
  assert.deepEqual(events.at(-1)?.detail.criteria, {
    authors: [lab.address("alice")],
    backwards: true,
    caseSensitive: false,
    fromMs: null,
    limit: 3,
    match: "any",
    start: null,
    text: "quiet",
    toMs: null,
  });
  assert.match(events.at(-1)?.stream, /^read:n1-/);
  await dave.searchHistory({ text: "unheard-of" });
  await dave.searchHistory({ rooms: [lab.room("Long")], text: "unheard-of" });
  const [everywhere, inRoom] = (await searches("dave")).slice(-2);
  assert.deepEqual(
    [everywhere.room.uri, everywhere.room.id, inRoom.room.name, inRoom.detail.shown],
    [lab.stack.poolUri, 0, "Long", []],
  );
});

test("a text with a rich version is shown with it", async () => {
  const { found } = await search("alice", { rooms: [lab.room("Closed")], text: "bob's" });
  assert.deepEqual(
    found[0]?.messages.map(({ text, rtf, authorName }) => [text, rtf, authorName]),
    [["a pump of bob's", "{\\rtf1 pump}", "Bob"]],
  );
});

test("criteria that cannot be searched for are refused, and nothing is recorded of them", async () => {
  const before = (await searches("carol")).length;
  const carol = await lab.signedIn("carol");
  const code = async (options: SearchOptions) => (await carol.searchHistory(options)).code;
  assert.equal(await code({ text: "?!" }), 400);
  assert.equal(await code({ text: "x", authors: ["bob"] }), 400);
  assert.equal(await code({ text: "x".repeat(257) }), 413);
  assert.equal(await code({ text: Array.from({ length: 17 }, (_, n) => `w${n}`).join(" ") }), 413);
  assert.equal(await code({ text: "x", from: "soon" }), 400);
  assert.equal(await code({ rooms: ["ma-cat://example.com/1"], text: "x" }), 400);
  assert.equal((await searches("carol")).length, before);
});

test("random questions get what reading every message gives, in the order and with the limits asked for", async () => {
  const random = seededRandom(11);
  const names = ["Sea", "Sky"];
  const rooms = await Promise.all(names.map((name) => lab.addRoom({ name, members: ["alice", "bob"] })));
  const people = [lab.address("alice"), lab.address("bob")] as Aor[]; // of the wire
  for (const user of ["alice", "bob"]) {
    const client = await lab.signedIn(user);
    for (const [at, room] of rooms.entries()) {
      await client.join(room);
      for (let n = 0; n < 15; n++)
        assert.equal(await client.post(room, randomText(random, 17 * (n % 2) + 100 * at + n)), 200);
    }
  }
  const known = await lab.sql<{
    roomId: number;
    name: string;
    number: number;
    author: Aor;
    atMs: number;
    text: string;
  }>(
    "SELECT r.id AS roomId, r.name, m.number, p.uri AS author, m.at_ms AS atMs, m.text FROM message m " +
      "JOIN room r ON r.id = m.room_id JOIN principal p ON p.id = m.author_id WHERE r.name IN ('Sea', 'Sky') ORDER BY m.number",
  );
  assert.equal(known.length, 60);
  const alice = await lab.signedIn("alice");
  const ways = { any: "ANY", all: "ALL", phrase: "EXACT" } as const;
  let found = 0;
  for (let round = 0; round < 120; round++) {
    const asked = {
      ...randomCriteria(random, people, known),
      limit: 1 + Math.floor(random() * 8),
    };
    const { text, match, caseSensitive, authors, start, backwards, limit } = asked;
    // What asks with a message's number knows no dates.
    const [fromMs, toMs] = start === null ? [asked.fromMs, asked.toMs] : [null, null];
    const newestFirst = random() < 0.5;
    const options: SearchOptions = {
      ...(text === "" ? {} : { text, match: ways[match] }),
      ...(start === null ? {} : { start }),
      ...(fromMs === null ? {} : { from: new Date(fromMs).toISOString() }),
      ...(toMs === null ? {} : { to: new Date(toMs).toISOString() }),
      ...{ caseSensitive, authors, backwards, newestFirst, limit },
      rooms: random() < 0.5 ? rooms : rooms.toReversed(),
    };
    const expected = (options.rooms ?? []).map((room) => {
      const name = names[rooms.indexOf(room)] ?? "";
      const all = known.filter((one) => one.name === name && isAskedFor({ ...asked, fromMs, toMs }, one));
      const shown = backwards ? all.slice(-limit) : all.slice(0, limit);
      const messages = shown.map(({ number, text: said, author }) => [number, said, author]);
      return [name, newestFirst ? messages.reverse() : messages, all.length, all.length > limit];
    });
    const reply = await alice.searchHistory(options);
    assert.deepEqual(
      reply.found.map(({ name, messages, matches, exceeded }) => [
        name,
        messages.map(({ chatId, text: said, author }) => [chatId, said, author]),
        matches,
        exceeded,
      ]),
      expected,
      `round ${round}: ${JSON.stringify(options)}`,
    );
    if (reply.found.some(({ matches }) => matches > 0)) found += 1;
  }
  assert.ok(found > 60, `${found} found something`);
});

test("a search of all rooms says so when there are more than it looks into, and finds in one of them that is named", async () => {
  const alice = await lab.signedIn("alice");
  assert.equal((await alice.searchHistory({ text: "quiet" })).unfinished, false);
  await lab.administration.addRooms(
    Array.from({ length: 20_000 }, (_, n) => ({
      name: `Cell ${n}`,
      category: "Lab",
      privacy: "open" as const,
    })),
  );
  const last = await lab.addRoom({ name: "Last cell", privacy: "open", members: [] });
  await alice.join(last);
  assert.equal(await alice.post(last, "a needle"), 200);
  const { found, unfinished } = await alice.searchHistory({ text: "needle" });
  assert.deepEqual([found, unfinished], [[], true]);
  const [recorded] = (await searches("alice")).slice(-1);
  assert.equal(recorded.detail.exceeded, true);
  assert.deepEqual(numbers(await alice.searchHistory({ rooms: [last], text: "needle" })), ["Last cell: 1"]);
});
