import assert from "node:assert/strict";
import { test } from "node:test";
import type { Role, ScopeWord } from "../../../src/chat/principal.ts";
import {
  type Access,
  type Action,
  accessOf,
  accessUnder,
  categoryRefusal,
  NO_ACCESS,
  ROOM_ACTIONS,
  refusal,
} from "../../../src/chat/role.ts";
import type { Room } from "../../../src/chat/room.ts";
import { aRoom } from "../../support/sessions.ts";

const room = (settings: Partial<Room>): Room => aRoom(1, settings);
const access = (held: Partial<Access>): Access => ({ ...NO_ACCESS, ...held });

const TAKE_PART: readonly Action[] = ["see", "join", "read", "post"];
const MANAGE: readonly Action[] = ["see", "manage", "disable", "changeCategory", "moderate"];
const ADMINISTER: readonly Action[] = [...MANAGE, "enable", "delete"];

/** Written by hand from Lync's rules: what each standing may do. */
const EXPECTED: readonly [Room["privacy"], Partial<Access>, readonly Action[]][] = [
  ["open", {}, []],
  ["open", { inScope: true }, TAKE_PART],
  ["open", { inScope: true, creator: true }, TAKE_PART],
  ["open", { manager: true }, MANAGE],
  ["open", { administrator: true }, ADMINISTER],
  ["closed", {}, []],
  ["closed", { inScope: true }, ["see"]],
  ["closed", { inScope: true, creator: true }, ["see"]],
  ["closed", { inScope: true, member: true }, TAKE_PART],
  ["closed", { inScope: true, manager: true }, MANAGE],
  ["closed", { inScope: true, presenter: true }, ["see"]],
  ["closed", { administrator: true }, ADMINISTER],
  ["secret", {}, []],
  ["secret", { inScope: true }, []],
  ["secret", { inScope: true, creator: true }, []],
  ["secret", { inScope: true, member: true }, TAKE_PART],
  ["secret", { inScope: true, manager: true }, MANAGE],
  ["secret", { inScope: true, manager: true, member: true }, [...TAKE_PART, ...MANAGE]],
  ["secret", { administrator: true }, ADMINISTER],
  ["secret", { administrator: true, member: true }, [...TAKE_PART, ...ADMINISTER]],
];

for (const [privacy, held, allowed] of EXPECTED) {
  test(`${privacy} room, ${Object.keys(held).join(" and ") || "stranger"}: ${allowed.join(", ") || "nothing"}`, () => {
    const granted = ROOM_ACTIONS.filter(
      (action) => refusal(action, room({ privacy }), access(held)) === undefined,
    );
    assert.deepEqual(new Set(granted), new Set(allowed));
  });
}

test("a secret room tells an outsider exactly what a room that does not exist tells", () => {
  for (const action of ROOM_ACTIONS) {
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

test("who looks after a disabled room still sees and changes it; only an administrator opens or deletes it", () => {
  const allowed = (held: Partial<Access>) =>
    ROOM_ACTIONS.filter((action) => refusal(action, room({ disabled: true }), access(held)) === undefined);
  assert.deepEqual(allowed({ inScope: true, member: true }), []);
  assert.deepEqual(new Set(allowed({ inScope: true, manager: true, member: true })), new Set(MANAGE));
  assert.deepEqual(new Set(allowed({ administrator: true })), new Set(ADMINISTER));
});

test("a role counts within the category's scope only, denied wins, and administrators stand above it", () => {
  const plain = { administrator: false, mayCreateRooms: true };
  const of = (scope: readonly ScopeWord[], roles: readonly Role[], user = plain) =>
    accessOf(new Set(scope), new Set(roles), user);
  assert.deepEqual(of([], ["member", "manager"]), NO_ACCESS);
  assert.deepEqual(of(["allowed", "denied", "creator"], ["member"]), NO_ACCESS);
  assert.deepEqual(of(["allowed", "creator"], ["member"]), {
    ...NO_ACCESS,
    inScope: true,
    member: true,
    creator: true,
  });
  assert.equal(of(["allowed", "creator"], [], { ...plain, mayCreateRooms: false }).creator, false);
  assert.deepEqual(of(["denied"], ["member"], { ...plain, administrator: true }), {
    ...NO_ACCESS,
    administrator: true,
  });
});

test("a user stands for all his principals at once", () => {
  const bindings = {
    scope: new Map<number, ReadonlySet<ScopeWord>>([
      [9, new Set(["allowed"] as const)],
      [3, new Set(["denied"] as const)],
    ]),
    roles: new Map<number, ReadonlySet<Role>>([[2, new Set(["member"] as const)]]),
  };
  const user = (...principalIds: number[]) => ({ administrator: false, mayCreateRooms: true, principalIds });
  assert.deepEqual(accessUnder(bindings, user(1, 2, 9)), { ...NO_ACCESS, inScope: true, member: true });
  assert.deepEqual(accessUnder(bindings, user(1, 2, 3, 9)), NO_ACCESS, "denied by a group");
  assert.deepEqual(accessUnder(bindings, user(1)), NO_ACCESS);
});

test("a category is browsed in scope, and rooms are created in it by creators; outsiders hear of neither", () => {
  assert.equal(categoryRefusal("browse", access({})), "CATEGORY_NOT_FOUND");
  assert.equal(categoryRefusal("create", access({})), "CATEGORY_NOT_FOUND");
  assert.equal(categoryRefusal("browse", access({ inScope: true })), undefined);
  assert.equal(categoryRefusal("create", access({ inScope: true })), "NOT_PERMITTED");
  for (const held of [{ inScope: true, creator: true }, { administrator: true }])
    assert.equal(categoryRefusal("create", access(held)), undefined);
});
