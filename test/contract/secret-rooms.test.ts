import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { ChatError } from "../../src/chat/errors.ts";
import type { Context, Services } from "../../src/commands/context.ts";
import { COMMAND_KINDS, dispatch } from "../../src/commands/index.ts";
import { post } from "../../src/commands/post.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { decodeEnvelope } from "../../src/xccos/envelope.ts";
import { list, room as roomBlock } from "../support/management.ts";
import { type MysqlLab, newUser, startMysqlLab } from "../support/mysql.ts";
import { aSession } from "../support/sessions.ts";

let lab: MysqlLab;
let stores: Stores;
let context: Context;
let secret: string;
let anotherSecret: string;
let closed: string;
let open: string;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open({ connections: 1 });
  const { administration } = stores;
  const insider = await newUser(stores, "insider");
  const outsider = await newUser(stores, "outsider");
  await administration.addCategory({ name: "Everybody", allowed: ["example.com"] });
  const room = await administration.addRoom({ name: "Secret", category: "Everybody", privacy: "secret" });
  await administration.addRole(room.id, insider.uri, "manager");
  secret = room.uri;
  const more = { category: "Everybody" };
  anotherSecret = (await administration.addRoom({ ...more, name: "Hidden", privacy: "secret" })).uri;
  closed = (await administration.addRoom({ ...more, name: "Closed", privacy: "closed" })).uri;
  open = (await administration.addRoom({ ...more, name: "Open", privacy: "open" })).uri;
  const session = aSession("outsider", 1);
  session.user = outsider;
  // What an outsider is refused by reaches no further than the stores; what he gets of other rooms is the same in any case.
  const services = {
    rooms: stores.rooms,
    management: stores.management,
    search: stores.search,
    attendance: { enter: async () => new Set<number>() },
    fanout: { idOf: () => undefined },
    rosters: { participants: async () => new Map() },
    readMarks: { unread: async () => new Map(), note: () => {} },
    recordsReading: false,
    clock: { monotonicMs: () => performance.now() },
    limits: { searchLimit: 999, messageBytes: 100, storyBytes: 100, maxReplyBytes: () => 100_000 },
    pool: { domain: "example.com", rootCategoryUri: "ma-cat://example.com/root" },
  } as unknown as Services; // nothing else is used
  context = { session, services };
});
after(() => lab.stop());

/** Statements so far, whatever they do; nobody else is at this database. */
async function statements(): Promise<number> {
  const [row] = await stores.database.rows<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Questions'");
  return Number(row?.Value);
}

async function ask(name: string, data: string): Promise<{ reply: string; cost: number }> {
  const xml = `<xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos"><cmd id="cmd:${name}" seqid="1"><data>${data}</data></cmd></xccos>`;
  const [primitive] = decodeEnvelope(Buffer.from(xml)).primitives;
  assert.ok(primitive?.kind === "cmd");
  const before = await statements();
  const { primitives } = await dispatch(primitive.command, "1", context);
  return { reply: primitives.join(""), cost: (await statements()) - before };
}

const missingRoom = () => `ma-chan://example.com/${randomUUID()}`;
const chanid = (uri: string) => `<chanid key="0" domain="example.com" value="${uri.split("/").at(-1)}"/>`;
const searching = "<bcq><text>word</text></bcq>";
const category = "ma-cat://example.com/7c1e0f5a-0000-4000-8000-000000000000";
const COMMANDS: readonly (readonly [name: string, data: (uri: string) => string])[] = [
  ["join", chanid],
  ["bcbydate", (uri) => roomBlock(uri) + searching],
  ["bcbymsgid", (uri) => `${roomBlock(uri)}<bcq><msgid id="1"/></bcq>`],
  ["bccontext", (uri) => `${roomBlock(uri)}<bcq><last cnt="5"/></bcq>`],
  ["getparts", (uri) => roomBlock(uri)],
  ["getchan", (uri) => roomBlock(uri)],
  ["getperms", (uri) => roomBlock(uri)],
  ["getroles", (uri) => roomBlock(uri)],
  ["getroles", (uri) => `${roomBlock(uri)}<rib type="MANAGER"/>`],
  ["usrsrch", (uri) => `${roomBlock(uri)}<qib criteria="i"/>`],
  ["chanmodify", (uri) => roomBlock(uri, { name: "Mine" })],
  ["chanmodify", (uri) => roomBlock(uri, { disabled: "true", version: 1 })],
  ["chanmodify", (uri) => roomBlock(uri, { disabled: "false" })],
  ["chanmodify", (uri) => roomBlock(uri, { parent: category })],
  ["chanmodify", (uri) => roomBlock(uri, {}, list("MEMBER", "ADD", ["sip:outsider@example.com"]))],
  ["chanmodify", (uri) => roomBlock(uri, {}, list("MEMBER", "REPLACE", ["sip:outsider@example.com"]))],
  ["chandelete", (uri) => roomBlock(uri)],
  [
    "msgmodify",
    (uri) => `${roomBlock(uri)}<moderation change="REMOVE" reason="r"><msg chatId="1"/></moderation>`,
  ],
];

for (const [name, data] of COMMANDS) {
  test(`${name} of a secret room answers an outsider as one of no room: text, code and statements`, async () => {
    assert.ok(COMMAND_KINDS.includes(name));
    const of = (uri: string) => ask(name, data(uri));
    await of(secret); // every connection is open after this
    const [hidden, missing] = [await of(secret), await of(missingRoom())];
    assert.match(hidden.reply, /code="404"/);
    assert.deepEqual(hidden, missing);
  });
}

const COMMANDS_OF_SEVERAL: readonly (readonly [name: string, data: (uris: readonly string[]) => string])[] = [
  ["bjoin", (uris) => uris.map(chanid).join("")],
  ["bcbydate", (uris) => uris.map((uri) => roomBlock(uri)).join("") + searching],
  ["bcbymsgid", (uris) => `${uris.map((uri) => roomBlock(uri)).join("")}<bcq><msgid id="1"/></bcq>`],
];

for (const [name, data] of COMMANDS_OF_SEVERAL) {
  test(`${name} of several rooms answers an outsider of a secret one among them as of no room, whatever the others are`, async () => {
    const of = async (uri: string, others: readonly string[], last = false) => {
      const { reply, cost } = await ask(name, data(last ? [...others, uri] : [uri, ...others]));
      const guid = uri.split("/").at(-1) ?? "";
      assert.ok(reply.includes(guid), "the room stands among those that are refused");
      return { reply: reply.replaceAll(guid, "GUID"), cost };
    };
    await of(secret, [open]); // every connection is open after this
    const among = [
      [missingRoom()],
      [closed],
      [open],
      [anotherSecret],
      [missingRoom(), anotherSecret, closed, open],
      Array.from({ length: 300 }, missingRoom),
    ];
    for (const others of among)
      for (const last of [false, true])
        assert.deepEqual(await of(secret, others, last), await of(missingRoom(), others, last));
  });
}

test("a post to a secret room, too", async () => {
  const refused = async (chanUri: string) => {
    const before = await statements();
    const wire = {
      seqid: "1",
      chanUri,
      author: undefined,
      ts: "x",
      alert: false,
      chat: "hi",
      rtf: undefined,
    };
    const error = await post(
      { ...wire, problem: undefined },
      { envid: "1", startBeforeMs: Date.now() + 10_000 },
      context,
    ).catch((refusal: unknown) => refusal);
    assert.ok(error instanceof ChatError);
    return { code: error.code, text: error.message, cost: (await statements()) - before };
  };
  const hidden = await refused(secret);
  assert.equal(hidden.code, "ROOM_NOT_FOUND");
  assert.deepEqual(hidden, await refused(missingRoom()));
});
