import assert from "node:assert/strict";
import { test } from "node:test";
import type { GroupEntry, UserEntry } from "../../../src/directory/ports.ts";
import { SnapshotBuilder } from "../../../src/directory/snapshot.ts";

const user = (name: string, addresses: string[], more: Partial<UserEntry> = {}): UserEntry => ({
  dn: `uid=${name},dc=x`,
  addresses,
  displayName: name,
  email: undefined,
  memberOf: [],
  ...more,
});
const group = (name: string, members: string[], more: Partial<GroupEntry> = {}): GroupEntry => ({
  dn: `cn=${name},dc=x`,
  id: name,
  name,
  members,
  memberOf: [],
  ...more,
});

function snapshotOf(groups: readonly GroupEntry[], users: readonly UserEntry[]) {
  const builder = new SnapshotBuilder(new Set(["example.com"]));
  for (const entry of groups) builder.group(entry);
  for (const entry of users) builder.user(entry);
  const { leftOut, ...found } = builder.finish();
  const members = found.groups.map(({ uri, users: inside, groups: inner }) => [uri, ...inside, ...inner]);
  return { ...found, leftOut, members };
}

test("members are found by name, whichever of both entries came first and however the name is written", () => {
  const { members, leftOut } = snapshotOf(
    [group("outer", ["CN=Inner, DC=X", "uid=bob,dc=x"]), group("inner", ["UID=ALICE,dc=x"])],
    [user("alice", ["Alice@Example.COM"]), user("bob", ["SIP:bob@example.com;transport=tls"])],
  );
  assert.deepEqual(members, [
    ["ma-grp:outer", "sip:bob@example.com", "ma-grp:inner"],
    ["ma-grp:inner", "sip:alice@example.com"],
  ]);
  assert.deepEqual(leftOut, { withoutAddress: 0, foreign: 0, ambiguous: [], broken: 0, strangers: 0 });
});

test("an address that two entries have is nobody's: neither gets the other's rights", () => {
  const { members, users, leftOut } = snapshotOf(
    [group("g", ["uid=a,dc=x", "uid=b,dc=x", "uid=c,dc=x"])],
    [user("a", ["x@example.com"]), user("b", ["X@example.com"]), user("c", ["c@example.com"])],
  );
  assert.deepEqual(members, [["ma-grp:g", "sip:c@example.com"]]);
  assert.deepEqual(
    users.map(({ uri }) => uri),
    ["sip:c@example.com"],
  );
  assert.deepEqual(leftOut.ambiguous, ["sip:x@example.com"]);
});

test("entries that say nothing here are counted and left out", () => {
  const { members, leftOut } = snapshotOf(
    [
      group("g", ["uid=foreign,dc=x", "uid=gone,dc=x", "rubbish", "cn=g,dc=x", "uid=two,dc=x"]),
      group("nameless", [], { id: undefined }),
      group("odd", [], { id: "a b" }),
      group("again", [], { id: "g" }),
      group("broken", [], { dn: "rubbish" }),
    ],
    [
      user("foreign", ["a@elsewhere.example"]),
      user("empty", []),
      user("words", ["not an address"]),
      user("two", ["two@elsewhere.example", "two@example.com"], { displayName: " T\u0007wo " }),
    ],
  );
  assert.deepEqual(members, [["ma-grp:g", "sip:two@example.com"]], "not in itself either");
  assert.deepEqual(leftOut, { withoutAddress: 2, foreign: 1, ambiguous: [], broken: 5, strangers: 2 });
});

test("an entry that is found below two bases counts once", () => {
  const { members, users, leftOut } = snapshotOf(
    [group("g", ["uid=a,dc=x"]), group("g", ["uid=a,dc=x"])],
    [user("a", ["a@example.com"]), user("a", ["a@example.com"])],
  );
  assert.deepEqual([members, users.length], [[["ma-grp:g", "sip:a@example.com"]], 1]);
  assert.deepEqual([leftOut.ambiguous, leftOut.broken], [[], 0]);
});

test("where members know their groups that counts too", () => {
  const { members } = snapshotOf(
    [group("outer", []), group("inner", [], { memberOf: ["CN=outer,DC=x", "cn=unknown,dc=x"] })],
    [user("a", ["a@example.com"], { memberOf: ["cn=inner,dc=x"] })],
  );
  assert.deepEqual(members, [
    ["ma-grp:outer", "ma-grp:inner"],
    ["ma-grp:inner", "sip:a@example.com"],
  ]);
});
