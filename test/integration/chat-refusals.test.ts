import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { PostOptions, XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";

let lab: Lab;
let room: string;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "carol"],
    rooms: [
      { name: "Main", members: ["alice", "bob"] },
      { name: "Closed", members: ["bob"] },
      { name: "Secret", privacy: "secret", members: ["bob"] },
      { name: "Shut", members: ["alice", "bob"] },
    ],
  });
  room = lab.room("Main");
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

/** Every message and every record of one, on its way to the archive or there. */
async function stored(): Promise<unknown[]> {
  const events = ["compliance_outbox", "compliance_handover"]
    .map((table) => `SELECT stream, stream_seq FROM ${table} WHERE kind IN ('CHAT', 'STORY')`)
    .join(" UNION ");
  return lab.sql(
    `SELECT CONCAT(room_id) AS stream, number AS stream_seq FROM message UNION ${events} ORDER BY 1, 2`,
  );
}

/** Bob in every room, alice in the main one. */
async function people(): Promise<[XccosEndpoint, XccosEndpoint]> {
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  assert.equal((await alice.join(room)).code, 200);
  await bob.bjoin([room, lab.room("Closed"), lab.room("Secret"), lab.room("Shut")]);
  return [alice, bob];
}

/** The refusal leaves no trace: nothing stored, and the next message is the next that anybody gets. */
async function expectRefused(
  poster: XccosEndpoint,
  watcher: XccosEndpoint,
  status: number,
  post: () => Promise<number>,
) {
  const [before, seen, own] = [await stored(), watcher.messages.length, poster.messages.length];
  assert.equal(await post(), status);
  assert.deepEqual(await stored(), before, "nothing is stored");
  const mark = `after ${status} ${before.length} ${Math.random()}`;
  assert.equal(await watcher.post(room, mark), 200);
  await watcher.waitForMessage(({ text }) => text === mark);
  assert.deepEqual(
    watcher.messages.slice(seen).map(({ text }) => text),
    [mark],
    "nobody got anything of it",
  );
  assert.ok(
    poster.messages.slice(own).every(({ text }) => text.startsWith("after ")),
    "nor did the author",
  );
}

const chat = (text: string) => `<chat>${text}</chat>`;
const cases: readonly [what: string, status: number, text: string, options: PostOptions, target?: string][] =
  [
    [
      "a room that does not exist",
      404,
      "hello",
      {},
      "ma-chan://example.com/00000000-0000-4000-8000-000000000000",
    ],
    [
      "a room of another domain",
      404,
      "hello",
      {},
      "ma-chan://example.org/00000000-0000-4000-8000-000000000000",
    ],
    ["what is no room at all", 404, "hello", {}, "sip:bob@example.com"],
    ["a message over its limit", 413, "x".repeat(8_001), {}],
    ["a message over its limit in bytes, not in characters", 413, "ä".repeat(4_001), {}],
    ["a story over its limit", 413, `[STORY]${"x".repeat(32_000)}`, {}],
    ["rich text of four times the limit", 413, "short", { rtf: "x".repeat(32_001) }],
    ["another author", 403, "it was bob", { author: "sip:bob@example.com" }],
    ["an author that only looks alike", 403, "hello", { author: "sip:alice@example.com.evil.example" }],
    ["an element inside the text", 400, "", { raw: "<chat>a<b>c</b></chat>" }],
    ["an empty text", 400, "", { raw: "<chat/>" }],
    ["no text at all", 400, "", { raw: "" }],
    ["two texts", 400, "", { raw: chat("a") + chat("b") }],
    ["no time", 400, "hello", { ts: null }],
    ["an empty time", 400, "hello", { ts: "" }],
    ["a sequence number that is none", 400, "hello", { seqid: "one" }],
  ];

for (const [what, status, text, options, target] of cases) {
  test(`a post with ${what} is refused with ${status}`, async () => {
    const [alice, bob] = await people();
    await expectRefused(alice, bob, status, () => alice.post(target ?? room, text, options));
  });
}

test("texts exactly as long as allowed are taken", async () => {
  const [alice] = await people();
  assert.equal(await alice.post(room, "x".repeat(8_000)), 200);
  assert.equal(await alice.post(room, `[STORY]${"x".repeat(31_993)}`), 200);
  assert.equal(await alice.post(room, "in capitals", { author: "SIP:Alice@EXAMPLE.com;user=phone" }), 200);
});

test("rooms one may not enter refuse a post by what one may know of them", async () => {
  const [alice, bob] = await people();
  await expectRefused(alice, bob, 403, () => alice.post(lab.room("Closed"), "let me in"));
  await expectRefused(alice, bob, 404, () => alice.post(lab.room("Secret"), "anybody there?"));
  // Not even by the length of the text does an outsider learn that there is a secret room.
  await expectRefused(alice, bob, 404, () => alice.post(lab.room("Secret"), "x".repeat(9_000)));
});

test("a disabled room refuses with 410, in it or not", async () => {
  const [alice, bob] = await people();
  await lab.administration.setRoomDisabled(lab.room("Shut"), true);
  await expectRefused(alice, bob, 410, () => alice.post(lab.room("Shut"), "hello"));
  assert.equal(await bob.post(lab.room("Shut"), "hello"), 410);
  await lab.administration.setRoomDisabled(lab.room("Shut"), false);
});

test("in an auditorium only presenters post, all others listen", async () => {
  const hall = await lab.addRoom({
    name: "Hall",
    type: "auditorium",
    members: ["alice", "bob", "carol"],
    presenters: ["bob"],
    managers: ["carol"],
  });
  const [alice, bob, carol] = await Promise.all([
    lab.signedIn("alice"),
    lab.signedIn("bob"),
    lab.signedIn("carol"),
  ]);
  for (const endpoint of [alice, carol]) await endpoint.join(hall);
  const [joined] = (await bob.join(hall)).rooms;
  assert.equal(joined?.attributes.behavior, "AUDITORIUM");
  assert.deepEqual(
    Object.fromEntries(
      (joined?.participants ?? []).map(({ address, permissions }) => [address, permissions]),
    ),
    { [lab.address("alice")]: 3984, [lab.address("carol")]: 12276, [lab.address("bob")]: 8080 },
  );
  const before = await stored();
  assert.equal(await alice.post(hall, "a question"), 403);
  assert.equal(await carol.post(hall, "managers are no presenters"), 403);
  assert.deepEqual(await stored(), before);
  assert.equal(await bob.post(hall, "the answer"), 200);
  for (const endpoint of [alice, bob, carol]) {
    await endpoint.waitForMessage(({ text }) => text === "the answer");
    assert.equal(endpoint.messages.length, 1);
  }
  await lab.administration.addRole(hall, lab.address("alice"), "presenter");
  assert.equal(await alice.post(hall, "now I may"), 200);
  await lab.administration.removeRole(hall, lab.address("alice"), "presenter");
  assert.equal(await alice.post(hall, "and now no more"), 403);
});

test("an entitled endpoint that never joined anything must join first", async () => {
  const [, bob] = await people();
  const stranger = await lab.signedIn("alice");
  await expectRefused(stranger, bob, 403, () => stranger.post(room, "out of the blue"));
  const kinds = (await lab.recorded(room)).filter(
    ({ kind, actor }) => kind === "JOIN" && actor === lab.address("alice"),
  );
  const again = await lab.signedIn("alice", { epid: null });
  await expectRefused(again, bob, 403, () => again.post(room, "without a name"));
  assert.equal(
    (await lab.recorded(room)).filter(({ kind, actor }) => kind === "JOIN" && actor === lab.address("alice"))
      .length,
    kinds.length,
    "and is not joined by the attempt",
  );
});

test("an endpoint known from other rooms enters by posting, which is recorded as a join", async () => {
  const other = await lab.addRoom({ name: "Implied", members: ["alice", "bob"] });
  const [alice, bob] = await people();
  await bob.join(other);
  assert.equal(await alice.post(other, "I come in and say"), 200);
  assert.equal(await alice.post(other, "again"), 200);
  await alice.waitForMessage(({ text }) => text === "again");
  assert.deepEqual(
    alice.messages.map(({ text }) => text),
    ["I come in and say", "again"],
  );
  await bob.waitForNotice(
    ({ kind, room: where }) => kind.endsWith("join") && where === other,
    LAB_TIMEOUT_MS,
  );
  const events = (await lab.recorded(other)).map(({ kind, actor }) => `${kind} ${actor}`);
  assert.deepEqual(events, [
    "JOIN sip:bob@example.com",
    "JOIN sip:alice@example.com",
    "CHAT sip:alice@example.com",
    "CHAT sip:alice@example.com",
  ]);
});

test("bodies that are no envelope get 400, 413 or 415, and neither reply nor copy", async () => {
  const [alice, bob] = await people();
  const status = async (body: string, contentType?: string) =>
    (await alice.sendInfo({ body: Buffer.from(body), ...(contentType ? { contentType } : {}) })).status;
  const infos = alice.counts.infos;
  assert.equal(await status("no xml"), 400);
  assert.equal(await status(""), 400);
  assert.equal(
    await status(
      '<!DOCTYPE x [<!ENTITY a "aaa">]><xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos"/>',
    ),
    400,
  );
  assert.equal(
    await status('<xccos ver="1" envid="1" xmlns="urn:other"><cmd id="cmd:requri" seqid="1"/></xccos>'),
    415,
  );
  assert.equal(await status("x".repeat(98_305)), 413);
  assert.equal(
    await status('<xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos"><wish/></xccos>'),
    200,
    "unknown primitive",
  );
  await bob.post(room, "afterwards");
  await alice.waitForMessage(({ text }) => text === "afterwards");
  assert.equal(alice.counts.infos - infos, 1, "only that copy");
});

test("commands that make no sense are answered with 400 or 413, not with silence", async () => {
  const [alice] = await people();
  const codes = async (name: string, data: string) => {
    const reply = await alice.command(name, data);
    assert.match(reply.text, /^ERROR_[A-Z_]+: \S/);
    return reply.code;
  };
  assert.equal(await codes("join", ""), 400);
  assert.equal(await codes("join", '<chanid key="0" domain="example.com" value="a/b"/>'), 400);
  assert.equal(await codes("bccontext", "<bcq/>"), 400);
  assert.equal(await codes("bccontext", `<chanib uri="${room}"/><bcq><last cnt="-1"/></bcq>`), 400);
  assert.equal(await codes("getassociations", '<association type="FRIEND"/>'), 400);
  assert.equal(await codes("chansrch", `<qib criteria="${"x".repeat(300)}"/>`), 413);
  const many = Array.from(
    { length: 501 },
    (_, key) => `<chanid key="${key}" domain="example.com" value="v${key}"/>`,
  );
  assert.equal(await codes("bjoin", many.join("")), 413);
  assert.equal((await alice.search()).code, 200);
});
