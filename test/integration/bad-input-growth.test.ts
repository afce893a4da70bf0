import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { sipStream } from "../support/sip-lines.ts";
import { assertCleanLogs, SECRET_WORD, type Witnesses, witnesses } from "../support/unharmed.ts";
import { until } from "../support/until.ts";

/*
 * One call to Kamailio has room for 128 KiB, and what does not fit into one would be tried for ever, with everything behind it. Text
 * that grows when it is written as XML and as JSON, names that clients choose, and many answers at once must therefore never add up to more.
 */

let lab: Lab;
let others: Witnesses;
let mallory: XccosEndpoint;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "mallory", "carol"],
    rooms: [
      { name: "Main", members: ["alice", "bob"] },
      { name: "Swelling", members: ["mallory", "carol"] },
      { name: "Names", members: ["mallory", "carol"] },
    ],
  });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  mallory = await lab.signedIn("mallory");
  assert.equal((await mallory.bjoin([lab.room("Swelling"), lab.room("Names")])).code, 200);
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

const cdata = (text: string) => `<![CDATA[${text}]]>`;

test("text that would grow beyond what can be sent is refused with 413; the most that is taken arrives and can be read", async () => {
  const room = lab.room("Swelling");
  const carol = await lab.signedIn("carol");
  await carol.join(room);
  const post = (raw: string) => mallory.post(room, "", { raw, timeoutMs: LAB_TIMEOUT_MS });
  const refused = [
    `<chat>[STORY]${cdata("&".repeat(31_900))}</chat>`,
    `<chat>[STORY]${"&#13;".repeat(18_500)}</chat>`,
    `<chat>[STORY]x</chat><rtf>${cdata("&".repeat(90_000))}</rtf>`,
    `<chat>[STORY]x</chat><rtf>${cdata("\\".repeat(90_000))}</rtf>`,
    `<chat>[STORY]x</chat><rtf>${cdata("漢".repeat(31_000))}</rtf>`,
  ];
  for (const raw of refused) assert.equal(await post(raw), 413, raw.slice(0, 60));
  assert.equal(await post(`<chat>[STORY]${cdata("&".repeat(15_000))}</chat>`), 200);
  assert.equal(await post(`<chat>[STORY]${cdata('"'.repeat(31_900))}</chat>`), 200);
  assert.equal(await post(`<chat>[STORY]${cdata("\u{1F600}".repeat(7_900))}</chat>`), 200);
  await until("all three arrive", () => carol.messages.length >= 3);
  assert.deepEqual(
    carol.messages.map(({ text, chatId }) => [[...text].length, chatId]),
    [
      [15_007, 1],
      [31_907, 2],
      [7_907, 3],
    ],
  );
  const { code, messages } = await carol.history(room, 500);
  assert.equal(code, 200);
  assert.equal(messages.at(-1)?.chatId, 3, "the newest is in it");
  await others.unharmed("text that grows");
});

test("many long stories at once reach everybody in order", async () => {
  const room = lab.room("Swelling");
  const carol = await lab.signedIn("carol");
  await carol.join(room);
  const stories = Array.from({ length: 12 }, (_, index) => `[STORY]${index} ${'漢"\n'.repeat(6_000)}`);
  const answers = await Promise.all(
    stories.map((story) => mallory.post(room, story, { timeoutMs: LAB_TIMEOUT_MS })),
  );
  assert.deepEqual(answers, Array(12).fill(200));
  await until("all stories arrive", () => carol.messages.length >= 12);
  assert.deepEqual(
    carol.messages.map(({ text }) => text),
    stories,
  );
  await others.unharmed("many long stories");
});

test("a history of nothing but quotes and ampersands is cut to what can be sent", async () => {
  const room = await lab.addRoom({ name: "Quotes", members: ["mallory"] });
  await mallory.join(room);
  for (let index = 0; index < 24; index++)
    assert.equal(
      await mallory.post(room, (index % 2 ? '"' : "&").repeat(8_000), { timeoutMs: LAB_TIMEOUT_MS }),
      200,
    );
  const { code, messages } = await mallory.history(room, 500);
  assert.equal(code, 200);
  assert.ok(messages.length > 1 && messages.length < 24, `${messages.length} messages`);
  assert.equal(messages.at(-1)?.chatId, 24);
  await others.unharmed("a history of quotes");
});

test("a room full of dialogs with the longest names there may be is served like any other", async () => {
  const room = lab.room("Names");
  const phones = [];
  const target = "sip:mallory@127.0.0.1;x=".padEnd(516, "y");
  try {
    const before = await dialogsOf("mallory");
    for (let index = 0; index < 40; index++) {
      const phone = await sipStream("127.0.0.1", lab.stack.ports.sip);
      phones.push(phone);
      const callId = `${index}-`.padEnd(256, "\\");
      const tag = `${index}-`.padEnd(255, "t");
      const from = `<${`${lab.address("mallory")};x=`.padEnd(512, "z")}>;tag=${tag};epid=${index}`;
      const dialog = { from, to: `<${lab.stack.poolUri}>`, callId };
      const account = { username: "mallory@example.com", password: lab.password("mallory") };
      const ok = await phone.askAs(account, {
        ...dialog,
        method: "INVITE",
        uri: lab.stack.poolUri,
        cseq: 1,
        headers: [`Contact: <${target}>`],
      });
      assert.equal(ok.status, 200, ok.start);
      const uri = /<([^>]+)>/.exec(ok.headers.get("contact") ?? "")?.[1] ?? "";
      const to = ok.headers.get("to") ?? "";
      phone.send({ ...dialog, to, method: "ACK", uri, cseq: 1 });
      const [, domain, value] = /^ma-chan:\/\/([^/]+)\/(.*)$/.exec(room) ?? [];
      const body = `<xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos"><cmd id="cmd:join" seqid="1"><data><chanid key="0" domain="${domain}" value="${value}"/></data></cmd></xccos>`;
      assert.equal(
        (
          await phone.ask({
            ...dialog,
            to,
            method: "INFO",
            uri,
            cseq: 2,
            body,
            headers: ["Content-Type: text/plain"],
          })
        ).status,
        200,
      );
      const reply = await phone.request("INFO", LAB_TIMEOUT_MS);
      assert.match(reply.body.toString(), /rpl:join.*code="200"/s);
      phone.answer(reply, "200 OK");
    }
    assert.equal((await dialogsOf("mallory")) - before, 40);
    assert.equal(await mallory.post(room, "to all of you"), 200);
    for (const phone of phones) {
      const copy = await phone.request("INFO", LAB_TIMEOUT_MS);
      phone.answer(copy, "200 OK");
      assert.match(copy.body.toString(), /to all of you/);
      assert.equal(copy.start, `INFO ${target} SIP/2.0`);
    }
    await others.unharmed("dialogs with long names");
  } finally {
    for (const phone of phones) phone.end();
  }
});

test("a join of 300 rooms with long descriptions is answered in full, in as many replies as it takes", async () => {
  const rooms = [];
  const description = `${SECRET_WORD} ${'<"&'.repeat(80)}`;
  for (let index = 0; index < 300; index++)
    rooms.push(await lab.addRoom({ name: `Long ${index}`, description, privacy: "open" }));
  const carol = await lab.signedIn("carol", { timeoutMs: 60_000 });
  const { code, rooms: entered, failed } = await carol.bjoin(rooms);
  assert.deepEqual([code, entered.length, failed], [200, 300, []]);
  const list = await carol.search("Long");
  assert.equal(list.code, 200);
  assert.ok(list.rooms.length > 0, "as many as fit");
  await others.unharmed("a join of 300 rooms");
});

async function dialogsOf(user: string): Promise<number> {
  const [row] = await lab.sql<{ n: number }>(
    "SELECT COUNT(*) AS n FROM dialog d JOIN principal p ON p.id = d.user_id WHERE p.uri = ?",
    [lab.address(user)],
  );
  return Number(row?.n);
}
