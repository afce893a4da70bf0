import assert from "node:assert/strict";
import { test } from "node:test";
import { type Access, type Action, NO_ACCESS, refusal } from "../../../src/chat/role.ts";
import type { Room } from "../../../src/chat/room.ts";
import { aRoom } from "../../support/sessions.ts";

const room = (settings: Partial<Room>): Room => aRoom(1, settings);
const access = (held: Partial<Access>): Access => ({ ...NO_ACCESS, ...held });
const ACTIONS: readonly Action[] = ["see", "join", "read", "post", "manage"];

/** Written by hand from Lync's rules: what each standing may do. */
const EXPECTED: readonly [Room["privacy"], Partial<Access>, readonly Action[]][] = [
  ["open", {}, []],
  ["open", { inScope: true }, ["see", "join", "read", "post"]],
  ["open", { manager: true }, ["see", "manage"]],
  ["closed", {}, []],
  ["closed", { inScope: true }, ["see"]],
  ["closed", { inScope: true, member: true }, ["see", "join", "read", "post"]],
  ["closed", { inScope: true, manager: true }, ["see", "manage"]],
  ["closed", { inScope: true, presenter: true }, ["see"]],
  ["secret", {}, []],
  ["secret", { inScope: true }, []],
  ["secret", { inScope: true, member: true }, ["see", "join", "read", "post"]],
  ["secret", { inScope: true, manager: true }, ["see", "manage"]],
  ["secret", { inScope: true, manager: true, member: true }, ["see", "join", "read", "post", "manage"]],
];

for (const [privacy, held, allowed] of EXPECTED) {
  test(`${privacy} room, ${Object.keys(held).join(" and ") || "stranger"}: ${allowed.join(", ") || "nothing"}`, () => {
    const granted = ACTIONS.filter(
      (action) => refusal(action, room({ privacy }), access(held)) === undefined,
    );
    assert.deepEqual(granted, allowed);
  });
}

test("a secret room tells an outsider exactly what a room that does not exist tells", () => {
  for (const action of ACTIONS) {
    for (const disabled of [false, true]) {
      assert.equal(
        refusal(action, room({ privacy: "secret", disabled }), access({ inScope: true })),
        "ROOM_NOT_FOUND",
      );
    }
  }
});

test("in an auditorium only a presenter who is a member posts; the others read", () => {
  const auditorium = room({ type: "auditorium" });
  assert.equal(refusal("post", auditorium, access({ member: true })), "LISTENER_ONLY");
  assert.equal(refusal("post", auditorium, access({ inScope: true, presenter: true })), "NOT_PERMITTED");
  assert.equal(refusal("post", auditorium, access({ member: true, presenter: true })), undefined);
  assert.equal(refusal("read", auditorium, access({ member: true })), undefined);
});

test("a disabled room refuses its members everything", () => {
  for (const action of ["join", "read", "post"] as const) {
    assert.equal(refusal(action, room({ disabled: true }), access({ member: true })), "ROOM_DISABLED");
  }
});
