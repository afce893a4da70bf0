import assert from "node:assert/strict";
import { test } from "node:test";
import type { Evidence } from "./evidence.ts";
import { author, copy, evidence, good, room, seat, text } from "./faultless-run.ts";
import { judge } from "./referee.ts";

test("a faultless run is found faultless", () => {
  assert.deepEqual(judge(evidence()), []);
});

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
