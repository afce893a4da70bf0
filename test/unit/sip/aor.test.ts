import assert from "node:assert/strict";
import { test } from "node:test";
import { normaliseAor } from "../../../src/sip/aor.ts";

test("one person's address has one spelling", () => {
  for (const uri of [
    "sip:alice@example.com",
    "sip:Alice@Example.com;x=y",
    "SIP:ALICE@EXAMPLE.COM",
    "sips:alice@example.com",
    "<sip:alice@example.com;transport=tcp>",
    "sip:alice@example.com:5061",
    "sip:alice@example.com:5061;transport=tls?subject=hello",
    "sip:%61lic%65@example.com",
    "sip:%41lice@example.com",
  ]) {
    assert.equal(normaliseAor(uri), "sip:alice@example.com", uri);
  }
});

test("escapes that mean something else than the bare character stay escaped", () => {
  assert.equal(normaliseAor("sip:a%2Fb@example.com"), "sip:a%2fb@example.com");
  assert.equal(normaliseAor("sip:a%40b@example.com"), "sip:a%40b@example.com");
});

test("telephone numbers, user parameters and IP addresses are kept", () => {
  assert.equal(
    normaliseAor("sip:+4930123;phone-context=x@192.0.2.1"),
    "sip:+4930123;phone-context=x@192.0.2.1",
  );
  assert.equal(normaliseAor("sip:alice@[2001:DB8::1]:5060"), "sip:alice@[2001:db8::1]");
});

test("nonsense is undefined", () => {
  for (const uri of [
    "",
    "sip:",
    "sip:example.com",
    "sip:@example.com",
    "sip:alice@",
    "sip:alice@@example.com",
    "sip:alice@example.com@evil.example",
    "sip:alice@example.com;x=@evil.example",
    "sip:alice:secret@example.com",
    "sip:al ice@example.com",
    "sip:alice@exa mple.com",
    "sip:alice@-example.com",
    "sip:alice@example..com",
    "sip:alice@example.com ",
    "sip:alice@example.com;x=y z",
    "sip:alice@example.com\r\nRoute: <sip:evil.example>",
    "sip:al\0ice@example.com",
    "sip:alice%4@example.com",
    "sip:älice@example.com",
    "sip:alice@exämple.com",
    '"Alice" <sip:alice@example.com>',
    "<sip:alice@example.com",
    "tel:+4930123",
    "http://alice@example.com",
    `sip:${"a".repeat(256)}@example.com`,
    `sip:alice@example.com;x=${"y".repeat(1024)}`,
  ]) {
    assert.equal(normaliseAor(uri), undefined, uri);
  }
});

test("normalising twice changes nothing more", () => {
  for (const uri of ["sip:A%2fb@Example.com;x", "sips:%7eBob@[::1]", "sip:%25%36%31@example.com"]) {
    const once = normaliseAor(uri);
    assert.ok(once);
    assert.equal(normaliseAor(once), once);
  }
});
