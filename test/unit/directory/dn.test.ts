import assert from "node:assert/strict";
import { test } from "node:test";
import { comparableDn } from "../../../src/directory/dn.ts";

test("one entry's name compares equal in whatever case, with whatever blanks and escapes it is written", () => {
  const spellings = [
    "CN=Müller\\, Hans,OU=People,DC=example,DC=com",
    "cn=müller\\2C hans , ou = people,dc=EXAMPLE, dc=com",
    "cn=M\\C3\\BCller\\, \\48ans,ou=people,dc=example,dc=com",
    "cn=  müller\\,  hans,ou=people,dc=example,dc=com",
  ];
  assert.equal(new Set(spellings.map(comparableDn)).size, 1);
  assert.equal(comparableDn("uid=a+cn=b,dc=x"), comparableDn("CN=B + UID=A,dc=x"));
});

test("different entries stay different", () => {
  const names = [
    "cn=a,dc=x",
    "cn=a\\,dc=x",
    "cn=a+dc=x",
    "cn=a\\+dc=x",
    "cn=a\\ ,dc=x",
    'cn=a",dc=x',
    "2.5.4.3=a,dc=x",
    "cn=,dc=x",
  ];
  assert.equal(new Set(names.map(comparableDn)).size, names.length);
  assert.ok(names.every((name) => comparableDn(name) !== undefined));
});

test("what is no name of an entry is told apart from one", () => {
  for (const text of ["", "alice", "cn", "=a,dc=x", "cn=a\\", "cn=a\\ff,dc=x", "cn=a,,dc=x", "c n=a"])
    assert.equal(comparableDn(text), undefined, text);
  assert.equal(comparableDn(`cn=${"a".repeat(3_000)}`), undefined);
});
