import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Draft, encode, type HostilePhone, header, hostilePhone } from "../support/hostile-phone.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { assertCleanLogs, SECRET_WORD, type Witnesses, witnesses } from "../support/unharmed.ts";

let lab: Lab;
let others: Witnesses;
let mallory: HostilePhone;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "mallory"],
    rooms: [{ name: "Main", members: ["alice", "bob"] }],
    settings: { log: { level: "debug" } },
  });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  others = await witnesses(lab.room("Main"), alice, bob);
  mallory = await hostilePhone(lab, "mallory");
});
after(async () => {
  mallory?.end();
  try {
    await lab?.clearAway();
    // Kamailio's own parser quotes what it cannot parse, so no secret words are in what it cannot parse.
    if (lab) assertCleanLogs(lab);
  } finally {
    await lab?.close();
  }
});

type Spoil = (draft: Draft) => void;
type Outcome = number | "none" | "closed";

const from = (value: string) => header("From", value);
const tagged = (tag: string) => from(`<sip:mallory@example.com>;tag=${tag}`);
const contact = (value: string) => header("Contact", value);
const more =
  (line: string): Spoil =>
  (draft) =>
    void draft.lines.push(line);
const first =
  (line: string): Spoil =>
  (draft) =>
    void draft.lines.unshift(line);
const method =
  (name: string): Spoil =>
  (draft) => {
    draft.start = draft.start.replace("INVITE", name);
    header("CSeq", `1 ${name}`)(draft);
  };
/** What would be a new header, had the folded line or the control character been copied as it is. */
const INJECTED = "\r\n X-Injected: yes";

const cases: readonly [what: string, outcome: Outcome, spoil: Spoil][] = [
  ["nothing wrong", 200, () => undefined],
  ["a folded Call-ID", 400, header("Call-ID", `abc${INJECTED}`)],
  ["a carriage return in the Call-ID", 400, header("Call-ID", "abc\rX-Injected: yes")],
  ["a NUL in the Call-ID", 400, header("Call-ID", "abc\0def")],
  ["script variables in the Call-ID", 200, header("Call-ID", "$var(parlance_key)$$$(rb){s.len}%s")],
  ["quotes and backslashes in the Call-ID", 200, header("Call-ID", 'a"b\\c","user":"x')],
  ["bars in the Call-ID", 200, header("Call-ID", "a|b|c;tag=1")],
  ["a Call-ID of 257 characters", 400, header("Call-ID", "c".repeat(257))],
  ["a Call-ID of 5,000 characters", 400, header("Call-ID", "c".repeat(5_000))],
  ["two Call-IDs", "none", more("Call-ID: another")],
  ["a folded From", 200, from(`<sip:mallory@example.com>${"\r\n ;tag=folded"}`)],
  ["a line break within the From URI", 400, from(`<sip:mallory@example.com;x=${INJECTED}>;tag=1`)],
  ["a line break in the epid", 400, from(`<sip:mallory@example.com>;tag=1;epid=a${INJECTED}`)],
  ["no tag", 400, from("<sip:mallory@example.com>")],
  ["an empty tag", 400, tagged("")],
  ["a tag of 256 characters", 400, tagged("t".repeat(256))],
  ["a tag of 10,000 characters", 400, tagged("t".repeat(10_000))],
  ["bytes that are no UTF-8 in the tag", 400, tagged("\xff\xfe")],
  [
    "script variables in tag, epid and display name",
    200,
    from('"$var(x) \\" $$" <sip:mallory@example.com;y=$rb>;tag=$ci$$;epid=$var(z)'),
  ],
  ["SQL in the epid", 200, from(`<sip:mallory@example.com>;tag=sql;epid="x';DROP TABLE dialog;--"`)],
  ["an epid of 3,000 characters", 200, from(`<sip:mallory@example.com>;tag=long;epid=${"e".repeat(3_000)}`)],
  ["a From URI of 600 characters", 400, from(`<sip:mallory@example.com;x=${"y".repeat(600)}>;tag=1`)],
  ["no Contact", 400, ({ lines }) => void lines.pop()],
  ["a Contact of star", 400, contact("*")],
  ["a Contact of IPv6", 200, contact("<sip:x@[::1]>")],
  ["a Contact of broken IPv6", 200, contact("<sip:x@[::1>")],
  ["a Contact of another scheme", 400, contact("<http://127.0.0.1/>")],
  ["a Contact with a line break in it", 400, contact(`<sip:x@127.0.0.1;y=${INJECTED}>`)],
  ["a Contact with a quote in it", 400, contact('<sip:x"y@127.0.0.1>')],
  ["a Contact with script variables", 200, contact("<sip:$var(x)$$@127.0.0.1>")],
  ["a Contact of 2,000 characters", 400, contact(`<sip:${"x".repeat(2_000)}@127.0.0.1>`)],
  ["a Contact that would add headers", 200, contact("<sip:x@127.0.0.1?Route=%3Csip:127.0.0.1:9%3E>")],
  ["a To with a tag", 481, header("To", "<sip:pchat@example.com>;tag=nobody")],
  ["a folded User-Agent", 200, header("User-Agent", `x${INJECTED}`)],
  ["script variables in the User-Agent", 200, header("User-Agent", '$var(x)$$"\\$rb')],
  ["headers of 20,000 bytes", 513, header("User-Agent", "u".repeat(20_000))],
  ["500 headers", 200, ({ lines }) => void lines.push(...Array.from({ length: 500 }, (_, i) => `X-${i}: y`))],
  ["a JSON text in the method", 400, method('X","start":"another","method":"INVITE')],
  ["a JSON text in the CSeq", 400, header("CSeq", '1,"start":"another" INVITE')],
  ["a CSeq with leading zeros", 400, header("CSeq", "007 INVITE")],
  ["a negative CSeq", 400, header("CSeq", "-1 INVITE")],
  ["a CSeq of twenty digits", 400, header("CSeq", `${"9".repeat(20)} INVITE`)],
  ["a CSeq of another method", 400, header("CSeq", "1 INFO")],
  ["a method nobody knows", 405, method("FROBNICATE")],
  ["an offer that is none", 488, (draft) => Object.assign(draft, { body: SECRET_WORD })],
  [
    "an offer with line breaks in odd places",
    200,
    (draft) => Object.assign(draft, { body: `v=0\r\nm=message 1 sip null\rX: ${SECRET_WORD}\r\n` }),
  ],
  [
    "an offer of 1,000 media",
    488,
    (draft) => Object.assign(draft, { body: `v=0\r\n${"m=message 5060 sip null\r\n".repeat(1_000)}` }),
  ],
  ["Bob's From behind the own one", "none", more("From: <sip:bob@example.com>;tag=b")],
  ["Bob's From before the own one", "none", first("From: <sip:bob@example.com>;tag=b")],
  ["Bob's From in short", "none", more("f: <sip:bob@example.com>;tag=b")],
  ["Bob's From instead of the own one", 407, from("<sip:bob@example.com>;tag=b")],
  ["Bob's From with the own name as its user's password", 407, from("<sip:bob:mallory@example.com>;tag=b")],
  [
    "somebody else in every header that might name him",
    200,
    ({ lines }) =>
      void lines.push(
        "P-Asserted-Identity: <sip:bob@example.com>",
        "P-Preferred-Identity: <sip:bob@example.com>",
        'Remote-Party-ID: "Bob" <sip:bob@example.com>;party=calling',
        "Referred-By: <sip:bob@example.com>",
        "Identity: bob",
      ),
  ],
  [
    "somebody else's credentials on a connection that is trusted",
    200,
    more(
      'Proxy-Authorization: Digest username="bob@example.com", realm="example.com", nonce="x", uri="(null)", response="00000000000000000000000000000000"',
    ),
  ],
  ["INFO instead of INVITE", 481, method("INFO")],
  ["UPDATE instead of INVITE", 481, method("UPDATE")],
  ["BYE instead of INVITE", 481, method("BYE")],
  ["CANCEL instead of INVITE", 481, method("CANCEL")],
  ["ACK instead of INVITE", "none", method("ACK")],
  ["MESSAGE instead of INVITE", 405, method("MESSAGE")],
  ["a From of another domain", 403, from("<sip:bob@example.org>;tag=b")],
  ["a From with an escaped letter", 403, from("<sip:%62ob@example.com>;tag=b")],
  ["a From that is a telephone", 403, from("<tel:+15551234>;tag=b")],
];

for (const [what, outcome, spoil] of cases) {
  test(`an INVITE with ${what}: ${outcome}`, async () => {
    const before = await dialogs();
    const answer = await mallory.invite(spoil);
    // Whether the proxy hangs up on what it cannot parse is its own affair; it says nothing, and does nothing.
    const got = typeof answer === "string" ? "none" : answer.status;
    assert.equal(got, outcome, typeof answer === "string" ? answer : answer.start);
    const after = await dialogs();
    assert.equal(after.length - before.length, got === 200 ? 1 : 0, "dialogs");
    for (const dialog of after)
      assert.ok(!dialog.user.includes("bob") || before.some(({ token }) => token === dialog.token));
    if (typeof answer !== "string") assert.ok(!`${answer.start}${answer.body}`.includes(SECRET_WORD));
  });
}

const roundTrips: readonly [what: string, spoil: Spoil, target: RegExp, to: RegExp][] = [
  [
    "a folded From",
    from("<sip:mallory@example.com>\r\n ;tag=folded\r\n ;epid=1"),
    /mallory@127/,
    /^<sip:mallory@example.com>;tag=folded$/,
  ],
  [
    "script variables everywhere",
    (draft) => {
      from('"$var(x)" <sip:mallory@example.com;y=$rb>;tag=$ci$$')(draft);
      header("Call-ID", "$var(parlance_key)$$$(rb){s.len}%s%d")(draft);
      contact("<sip:$var(x)$$@127.0.0.1>")(draft);
    },
    /^INFO sip:\$var\(x\)\$\$@127\.0\.0\.1 /,
    /^<sip:mallory@example\.com;y=\$rb>;tag=\$ci\$\$$/,
  ],
  ["quotes and bars in the Call-ID", header("Call-ID", 'a"b\\c","d|e'), /mallory@127/, /tag=t/],
  ["an IPv6 Contact", contact("<sip:x@[::1]>"), /^INFO sip:x@\[::1\] /, /tag=t/],
];

for (const [what, spoil, target, to] of roundTrips) {
  test(`with ${what} our own requests say exactly what the client said, and nothing more`, async () => {
    const ok = await mallory.invite(spoil);
    assert.ok(typeof ok !== "string" && ok.status === 200);
    const phone = mallory.lines();
    const value = (name: string) => ok.headers.get(name) ?? "";
    const uri = /<([^>]+)>/.exec(value("contact"))?.[1] ?? "";
    const via = `SIP/2.0/TCP 127.0.0.1:${phone.local.port};branch=z9hG4bK${uri.slice(-40, -30)}${Math.random()}`;
    const body =
      '<xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos"><cmd id="cmd:requri" seqid="1"><data/></cmd></xccos>';
    const lines = [
      `Via: ${via}`,
      `From: ${sentFrom(spoil)}`,
      `To: ${value("to")}`,
      `Call-ID: ${value("call-id")}`,
    ];
    lines.push("CSeq: 2 INFO", "Max-Forwards: 70", "Content-Type: text/plain");
    phone.write(encode({ start: `INFO ${uri} SIP/2.0`, lines, body }));
    const info = await phone.request("INFO", LAB_TIMEOUT_MS);
    phone.answer(info, "200 OK");
    assert.match(info.start, target);
    assert.match(info.headers.get("to") ?? "", to);
    assert.equal(info.headers.get("call-id"), value("call-id"));
    assert.deepEqual(
      [...info.headers.keys()].sort(),
      [
        "call-id",
        "contact",
        "content-length",
        "content-type",
        "cseq",
        "from",
        "max-forwards",
        "to",
        "via",
      ].filter((name) => info.headers.has(name)),
    );
    assert.match(info.body.toString(), /rpl:requri/);
  });
}

/** The From that a spoilt draft goes out with. */
function sentFrom(spoil: Spoil): string {
  const draft: Draft = {
    start: "",
    lines: [`From: <${lab.address("mallory")}>;tag=${mallory.lastTag}`],
    body: "",
  };
  spoil(draft);
  return draft.lines.find((line) => line.startsWith("From: "))?.slice("From: ".length) ?? "";
}

test("a dialog that cannot be reached costs its owner his copies, and nobody else", async () => {
  const room = await lab.addRoom({ name: "Unreachable", members: ["alice", "bob", "mallory"] });
  const before = (await dialogs()).length;
  const ok = await mallory.invite(contact("<sip:x@[::1>"));
  assert.ok(typeof ok !== "string" && ok.status === 200);
  const uri = /<([^>]+)>/.exec(ok.headers.get("contact") ?? "")?.[1] ?? "";
  const [, domain, value] = /^ma-chan:\/\/([^/]+)\/(.*)$/.exec(room) ?? [];
  const join = `<xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos"><cmd id="cmd:join" seqid="1"><data><chanid key="0" domain="${domain}" value="${value}"/></data></cmd></xccos>`;
  const dialog = {
    from: `<${lab.address("mallory")}>;tag=${mallory.lastTag}`,
    to: ok.headers.get("to") ?? "",
    callId: mallory.lastCallId,
  };
  assert.equal(
    (
      await mallory
        .lines()
        .ask({ ...dialog, method: "INFO", uri, cseq: 2, body: join, headers: ["Content-Type: text/plain"] })
    ).status,
    200,
  );
  for (const endpoint of [others.speaker, others.listener]) await endpoint.join(room);
  assert.equal(await others.speaker.post(room, "business as usual elsewhere"), 200);
  await others.listener.waitForMessage((message) => message.room === room, LAB_TIMEOUT_MS);
  assert.equal((await dialogs()).length, before + 1);
});

test("after all of it the others still chat, nobody has been put away, and no dialog belongs to somebody else", async () => {
  await others.unharmed("hostile headers");
  const users = new Set((await dialogs()).map(({ user }) => user));
  assert.deepEqual(
    [...users].sort(),
    ["alice", "bob", "mallory"].map((user) => lab.address(user)),
  );
  assert.equal(others.speaker.connected && others.listener.connected, true);
});

async function dialogs(): Promise<{ user: string; token: string }[]> {
  return lab.sql(
    "SELECT p.uri AS user, HEX(d.token) AS token FROM dialog d JOIN principal p ON p.id = d.user_id",
  );
}
