import assert from "node:assert/strict";
import { test } from "node:test";
import { changeRows } from "../../../plugin/administration/changes.ts";
import { type ComplianceFact, type Json, NO_ROOM } from "../../../src/chat/compliance-event.ts";

const DESK = { id: 7, uri: "ma-chan://example.com/7", name: "Desk" };

function lines(
  fact: ComplianceFact,
  rehearsed = false,
  room: typeof DESK | typeof NO_ROOM = NO_ROOM,
): string[] {
  return changeRows([{ fact, room }], rehearsed).map((row) => Object.values(row).join("|"));
}

test("of a room's change each setting that is different is a row, of its lists each entry that came or went", () => {
  const settings = { disabled: false, privacy: "closed", addIn: null };
  const now = { disabled: true, privacy: "closed", addIn: "Tickets" };
  assert.deepEqual(lines({ kind: "ROOM_CHANGED", subject: "", before: settings, after: now }, false, DESK), [
    "room|Desk|disabled|off|on|changed",
    "room|Desk|add-in||Tickets|changed",
  ]);
  const roles = { before: { member: ["sip:a@x"] }, after: { member: ["sip:b@x"], manager: ["sip:c@x"] } };
  assert.deepEqual(lines({ kind: "ROLE_CHANGED", subject: "", ...roles }, true, DESK), [
    "room|Desk|member|sip:a@x||would be taken away",
    "room|Desk|member||sip:b@x|would be given",
    "room|Desk|manager||sip:c@x|would be given",
  ]);
});

test("what is new shows what it was given, what is gone what it had; what is empty is not shown", () => {
  const room = {
    name: "Desk",
    description: "",
    addIn: null,
    category: "Lab",
    roles: { member: ["sip:a@x"] },
  };
  assert.deepEqual(lines({ kind: "ROOM_CREATED", subject: "", before: null, after: room }, true, DESK), [
    "room|Desk|name||Desk|would be given",
    "room|Desk|category||Lab|would be given",
    "room|Desk|member||sip:a@x|would be given",
  ]);
  const lab = { name: "Lab", chatHistory: true, allowed: ["example.com"] };
  assert.deepEqual(lines({ kind: "CATEGORY_DELETED", subject: "Lab", before: lab, after: null }), [
    "category|Lab|name|Lab||taken away",
    "category|Lab|history|on||taken away",
    "category|Lab|allowed|example.com||taken away",
  ]);
});

test("policies are called as at the command line, of one user, of a group, or of everybody", () => {
  const policy = (subject: string, before: Json, after: Json) =>
    lines({ kind: "POLICY_CHANGED", subject, before, after });
  const own = { enabled: null, mayCreateRooms: null, administrator: false };
  assert.deepEqual(policy("sip:a@x", own, { ...own, enabled: true }), [
    "user|sip:a@x|chat|as global|on|changed",
  ]);
  assert.deepEqual(policy("ma-grp:g", own, { ...own, administrator: true }), [
    "group|ma-grp:g|administrator|off|on|changed",
  ]);
  assert.deepEqual(policy("enable-persistent-chat", true, false), ["everybody||chat|on|off|changed"]);
});

test("who came into a group and who went is told of the group; nothing at all is said, too", () => {
  const changed = { before: { removed: ["sip:a@x"] }, after: { added: ["sip:b@x"] } };
  assert.deepEqual(lines({ kind: "GROUP_CHANGED", subject: "ma-grp:g", ...changed }), [
    "group|ma-grp:g|member|sip:a@x||taken away",
    "group|ma-grp:g|member||sip:b@x|given",
  ]);
  assert.deepEqual(lines({ kind: "DOMAIN_CHANGED", subject: "x", before: null, after: { served: true } }), [
    "domain|x|served||on|given",
  ]);
  assert.deepEqual(
    changeRows([], true).map(({ done }) => done),
    ["nothing: it was so already"],
  );
});
