import assert from "node:assert/strict";
import { test } from "node:test";
import { digestAuthorization, digestResponse, parseChallenge } from "../../../plugin/client/digest.ts";

const CHALLENGE =
  'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"';
const CREDENTIALS = {
  username: "Mufasa",
  password: "Circle Of Life",
  method: "GET",
  uri: "/dir/index.html",
  cnonce: "0a4f113b",
};

test("the example of RFC 2617 section 3.5 gives its response", () => {
  const challenge = parseChallenge(CHALLENGE);
  assert.ok(challenge);
  assert.equal(digestResponse({ ...CREDENTIALS, challenge }), "6629fae49393a05397450978507c4ef1");
  const header = digestAuthorization({ ...CREDENTIALS, challenge });
  assert.match(header, /opaque="5ccc069c403ebaf9f0171e9517f40e41"/);
  assert.match(header, /qop=auth, nc=00000001, cnonce="0a4f113b"/);
});

test("without qop the response is the one of RFC 2069 and no nc is sent", () => {
  const challenge = parseChallenge(CHALLENGE.replace('qop="auth,auth-int", ', ""));
  assert.ok(challenge);
  // The RFC 2069 form of the same example, as published in its errata.
  assert.equal(digestResponse({ ...CREDENTIALS, challenge }), "670fd8c2df070c60b045671b8b24ff02");
  assert.doesNotMatch(digestAuthorization({ ...CREDENTIALS, challenge }), /nc=|qop=/);
});

test("the literal uri (null) changes the response and is what the header names", () => {
  const challenge = parseChallenge(CHALLENGE);
  assert.ok(challenge);
  const header = digestAuthorization({ ...CREDENTIALS, challenge, uri: "(null)" });
  assert.match(header, /uri="\(null\)"/);
  assert.doesNotMatch(header, /6629fae49393a05397450978507c4ef1/);
});

test("challenges of other schemes or algorithms are not taken for Digest MD5", () => {
  assert.equal(parseChallenge('NTLM realm="x", targetname="y"'), undefined);
  assert.equal(parseChallenge('Digest realm="x", nonce="y", algorithm=SHA-256'), undefined);
  assert.equal(parseChallenge('Digest realm="x"'), undefined);
});

test("quotes in realm and user name are escaped", () => {
  const challenge = parseChallenge('Digest realm="a \\"b\\"", nonce="n"');
  assert.equal(challenge?.realm, 'a "b"');
  assert.ok(challenge);
  assert.match(digestAuthorization({ ...CREDENTIALS, challenge }), /realm="a \\"b\\""/);
});
