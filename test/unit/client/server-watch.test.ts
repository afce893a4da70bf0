import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { XccosEndpoint } from "../../../plugin/client/endpoint.ts";
import { type StubDialog, StubServer } from "../../support/stub-server.ts";
import { rplXml, STUB_ROOM } from "../../support/stub-xccos.ts";

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function joined(): Promise<{ stub: StubServer; alice: XccosEndpoint; dialog: StubDialog }> {
  const stub = await StubServer.start();
  stops.push(() => stub.stop());
  const alice = new XccosEndpoint({ host: "127.0.0.1", port: stub.port, address: "sip:alice@example.com" });
  stops.push(() => alice.crash());
  await alice.signIn();
  const dialog = stub.dialogs.at(-1);
  assert.ok(dialog);
  assert.deepEqual(alice.violations, []);
  return { stub, alice, dialog };
}

const OK = `<resp code="200">SUCCESS_OK</resp>`;
const xccos = (inner: string) => `<xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos">${inner}</xccos>`;
const notice = `<ntc id="ntc:join" seqid="1"><data/></ntc>`;
const chat = `<grpchat id="grpchat" seqid="1" chanUri="${STUB_ROOM}" author="sip:b@example.com" chatId="7" ts="2026-11-23T08:15:30Z"><chat>x</chat></grpchat>`;

/** Each fault, and what the complaint about it must say. */
const FAULTS: [name: string, complaint: RegExp, send: (stub: StubServer, dialog: StubDialog) => void][] = [
  [
    "another From URI",
    /invited URI/,
    (s, d) => s.sendInfo(d, xccos(notice), { from: d.from.replace("pchat@", "chat@") }),
  ],
  [
    "a port in the From URI",
    /invited URI/,
    (s, d) => s.sendInfo(d, xccos(notice), { from: d.from.replace(".com>", ".com:5060>") }),
  ],
  ["another From tag", /From tag/, (s, d) => s.sendInfo(d, xccos(notice), { from: `${d.from}x` })],
  [
    "another To tag",
    /To tag/,
    (s, d) => s.sendInfo(d, xccos(notice), { to: "<sip:alice@example.com>;tag=q" }),
  ],
  ["an unknown Call-ID", /Call-ID/, (s, d) => s.sendInfo(d, xccos(notice), { callId: "nobody" })],
  [
    "a CSeq that falls",
    /CSeq 3 after/,
    (s, d) => {
      s.sendInfo(d, xccos(notice));
      s.sendInfo(d, xccos(notice), { cseq: 3 });
    },
  ],
  [
    "a CSeq used twice",
    /CSeq (\d+) after \1/,
    (s, d) => {
      s.sendInfo(d, xccos(notice));
      s.sendInfo(d, xccos(notice), { cseq: d.cseq });
    },
  ],
  [
    "two grpchat in one envelope",
    /2 grpchat/,
    (s, d) => s.sendInfo(d, xccos(chat + chat.replace('"7"', '"8"'))),
  ],
  ["a grpchat beside a notice", /mixed/, (s, d) => s.sendInfo(d, xccos(notice + chat))],
  ["a grpchat without ts", /no ts/, (s, d) => s.sendInfo(d, xccos(chat.replace(/ ts="[^"]*"/, "")))],
  ["a body that is not well-formed", /not readable/, (s, d) => s.sendInfo(d, xccos("<ntc>"))],
  ["a document type declaration", /not readable/, (s, d) => s.sendInfo(d, `<!DOCTYPE x>${xccos(notice)}`)],
  [
    "another namespace",
    /not readable/,
    (s, d) => s.sendInfo(d, xccos(notice).replace('xccos">', 'xccos2">')),
  ],
  ["a reply to nothing", /no command/, (s, d) => s.sendInfo(d, rplXml("join", "424242", OK, ""))],
  [
    "a reply without commandid",
    /no commandid/,
    (s, d) => s.sendInfo(d, rplXml("join", "1", OK, "").replace(/<commandid[^>]*>/, "")),
  ],
  [
    "a Content-Length that is too small",
    /cannot be followed/,
    (s, d) => s.sendInfo(d, `${xccos(notice)}\r\n\r\n`, { length: 20 }),
  ],
];

for (const [name, complaint, send] of FAULTS) {
  test(`${name} is noticed`, async () => {
    const { stub, alice, dialog } = await joined();
    send(stub, dialog);
    await stub.waitUntil(() => alice.violations.length > 0);
    assert.match(alice.violations.join("\n"), complaint);
  });
}

test("a gap in CSeq is allowed", async () => {
  const { stub, alice, dialog } = await joined();
  dialog.cseq += 1000;
  stub.sendInfo(dialog, xccos(notice));
  await alice.waitForNotice(() => true);
  assert.deepEqual(alice.violations, []);
});

test("message numbers that jump or repeat are listed, per room", async () => {
  const { stub, alice, dialog } = await joined();
  for (const number of [5, 6, 8, 8, 7, 9]) stub.sendChat(dialog, STUB_ROOM, `n${number}`, number);
  stub.sendChat(dialog, "ma-chan://example.com/other", "elsewhere", 1);
  await alice.waitForMessage(({ text }) => text === "elsewhere");
  assert.deepEqual(
    alice.watch.jumps.map(({ kind, expected, got }) => [kind, expected, got]),
    [
      ["gap", 7, 8],
      ["repeat", 9, 8],
      ["backwards", 9, 7],
    ],
  );
  assert.equal(alice.violations.length, 3);
});

test("jumps are no violations when a test expects them, and after a part numbers start anew", async () => {
  const { stub, alice, dialog } = await joined();
  alice.watch.strictNumbers = false;
  for (const number of [5, 9]) stub.sendChat(dialog, STUB_ROOM, `n${number}`, number);
  await alice.waitForMessage(({ chatId }) => chatId === 9);
  assert.equal(alice.watch.jumps.length, 1);
  await alice.join(STUB_ROOM);
  stub.sendChat(dialog, STUB_ROOM, "n20", 20);
  await alice.waitForMessage(({ chatId }) => chatId === 20);
  assert.equal(alice.watch.jumps.length, 1);
  assert.deepEqual(alice.violations, []);
});

test("a BYE from the server and an INFO after it are violations", async () => {
  const { stub, alice, dialog } = await joined();
  const head = `BYE ${dialog.target} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKbye\r\nFrom: ${dialog.from}\r\nTo: ${dialog.to}\r\nCall-ID: ${dialog.callId}\r\nCSeq: 1400000 BYE\r\nContent-Length: 0\r\n\r\n`;
  dialog.socket.write(head);
  stub.sendInfo(dialog, xccos(notice));
  await stub.waitUntil(() => alice.violations.length === 2);
  assert.deepEqual(alice.notices, []);
});

test("copies that cross the client's own BYE are answered, not read, and no violation", async () => {
  const { stub, alice, dialog } = await joined();
  await alice.session.leaveDialog();
  stub.responses.length = 0;
  stub.sendChat(dialog, STUB_ROOM, "too late");
  await stub.waitUntil(() => stub.responses.length === 1);
  assert.match(stub.responses[0] ?? "", /481/);
  assert.equal(alice.counts.infosOfOldDialogs, 1);
  assert.deepEqual([alice.messages, alice.violations], [[], []]);
});

test("join, bjoin and part notices are taken apart per room", async () => {
  const { stub, alice, dialog } = await joined();
  stub.sendInfo(
    dialog,
    xccos(
      `<ntc id="ntc:bjoin" seqid="1"><data><uib uri="sip:c@example.com" disname="C"><aib key="12276" domain="example.com" value="r1"/><aib key="3984" domain="example.com" value="r2"/></uib></data></ntc><ntc id="ntc:part" seqid="2"><data><chanib uri="ma-chan://example.com/r1"><uib uri="sip:d@example.com"/><uib uri="sip:e@example.com"/></chanib></data></ntc>`,
    ),
  );
  await alice.waitForNotice(({ kind }) => kind === "part");
  assert.deepEqual(
    alice.notices.map(({ kind, room, users }) => [
      kind,
      room,
      users.map((user) => user.address),
      users[0]?.permissions,
    ]),
    [
      ["bjoin", "ma-chan://example.com/r1", ["sip:c@example.com"], 12276],
      ["bjoin", "ma-chan://example.com/r2", ["sip:c@example.com"], 3984],
      ["part", "ma-chan://example.com/r1", ["sip:d@example.com", "sip:e@example.com"], 0],
    ],
  );
  assert.deepEqual(alice.violations, []);
});
