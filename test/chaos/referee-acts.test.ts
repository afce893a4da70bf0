import assert from "node:assert/strict";
import { test } from "node:test";
import type { ActRecord, Evidence } from "./evidence.ts";
import { act, author, event, evidence, filed, good, guest, shown } from "./faultless-run.ts";
import { judge } from "./referee.ts";
import { actAnswerFaults } from "./referee-acts.ts";

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
  ["a run of the adapter that is not on record", sealedWithout("DELIVERY"), /run run-1 abc .* 0 times/],
  ["a run that is on record twice", sealedTwice("DELIVERY"), /run run-1 abc .* 2 times/],
  [
    "a run whose manifest is another",
    { runs: [{ run: "run-1", sha256: "d" }] },
    /run-1 abc .* no such folder/,
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

test("a command is answered 200, or 503 without content, or by nobody when its node died", () => {
  const of = (answer: number | "none") => [act("BACKCHAT", { answer })];
  assert.deepEqual(actAnswerFaults([...of(200), ...of(503)], {}), []);
  assert.match(actAnswerFaults(of("none"), {}).join(), /was answered none/);
  assert.deepEqual(actAnswerFaults(of("none"), { takeovers: 1 }), []);
  const content = [act("BACKCHAT", { answer: 503, shown: shown(1, 2) })];
  assert.match(actAnswerFaults(content, {}).join(), /was answered 503 and shown 2 messages/);
  assert.match(actAnswerFaults(of(404), { takeovers: 1, lostConnections: true }).join(), /answered 404/);
});
