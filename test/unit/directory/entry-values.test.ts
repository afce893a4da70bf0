import assert from "node:assert/strict";
import { test } from "node:test";
import { groupId, remainingRange, textOf, valuesOf } from "../../../src/directory/ldap/entry-values.ts";

test("attributes are found in whatever case the server spells them, with one value, several or none", () => {
  const entry = { dn: "cn=a", MEMBER: ["x", "y"], DisplayName: "A", mail: [], cn: [" ", "second"] };
  assert.deepEqual(valuesOf(entry, "member"), ["x", "y"]);
  assert.deepEqual(
    [textOf(entry, "displayname"), textOf(entry, "mail"), textOf(entry, "cn")],
    ["A", undefined, "second"],
  );
  assert.deepEqual(valuesOf(entry, "dn"), [], "the name is no attribute");
});

test("a group's id is text such as entryUUID, or the bytes of Active Directory as Microsoft writes them", () => {
  const uuid = "9F6B3E1C-1111-4C5A-8B0B-AABBCCDDEEFF";
  assert.equal(groupId({ dn: "", entryUUID: uuid }, "entryuuid"), uuid.toLowerCase());
  assert.equal(groupId({ dn: "", entryUUID: Buffer.from(uuid) }, "entryUUID"), uuid.toLowerCase());
  const bytes = Buffer.from("1c3e6b9f11115a4c8b0baabbccddeeff", "hex");
  assert.equal(groupId({ dn: "", objectGUID: bytes }, "objectGUID"), uuid.toLowerCase());
  assert.equal(groupId({ dn: "", objectGUID: Buffer.from("00ff", "hex") }, "objectGUID"), undefined);
  assert.equal(groupId({ dn: "" }, "objectGUID"), undefined);
});

test("values that come in portions say where the next one begins, and which is the last", () => {
  const first = { dn: "", member: [], "member;range=0-1": ["a", "b"] };
  assert.deepEqual(remainingRange(first, "member"), { values: ["a", "b"], next: 2 });
  assert.deepEqual(remainingRange({ dn: "", "Member;Range=2-*": "c" }, "member"), {
    values: ["c"],
    next: undefined,
  });
  assert.equal(remainingRange({ dn: "", member: ["a"] }, "member"), undefined);
});
