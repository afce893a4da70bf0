import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { assertCleanLogs, SECRET_WORD, type Witnesses, witnesses } from "../support/unharmed.ts";
import { until } from "../support/until.ts";

const NS = "urn:parlano:xml:ns:xccos";
let lab: Lab;
let others: Witnesses;
let mallory: XccosEndpoint;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "mallory"],
    rooms: [{ name: "Main", members: ["alice", "bob", "mallory"] }],
    settings: { log: { level: "debug" } },
  });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  mallory = await lab.signedIn("mallory");
  assert.equal((await mallory.join(lab.room("Main"))).code, 200);
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

const envelope = (inner: string, attributes = `ver="1" envid="7" xmlns="${NS}"`) =>
  `<xccos ${attributes}>${inner}</xccos>`;
const post = (inner = `<chat>${SECRET_WORD}</chat>`) =>
  `<grpchat id="grpchat" seqid="1" chanUri="${lab.room("Main")}" author="sip:mallory@example.com" ts="2026-11-23T08:15:30Z">${inner}</grpchat>`;
const times = (count: number, make: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i)).join("");
const beforeText = (bytes: readonly number[]) => {
  const [head = "", tail = ""] = envelope(post()).split(SECRET_WORD);
  return Buffer.concat([Buffer.from(head + SECRET_WORD), Buffer.from(bytes), Buffer.from(tail)]);
};
const doctype = (subset: string, text: string) =>
  `<!DOCTYPE xccos [${subset}]>${envelope(post(`<chat>${SECRET_WORD}${text}</chat>`))}`;
const entities = times(10, (i) => `<!ENTITY e${i + 1} "${times(10, () => `&e${i};`)}">`);

/** What arrives as the body of an INFO, and the SIP status it gets. */
const bodies: readonly [what: string, status: number, body: () => string | Buffer][] = [
  ["nothing", 400, () => ""],
  ["no XML", 400, () => SECRET_WORD],
  ["an envelope that is cut off", 400, () => envelope(post()).slice(0, -9)],
  ["tags that cross", 400, () => envelope(post(`<chat>${SECRET_WORD}<b></chat></b>`))],
  ["two roots", 400, () => envelope(post()).repeat(2)],
  ["an attribute twice", 400, () => envelope(post(), `ver="1" envid="7" envid="8" xmlns="${NS}"`)],
  ["a doctype", 400, () => `<!DOCTYPE xccos>${envelope(post())}`],
  ["a doctype of another file", 400, () => `<!DOCTYPE x SYSTEM "file:///etc/passwd">${envelope(post())}`],
  ["an external entity", 400, () => doctype('<!ENTITY x SYSTEM "file:///etc/hostname">', "&x;")],
  ["a parameter entity", 400, () => doctype('<!ENTITY % x SYSTEM "http://127.0.0.1:9/"> %x;', "")],
  ["entities that grow to ten thousand million", 400, () => doctype(`<!ENTITY e0 "ha">${entities}`, "&e10;")],
  ["an entity nobody declared", 400, () => envelope(post(`<chat>${SECRET_WORD}&nbsp;</chat>`))],
  [
    "an entity named like a member of every object",
    400,
    () => envelope(post("<chat>&constructor;&__proto__;</chat>")),
  ],
  ["a reference to NUL", 400, () => envelope(post(`<chat>${SECRET_WORD}&#0;</chat>`))],
  ["a reference to half a surrogate pair", 400, () => envelope(post(`<chat>${SECRET_WORD}&#xD800;</chat>`))],
  ["a processing instruction", 400, () => `<?xml-stylesheet href="x"?>${envelope(post())}`],
  ["10,000 levels", 400, () => envelope(`${"<a>".repeat(10_000)}${"</a>".repeat(10_000)}`)],
  ["10,000 levels that never close", 400, () => envelope(post()).replace("<chat>", "<a>".repeat(10_000))],
  [
    "10,000 attributes",
    400,
    () => envelope(post(), `${times(10_000, (i) => `a${i}="" `)}envid="7" xmlns="${NS}"`),
  ],
  [
    "10,000 attributes on the post",
    400,
    () => envelope(post().replace("<grpchat", `<grpchat ${times(9_000, (i) => `b${i}="" `)}`)),
  ],
  [
    "10,000 namespaces",
    400,
    () => envelope(post(), `${times(3_000, (i) => `xmlns:n${i}="urn:${i}" `)}envid="7" xmlns="${NS}"`),
  ],
  ["20,000 elements", 400, () => envelope("<a/>".repeat(20_000))],
  ["17 primitives", 400, () => envelope(post().repeat(17))],
  ["another namespace", 415, () => envelope(post(), 'ver="1" envid="7" xmlns="urn:other"')],
  ["no namespace", 415, () => envelope(post(), 'ver="1" envid="7"')],
  [
    "the namespace in other letters",
    415,
    () => envelope(post(), `ver="1" envid="7" xmlns="${NS.toUpperCase()}"`),
  ],
  ["another root", 400, () => `<xccoz ver="1" envid="7" xmlns="${NS}">${post()}</xccoz>`],
  ["no envid", 400, () => envelope(post(), `ver="1" xmlns="${NS}"`)],
  ["an empty envid", 400, () => envelope(post(), `ver="1" envid="" xmlns="${NS}"`)],
  ["a negative envid", 400, () => envelope(post(), `ver="1" envid="-1" xmlns="${NS}"`)],
  ["an envid of 65 bits", 400, () => envelope(post(), `ver="1" envid="18446744073709551616" xmlns="${NS}"`)],
  ["an envid that is SQL", 400, () => envelope(post(), `ver="1" envid="1' OR '1'='1" xmlns="${NS}"`)],
  ["a lone continuation byte", 400, () => beforeText([0x80])],
  ["a slash in two bytes", 400, () => beforeText([0xc0, 0xaf])],
  ["a surrogate in UTF-8", 400, () => beforeText([0xed, 0xa0, 0x80])],
  ["a character beyond Unicode", 400, () => beforeText([0xf4, 0x90, 0x80, 0x80])],
  ["a NUL", 400, () => beforeText([0])],
  ["a control character", 400, () => beforeText([0x0b])],
  ["UTF-16", 400, () => Buffer.from(`\uFEFF${envelope(post())}`, "utf16le")],
  [
    "only unknown primitives",
    200,
    () => envelope("<wish/><grpchatter/><rpl id='rpl:join'/><ntc/><sys/><err/>"),
  ],
  [
    "a post of another namespace",
    200,
    () => envelope(post().replace("<grpchat", '<grpchat xmlns="urn:other"')),
  ],
  ["an envelope with nothing in it", 200, () => envelope("")],
];

test("whatever is no envelope is answered with a status of its own, stores nothing and reaches nobody", async () => {
  const wrong: string[] = [];
  for (const [what, status, body] of bodies) {
    const answer = await mallory.sendInfo({ body: Buffer.from(body()), timeoutMs: LAB_TIMEOUT_MS });
    if (answer.status !== status) wrong.push(`${what}: ${answer.status} ${answer.reason}, not ${status}`);
    assert.ok(!answer.reason.includes(SECRET_WORD), what);
    assert.equal(answer.body.length, 0, what);
  }
  assert.deepEqual(wrong, []);
  await others.unharmed("bodies that are no envelopes");
  assert.equal((await mallory.getServerInfo()).code, 200, "the sender's dialog stands");
  assert.deepEqual(mallory.violations, [], "no reply came to anything else he sent");
  assert.ok(mallory.messages.every(({ text }) => !text.includes(SECRET_WORD)));
});

test("bodies are taken up to 96 KiB, refused with 413 above, and 300 kB cost the sender his connection only", async () => {
  const padded = (bytes: number) => {
    const bare = envelope("<wish/>");
    return Buffer.from(envelope(`<wish/>${" ".repeat(bytes - bare.length)}`));
  };
  const victim = await lab.signedIn("mallory");
  const infos = victim.counts.infos;
  for (const [bytes, status] of [
    [98_304, 200],
    [98_305, 413],
    [99_328, 413],
    [120_000, 413],
  ] as const) {
    assert.equal(
      (await victim.sendInfo({ body: padded(bytes), timeoutMs: LAB_TIMEOUT_MS })).status,
      status,
      `${bytes} bytes`,
    );
  }
  await assert.rejects(victim.sendInfo({ body: padded(300_000), timeoutMs: LAB_TIMEOUT_MS }), {
    kind: "closed",
  });
  assert.equal(victim.counts.infos, infos, "no reply to any of them");
  await others.unharmed("bodies of every size");
  await victim.reconnect();
  assert.equal((await victim.getServerInfo()).code, 200, "and he may come back");
});

test("two commands in an envelope are both answered, and of two posts each is one message", async () => {
  const twice =
    '<cmd id="cmd:getserverinfo" seqid="4"><data/></cmd><cmd id="cmd:getserverinfo" seqid="5"><data/></cmd>';
  const infos = mallory.counts.infos;
  assert.equal((await mallory.sendInfo({ body: Buffer.from(envelope(twice)) })).status, 200);
  await until("two replies", () => mallory.counts.infos - infos >= 2);
  // The client takes them for strangers, since it did not send the commands by its own method.
  const strangers = mallory.watch.violations.splice(0);
  assert.deepEqual(strangers, Array(2).fill("rpl:getservinfo: refers to no command of this client"));
  assert.equal(mallory.counts.infos - infos, 2);
  const room = await lab.addRoom({ name: "Pair", members: ["alice", "mallory"] });
  for (const endpoint of [mallory, others.speaker]) await endpoint.join(room);
  const pair = ["1", "2"].map((seqid) =>
    post(`<chat>pair ${seqid}</chat>`)
      .replace(lab.room("Main"), room)
      .replace('seqid="1"', `seqid="${seqid}"`),
  );
  const same = pair.join("").replace('seqid="2"', 'seqid="1"');
  assert.equal(
    (await mallory.sendInfo({ body: Buffer.from(envelope(same)) })).status,
    400,
    "the second would pass for a repeat of the first: nothing is stored, nothing acknowledged",
  );
  assert.equal((await mallory.sendInfo({ body: Buffer.from(envelope(pair.join(""))) })).status, 200);
  await others.speaker.waitForMessage(({ text }) => text === "pair 2", LAB_TIMEOUT_MS);
  assert.deepEqual(
    others.speaker.messages.filter((m) => m.room === room).map(({ text, chatId }) => [text, chatId]),
    [
      ["pair 1", 1],
      ["pair 2", 2],
    ],
  );
});
