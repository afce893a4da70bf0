import assert from "node:assert/strict";
import { test } from "node:test";
import type { ActRecord, CopyRecord, Evidence, SealedEvent, Seat } from "./evidence.ts";
import { judge } from "./referee.ts";
import { actAnswerFaults } from "./referee-acts.ts";

const room = "ma-chan://example.com/r1";
const author = "sip:alice@example.com";
const text = (number: number) => `post ${number}`;
const copy = (number: number, atMs = number * 100): CopyRecord => ({
  number,
  text: text(number),
  author,
  atMs,
});
const seat = (live: readonly CopyRecord[][], history: readonly CopyRecord[] = []): Seat => ({
  client: "bob",
  room,
  after: 0,
  live: live.map((list) => [...list]),
  history: [...history],
});

const guest = "sip:bob@example.com";
const filed = (type: string, who: string, what = "") => ({
  conversation: "f1",
  room,
  type,
  number: 0,
  author: who,
  text: what,
});
const event = (kind: string, about: Partial<SealedEvent>): SealedEvent => ({
  stream: "room:1",
  streamSeq: 0,
  kind,
  room,
  author,
  number: 0,
  text: "",
  session: "a",
  detail: {},
  ...about,
});
const act = (kind: ActRecord["kind"], about: Partial<ActRecord> = {}): ActRecord => ({
  kind,
  room,
  who: guest,
  session: "g",
  limit: 0,
  text: "",
  answer: 200,
  shown: [],
  ...about,
});
const shown = (...numbers: number[]) => numbers.map((number) => ({ number, text: text(number), author }));

/** Alice signed in, entered, posted three times and searched; Bob looked in and read; Carol became a member. All well. */
function evidence(change: Partial<Evidence> = {}): Evidence {
  const numbers = [1, 2, 3];
  return {
    posts: numbers.map((number) => ({
      text: text(number),
      room,
      author,
      token: "t",
      envid: number,
      answers: [200],
      acknowledgedAt: 1,
    })),
    seats: [seat([numbers.map((number) => copy(number))])],
    acts: [
      act("LOGIN", { who: author, session: "a", room: "" }),
      act("JOIN", { who: author, session: "a" }),
      act("JOIN"),
      act("BACKCHAT", { limit: 2, shown: shown(2, 3) }),
      act("PART"),
      act("SEARCH", { who: author, session: "a", text: "post 3", limit: 5, shown: shown(3) }),
      act("ROLE_CHANGED", {
        who: "administrator:local",
        session: "",
        text: '{"member":["sip:carol@example.com"]}',
      }),
    ],
    stored: numbers.map((number) => ({ room, number, author, text: text(number) })),
    rooms: [{ room, lastNumber: 3, lastEvent: 7 }],
    postKeys: 3,
    readEvents: 3,
    archived: [
      filed("JOIN", author),
      ...numbers.map((number) => ({ ...filed("CHAT", author), number, text: text(number) })),
      filed("JOIN", guest),
      filed("PART", guest),
      filed("ROLE_CHANGED", "administrator:local", '{"member":["sip:carol@example.com"]}'),
      { ...filed("LOGIN", author), room: "" },
      filed("BACKCHAT", guest, "since=2;limit=2;returned=2-3/2"),
      filed("BACKCHAT", author, "search:post 3;limit=5;returned=3-3/1"),
    ],
    sealed: [
      event("JOIN", { streamSeq: 1 }),
      ...numbers.map((number) =>
        event("CHAT", { streamSeq: number + 1, number, text: text(number), detail: { number } }),
      ),
      event("JOIN", { streamSeq: 5, author: guest, session: "g" }),
      event("PART", { streamSeq: 6, author: guest, session: "g", detail: { reason: "left" } }),
      event("ROLE_CHANGED", {
        streamSeq: 7,
        author: "administrator:local",
        session: "",
        detail: { after: { member: ["sip:carol@example.com"] } },
      }),
      event("LOGIN", { stream: "read:n1-1", streamSeq: 1, room: "" }),
      event("BACKCHAT", {
        stream: "read:n1-1",
        streamSeq: 2,
        author: guest,
        session: "g",
        detail: { from: 2, to: 3, count: 2, limit: 2 },
      }),
      event("SEARCH", {
        stream: "read:n1-1",
        streamSeq: 3,
        detail: { criteria: { text: "post 3", limit: 5 }, shown: [3], matches: 1, exceeded: false },
      }),
    ],
    recorded: new Map([
      ["room:1", 7],
      ["read:n1-1", 3],
    ]),
    complaints: [],
    quarantined: 0,
    ...change,
  };
}

test("a faultless run is found faultless", () => {
  assert.deepEqual(judge(evidence()), []);
});

const good = evidence();
const cases: readonly [what: string, change: Partial<Evidence>, fault: RegExp][] = [
  [
    "an acknowledged post that is not stored",
    { stored: good.stored.slice(0, 2) },
    /post 3 was acknowledged and is LOST/,
  ],
  [
    "a post stored twice",
    { stored: [...good.stored, { room, number: 4, author, text: text(1) }] },
    /post 1 is stored 2 times/,
  ],
  ["a message nobody posted", { posts: good.posts.slice(1) }, /r1 1 was posted by nobody/],
  [
    "a hole in the numbers",
    { stored: good.stored.map((message) => (message.number === 3 ? { ...message, number: 5 } : message)) },
    /numbers of .* are not 1…3/,
  ],
  [
    "a message that the archive lacks",
    { archived: good.archived.slice(0, 3) },
    /post 3 is in the archive 0 times/,
  ],
  [
    "a message twice in the archive",
    {
      archived: [
        ...good.archived,
        ...good.archived.slice(3, 4).map((one) => ({ ...one, conversation: "f2" })),
      ],
    },
    /post 3 is in the archive 2 times/,
  ],
  ["a coming that the archive lacks", { archived: good.archived.slice(1) }, /recorded 7 events and 6/],
  ["an archive out of order", { archived: [...good.archived].reverse() }, /f1: 2 stands after 3/],
  [
    "a message that is not sealed",
    { sealed: good.sealed.toSpliced(3, 1) },
    /room:1 recorded 7 events, 6 are sealed/,
  ],
  [
    "a message sealed twice",
    { sealed: [...good.sealed, ...good.sealed.slice(3, 4)] },
    /post 3 is sealed 2 times/,
  ],
  [
    "another text in the log",
    { sealed: good.sealed.map((event) => (event.number === 2 ? { ...event, text: "forged" } : event)) },
    /forged is sealed and not in the store/,
  ],
  ["what the log's own check complains of", { complaints: ["verify: leaf 7"] }, /verify: leaf 7/],
  ["an event in quarantine", { quarantined: 1 }, /quarantine/],
  ["a copy that never came", { seats: [seat([[copy(1), copy(2)]])] }, /bob never got 1 of 3/],
  ["a hole in what came", { seats: [seat([[copy(1), copy(3), copy(2)]])] }, /got 3 of .* right after 1/],
  ["a copy that came twice", { seats: [seat([[copy(1), copy(2), copy(2), copy(3)]])] }, /got 2 of .* twice/],
  [
    "a copy with another text",
    { seats: [seat([[copy(1), { ...copy(2), text: "forged" }, copy(3)]])] },
    /as forged, stored is post 2/,
  ],
  [
    "a dialog that ended",
    { posts: good.posts.map((post) => ({ ...post, answers: [481, 200] })) },
    /answered 481/,
  ],
  [
    "a request without an answer",
    { posts: good.posts.map((post) => ({ ...post, answers: ["none"] })) },
    /none/,
  ],
];
for (const [what, change, fault] of cases) {
  test(`the referee sees ${what}`, () => {
    const faults = judge(evidence(change));
    assert.ok(
      faults.some((line) => fault.test(line)),
      faults.join("\n") || "nothing found",
    );
  });
}

const withAct = (kind: ActRecord["kind"], change: Partial<ActRecord>): Pick<Evidence, "acts"> => ({
  acts: good.acts.map((one) => (one.kind === kind && one.session !== "a" ? { ...one, ...change } : one)),
});
const sealedWithout = (kind: string) => ({
  sealed: good.sealed.filter((one) => one.kind !== kind || (kind === "JOIN" && one.session === "a")),
});
const sealedTwice = (kind: string) => ({
  sealed: good.sealed.flatMap((one) => (one.kind === kind ? [one, one] : [one])),
});
const filedWithout = (beginning: string) => ({
  archived: good.archived.filter((one) => !`${one.type} ${one.author} ${one.text}`.startsWith(beginning)),
});
const filedTwice = (beginning: string) => ({
  archived: good.archived.flatMap((one) =>
    `${one.type} ${one.author} ${one.text}`.startsWith(beginning) ? [one, one] : [one],
  ),
});
const KINDS = {
  BACKCHAT: `BACKCHAT ${guest}`,
  SEARCH: `BACKCHAT ${author} search`,
  JOIN: `JOIN ${guest}`,
  ROLE_CHANGED: "ROLE_CHANGED",
} as const;
for (const [kind, beginning] of Object.entries(KINDS)) {
  const unasked = good.acts.filter((one) => one.kind !== kind || (kind === "JOIN" && one.session === "a"));
  const finds: readonly [string, Partial<Evidence>, RegExp][] = [
    ["sealed nowhere", sealedWithout(kind), new RegExp(`acts: ${kind} .* is NOT sealed`)],
    ["sealed twice", sealedTwice(kind), new RegExp(`acts: ${kind} .* is sealed 2 times, asked for 1 times`)],
    ["in no file", filedWithout(beginning), new RegExp(`acts: ${kind} .* is NOT in the files`)],
    ["in the files twice", filedTwice(beginning), new RegExp(`acts: ${kind} .* is in the files 2 times`)],
    ["asked for by nobody", { acts: unasked }, new RegExp(`acts: ${kind} .* is sealed 1 times, asked for 0`)],
  ];
  for (const [what, change, fault] of finds)
    test(`the referee sees a ${kind} that was answered and is ${what}`, () => {
      const faults = judge(evidence(change));
      assert.ok(
        faults.some((line) => fault.test(line)),
        faults.join("\n") || "nothing found",
      );
    });
}

const actCases: readonly [what: string, change: Partial<Evidence>, fault: RegExp][] = [
  ["a going that is sealed nowhere", sealedWithout("PART"), /PART left .* is NOT sealed/],
  ["a going sealed twice", sealedTwice("PART"), /PART left .* is sealed 2 times, asked for 1/],
  ["a going that no file has", filedWithout("PART"), /PART by .* sealed 1 times and in the files 0/],
  [
    "a going that nobody asked for",
    { acts: good.acts.filter(({ kind }) => kind !== "PART") },
    /PART left .* is sealed 1 times, asked for 0/,
  ],
  ["a sign-in that is sealed nowhere", sealedWithout("LOGIN"), /LOGIN .* is NOT sealed/],
  [
    "a signing off that is sealed nowhere",
    { acts: [...good.acts, act("SIGN_OFF", { who: author, session: "a", room: "" })] },
    /PART signed-off .* is NOT sealed/,
  ],
  [
    "a reading sealed as another",
    withAct("BACKCHAT", { shown: shown(1, 2, 3) }),
    /BACKCHAT 2 .* was answered with 1-3\/3 and is NOT sealed/,
  ],
  [
    "a reading that showed what nobody wrote",
    withAct("BACKCHAT", { shown: [...shown(2), { number: 3, text: "forged", author }] }),
    /was shown 3 of .* as forged/,
  ],
  [
    "a role given to another than was asked",
    withAct("ROLE_CHANGED", { text: '{"member":["sip:dave@example.com"]}' }),
    /dave.* is NOT sealed/,
  ],
];
for (const [what, change, fault] of actCases)
  test(`the referee sees ${what}`, () => {
    const faults = judge(evidence(change));
    assert.ok(
      faults.some((line) => fault.test(line)),
      faults.join("\n") || "nothing found",
    );
  });

test("what was asked for and not answered may be on record once, or not", () => {
  for (const kind of ["BACKCHAT", "JOIN", "PART", "ROLE_CHANGED"] as const) {
    const unanswered = withAct(kind, { answer: "none", shown: [] });
    const about = (faults: readonly string[]) => faults.filter((line) => line.startsWith("acts"));
    assert.deepEqual(about(judge(evidence(unanswered))), [], kind);
    assert.match(about(judge(evidence({ ...unanswered, ...sealedTwice(kind) }))).join("\n"), /is sealed 2/);
  }
});

test("who enters a room again, or goes on with the rooms of the session before, is recorded once", () => {
  const again = [...good.acts.slice(0, 3), act("JOIN"), ...good.acts.slice(3)];
  assert.deepEqual(judge(evidence({ acts: again })), []);
  const heir = good.acts.map((one) => (one.kind === "PART" ? { ...one, session: "h" } : one));
  const entered = [...heir.slice(0, 4), act("JOIN", { session: "h" }), ...heir.slice(4)];
  const went = good.sealed.map((one) => (one.kind === "PART" ? { ...one, session: "h" } : one));
  const replaced = event("LOGOUT", {
    stream: "read:n1-1",
    streamSeq: 4,
    author: guest,
    session: "g",
    room: "",
    detail: { reason: "replaced", successor: "h" },
  });
  const heirs = {
    acts: entered,
    sealed: [...went, replaced],
    archived: [...good.archived, { ...filed("LOGOUT", guest), room: "" }],
    recorded: new Map([...good.recorded, ["read:n1-1", 4]]),
    readEvents: 4,
  };
  assert.deepEqual(judge(evidence(heirs)), []);
  // Without the session before, it has not entered.
  assert.match(judge(evidence({ ...heirs, sealed: went })).join("\n"), /JOIN .* is NOT sealed/);
});

test("a command is answered 200 or 503, or by nobody when its node died", () => {
  const of = (answer: number | "none") => [act("BACKCHAT", { answer })];
  assert.deepEqual(actAnswerFaults([...of(200), ...of(503)], {}), []);
  assert.match(actAnswerFaults(of("none"), {}).join(), /was answered none/);
  assert.deepEqual(actAnswerFaults(of("none"), { takeovers: 1 }), []);
  assert.match(actAnswerFaults(of(404), { takeovers: 1, lostConnections: true }).join(), /answered 404/);
});

test("after a takeover only the last second may come again, once, and in order", () => {
  const excuses = { repeatsFromMs: 200, takeovers: 1 };
  const repeated = [[copy(1), copy(2), copy(3), copy(2, 900), copy(3, 910)]];
  assert.deepEqual(judge(evidence({ seats: [seat(repeated)] }), excuses), []);
  const tooOld = [[copy(1), copy(2), copy(3), copy(1, 900), copy(2, 905), copy(3, 910)]];
  assert.match(judge(evidence({ seats: [seat(tooOld)] }), excuses).join("\n"), /got 1 of .* twice/);
  const twice = [[copy(1), copy(2), copy(3), copy(3, 900), copy(3, 910)]];
  assert.match(judge(evidence({ seats: [seat(twice)] }), excuses).join("\n"), /thrown back 2 times/);
  const skipping = [[copy(1), copy(2), copy(3), copy(2, 900), copy(4, 910)]];
  assert.match(judge(evidence({ seats: [seat(skipping)] }), excuses).join("\n"), /right after 2/);
});

test("after a lost connection the rest comes by history, and a request may have no answer", () => {
  const seats = [seat([[copy(1)], [copy(3)]], [copy(1), copy(2), copy(3)])];
  const posts = good.posts.map((post) => ({ ...post, answers: ["none" as const] }));
  assert.deepEqual(judge(evidence({ seats, posts }), { lostConnections: true }), []);
  assert.match(judge(evidence({ seats: [seat([[copy(1)], [copy(3)]])] })).join("\n"), /never got 1/);
});
