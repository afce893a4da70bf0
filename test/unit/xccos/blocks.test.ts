import assert from "node:assert/strict";
import { test } from "node:test";
import { chanib, uib } from "../../../src/xccos/blocks.ts";

test("a room block holds what is known of the room and nothing else", () => {
  assert.equal(chanib({ uri: "u" }), '<chanib uri="u"/>');
  assert.equal(
    chanib({ uri: "u", name: "n", participants: 0, props: { logged: false } }),
    '<chanib uri="u" name="n"><info id="urn:parlano:ma:info:ucnt">0</info><prop id="urn:parlano:ma:prop:logged">false</prop></chanib>',
  );
});

test("the visibility goes under the id that clients look for, misspelt as it is", () => {
  assert.match(chanib({ uri: "u", visibility: "private" }), /"urn:parlano:ma:info:visibilty">private</);
});

test("names with markup and line ends stay inside their attribute", () => {
  assert.equal(
    chanib({ uri: "u", name: 'Lads & Co "4"\n<x>' }),
    '<chanib uri="u" name="Lads &amp; Co &quot;4&quot;&#xA;&lt;x&gt;"/>',
  );
});

test("the first user's id is 0, and outside join replies there is none", () => {
  assert.equal(uib({ uri: "sip:a@b" }, "", 0), '<uib id="0" uri="sip:a@b"/>');
  assert.equal(uib({ uri: "sip:a@b" }), '<uib uri="sip:a@b"/>');
});
