import assert from "node:assert/strict";
import { test } from "node:test";
import { permissionMasks } from "../../../src/xccos/names.ts";

test("member and manager may join, chat, read and see; only managers see hidden rooms; neither presents", () => {
  const { member, managerAndMember, joinRoom, chat, readHistory, seeRoom } = permissionMasks;
  for (const bit of [joinRoom, chat, readHistory, seeRoom]) {
    assert.equal(member & bit, bit);
    assert.equal(managerAndMember & bit, bit);
  }
  assert.equal(member & permissionMasks.bypassVisibility, 0);
  assert.equal(managerAndMember & permissionMasks.bypassVisibility, 8192);
  assert.equal(member & permissionMasks.chatInAuditorium, 0);
  assert.equal(managerAndMember & permissionMasks.chatInAuditorium, 0);
});

test("a presenter's masks are the sums clients know plus 4096", () => {
  assert.equal(permissionMasks.member | permissionMasks.presenter, 8080);
  assert.equal(permissionMasks.managerAndMember | permissionMasks.presenter, 16372);
});
