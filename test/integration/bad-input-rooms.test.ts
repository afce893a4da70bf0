import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { escapeXml } from "../../plugin/client/xml-reader.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { assertCleanLogs, SECRET_WORD, type Witnesses, witnesses } from "../support/unharmed.ts";

const MARKUP = `</chanib><b>R&D "4"</b> 'x' ]]> &lt; $var(x) %s ' OR 1=1 --`;
const NO_ROOM = "ma-chan://example.com/00000000-0000-4000-8000-000000000000";
let lab: Lab;
let others: Witnesses;
let mallory: XccosEndpoint;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "mallory"],
    rooms: [
      { name: "Main", members: ["alice", "bob"] },
      { name: "Secret", privacy: "secret", description: SECRET_WORD, members: ["alice", "bob"] },
      { name: MARKUP, description: MARKUP, members: ["mallory", "alice"] },
    ],
    settings: { log: { level: "debug" } },
  });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  mallory = await lab.signedIn("mallory");
  others = await witnesses(lab.room("Main"), alice, bob);
});
after(async () => {
  try {
    await lab?.clearAway();
    if (lab) assertCleanLogs(lab);
  } finally {
    await lab?.close();
  }
});

/** Statements the whole database server has been asked to read rows with. */
async function selects(): Promise<number> {
  const [row] = await lab.sql<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Com_select'");
  return Number(row?.Value);
}

/** What everybody has stored and every room is, as one comparable value. */
async function everything(): Promise<unknown> {
  const counts = ["room", "message", "principal", "room_role", "category"].map(
    (table) => `SELECT '${table}' AS name, COUNT(*) AS rows_in_it FROM ${table}`,
  );
  // Records wander from the one table into the other by themselves.
  const records = "(SELECT COUNT(*) FROM compliance_outbox) + (SELECT COUNT(*) FROM compliance_handover)";
  return lab.sql(`${counts.join(" UNION ")} UNION SELECT 'records', ${records}`);
}

const asking: readonly [what: string, ask: (room: string) => Promise<unknown>][] = [
  ["join", (room) => answerOf(mallory.join(room))],
  ["history", (room) => answerOf(mallory.history(room))],
  ["part", async (room) => (await mallory.part(room)).code],
  ["a post", (room) => posted(room, SECRET_WORD)],
  ["a post that is too long", (room) => posted(room, SECRET_WORD.repeat(1_000))],
  ["a post that nobody could be sent", (room) => posted(room, `[STORY]${"&".repeat(17_000)}`)],
];

async function answerOf(reply: Promise<{ code: number; text: string; data: unknown }>) {
  const { code, text, data } = await reply;
  return { code, text, data };
}

async function posted(room: string, text: string) {
  const inner = `<chat>${escapeXml(text)}</chat>`;
  const body = `<xccos ver="1" envid="${mallory.session.nextEnvid()}" xmlns="urn:parlano:xml:ns:xccos"><grpchat id="grpchat" seqid="1" chanUri="${room}" author="${mallory.address}" ts="2026-11-23T08:15:30Z">${inner}</grpchat></xccos>`;
  const { status, reason, headers } = await mallory.sendInfo({
    body: Buffer.from(body),
    timeoutMs: LAB_TIMEOUT_MS,
  });
  return { status, reason, names: headers.map(([name]) => name) };
}

for (const [what, ask] of asking) {
  test(`${what}: a secret room answers an outsider in every letter, and with as much work, as one that is not there`, async () => {
    await ask(NO_ROOM); // whatever is done once is done
    const answers = [];
    for (const room of [NO_ROOM, lab.room("Secret")]) {
      // The node reads for itself now and then: the least of several looks is what the question itself costs.
      let least = Number.POSITIVE_INFINITY;
      let answer: unknown;
      for (let look = 0; look < 8; look++) {
        const before = await selects();
        answer = await ask(room);
        least = Math.min(least, (await selects()) - before);
      }
      answers.push({ answer, least });
    }
    assert.deepEqual(answers[1], answers[0]);
  });
}

test("a search never shows a secret room, whatever is asked for", async () => {
  const before = await everything();
  const criteria = [
    "Secret",
    SECRET_WORD,
    "%",
    "_ecret",
    "' OR '1'='1",
    "\\",
    '" UNION SELECT * FROM room --',
    "Se\u0301cret",
    "*",
    "\u{1F600}",
  ];
  for (const text of criteria) {
    const { code, rooms } = await mallory.search(text, true);
    assert.equal(code, 200, text);
    assert.ok(!rooms.some(({ name }) => name === "Secret"), text);
  }
  assert.ok(
    !(await mallory.search("%")).rooms.some(({ name }) => name === "Main"),
    "a percent sign is a percent sign",
  );
  const qib = async (attributes: string) => (await mallory.command("chansrch", `<qib ${attributes}/>`)).code;
  assert.equal(await qib('criteria="" visibility="private"'), 200);
  assert.equal(await qib(`criteria="" visibility="' OR 1=1 --"`), 400);
  assert.equal(await qib('criteria="" behavior="__proto__"'), 400);
  assert.equal(await qib('criteria="" visibility="constructor"'), 400);
  assert.equal(await qib('criteria="" maxResults="-1"'), 400);
  assert.equal(await qib('criteria="" maxResults="99999999999"'), 400);
  assert.equal(await qib(`criteria="${"x ".repeat(200)}"`), 413);
  assert.deepEqual(await everything(), before);
});

test("a negative or huge count of messages is refused, a large one is cut to what is allowed", async () => {
  const room = lab.room(MARKUP);
  const count = async (text: string) =>
    (await mallory.command("bccontext", `<chanib uri="${room}"/><bcq><last cnt="${text}"/></bcq>`)).code;
  for (const text of [
    "-1",
    "-9223372036854775808",
    "1.5",
    "1e9",
    "0x10",
    "",
    " ",
    "2147483648",
    "9".repeat(40),
    "NaN",
    "1;DROP TABLE message",
  ])
    assert.equal(await count(text), 400, text);
  for (const text of ["0", "1", "500", "501", "2147483647"]) assert.equal(await count(text), 200, text);
});

test("a room's name with markup, quotes and SQL comes through unharmed wherever it is shown", async () => {
  const room = lab.room(MARKUP);
  const listed = (await mallory.search("R&D")).rooms.find(({ uri }) => uri === room);
  assert.deepEqual([listed?.name, listed?.description], [MARKUP, MARKUP]);
  const joined = await mallory.join(room);
  assert.deepEqual([joined.code, joined.rooms[0]?.name], [200, MARKUP]);
  assert.equal((await mallory.getAssociations()).rooms.find(({ uri }) => uri === room)?.name, MARKUP);
  assert.equal(await mallory.post(room, MARKUP), 200);
  assert.equal(
    (await mallory.waitForMessage((message) => message.room === room, LAB_TIMEOUT_MS)).text,
    MARKUP,
  );
  assert.equal((await mallory.history(room)).messages.at(-1)?.text, MARKUP);
});

test("SQL in every field a client writes is text or refused, and changes nothing", async () => {
  const sql = `x'; DROP TABLE message; -- \\' OR "1"="1`;
  const text = escapeXml(sql);
  await mallory.join(lab.room(MARKUP));
  const before = await everything();
  const tries: readonly [name: string, data: string, code: number][] = [
    ["join", `<chanid key="${text}" domain="example.com" value="${text}"/>`, 400],
    ["join", `<chanid key="0" domain="${text}" value="00000000-0000-4000-8000-000000000000"/>`, 400],
    ["bjoin", `<chanid key="0" domain="example.com" value="${text}"/>`, 400],
    ["part", `<chanib uri="ma-chan://example.com/${text}"/>`, 400],
    ["bccontext", `<chanib uri="${text}"/>`, 400],
    ["getassociations", `<association type="${text}" domain="${text}"/>`, 400],
    ["getassociations", `<association type="MEMBER" domain="${text}" maxResults="${text}"/>`, 400],
    ["getinv", `<inv inviteId="${text}" domain="${text}"/>`, 400],
    ["getserverinfo", `<sib domain="${text}" infoType="${text}"/>`, 200],
    ["chansrch", `<qib qtype="${text}" criteria="${text}" extended="${text}"/>`, 200],
    [sql, "", 400],
    ["__proto__", "", 501],
    ["constructor", "", 501],
    ["chandelete", "", 400],
    [
      "msgmodify",
      `<chanib uri="${lab.room(MARKUP)}"/><moderation change="${text}"><msg chatId="1"/></moderation>`,
      400,
    ],
    [
      "msgmodify",
      `<chanib uri="${lab.room(MARKUP)}"/><moderation change="REMOVE"><msg chatId="${text}"/></moderation>`,
      400,
    ],
    ["chandelete", `<chanib uri="${text}" version="${text}"/>`, 400],
    ["chansrch", `<qib criteria="" member="${text}" manager="${text}" addin="${text}"/>`, 200],
    ["chansrch", `<qib criteria="" category="${text}"/>`, 400],
    ["chancreate", `<chanib name="${text}" description="${text}" parent="ma-cat://example.com/x"/>`, 404],
    ["chanmodify", `<chanib uri="${lab.room(MARKUP)}" name="${text}" siopname="${text}"/>`, 403],
    ["getroles", `<chanib uri="${lab.room(MARKUP)}"/><rib type="${text}"/>`, 400],
    ["usrsrch", `<chanib uri="${lab.room(MARKUP)}"/><qib criteria="${text}"/>`, 403],
    ["x".repeat(65), "", 400],
  ];
  for (const [name, data, code] of tries) {
    const reply = await mallory.command(name, data);
    assert.equal(reply.code, code, `${name} ${data}`);
    assert.ok(!reply.text.includes("DROP"), "nothing is quoted back");
  }
  for (const seqid of [sql, "-1", "9".repeat(21)])
    assert.equal(await mallory.post(lab.room(MARKUP), "x", { seqid: escapeXml(seqid) }), 400);
  assert.equal(await mallory.post(sql, "x"), 404);
  assert.equal(await mallory.post(lab.room(MARKUP), "x", { author: sql }), 403);
  assert.deepEqual(await everything(), before);
  await others.unharmed("SQL everywhere");
});
