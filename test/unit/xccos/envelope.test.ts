import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeEnvelope, encodeEnvelope } from "../../../src/xccos/envelope.ts";
import { XccosError } from "../../../src/xccos/error.ts";

test("an envelope is written without a declaration and read back", () => {
  const xml = encodeEnvelope("7962449779256945056", '<cmd id="cmd:requri" seqid="2"><data/></cmd>');
  assert.equal(
    xml,
    '<xccos ver="1" envid="7962449779256945056" xmlns="urn:parlano:xml:ns:xccos"><cmd id="cmd:requri" seqid="2"><data/></cmd></xccos>',
  );
  assert.deepEqual(decodeEnvelope(Buffer.from(xml)), {
    envid: "7962449779256945056",
    primitives: [{ kind: "cmd", command: { kind: "requri", seqid: "2" } }],
  });
});

test("an envid of 64 bits keeps every digit, leading zeros included", () => {
  for (const envid of ["0", "007", "9007199254740993", "18446744073709551615"]) {
    assert.equal(decodeEnvelope(Buffer.from(encodeEnvelope(envid, ""))).envid, envid);
  }
});

test("16 primitives are read and 17 are not, known or unknown", () => {
  const command = '<cmd id="cmd:requri"><data/></cmd>';
  assert.equal(decodeEnvelope(Buffer.from(encodeEnvelope("1", command.repeat(16)))).primitives.length, 16);
  assert.throws(() => decodeEnvelope(Buffer.from(encodeEnvelope("1", command.repeat(17)))), {
    code: "too-many-primitives",
  });
});

test("each error tells the border which status it deserves", () => {
  const reason = (body: string | Buffer): unknown => {
    try {
      decodeEnvelope(Buffer.from(body));
      return "none";
    } catch (error) {
      assert.ok(error instanceof XccosError);
      return error.reason;
    }
  };
  assert.equal(reason("<xccos"), "not-parsable");
  assert.equal(reason('<xccos envid="1" xmlns="urn:x"/>'), "wrong-namespace");
  assert.equal(reason('<xccos xmlns="urn:parlano:xml:ns:xccos"/>'), "not-parsable");
  assert.equal(reason(Buffer.alloc(98_305, 32)), "too-large");
});
