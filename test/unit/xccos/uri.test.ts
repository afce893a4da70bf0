import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatCategoryUri,
  formatRoomUri,
  parseCategoryUri,
  parseRoomUri,
  roomRef,
} from "../../../src/xccos/uri.ts";

test("a room URI splits into domain and value and is spelt one way", () => {
  assert.deepEqual(parseRoomUri("MA-CHAN://Example.COM/AbC-1"), {
    uri: "ma-chan://example.com/AbC-1",
    domain: "example.com",
    value: "AbC-1",
  });
  assert.equal(formatRoomUri("example.com", "300"), "ma-chan://example.com/300");
});

test("the parts of a chanid make the same room as its URI", () => {
  assert.deepEqual(roomRef("Example.com", "300"), parseRoomUri("ma-chan://example.com/300"));
});

test("what is no room URI is undefined", () => {
  for (const bad of [
    "",
    "ma-chan:",
    "ma-chan://",
    "ma-chan://example.com",
    "ma-chan://example.com/",
    "ma-chan:///300",
    "ma-chan://example.com/a/b",
    "ma-chan://example.com/a b",
    "ma-chan://example.com/ä",
    "ma-chan://exa mple.com/a",
    "ma-chan://-example.com/a",
    "ma-chan://example..com/a",
    "ma-chan://user@example.com/a",
    `ma-chan://example.com/${"a".repeat(129)}`,
    `ma-chan://${"a.".repeat(127)}com/a`,
    " ma-chan://example.com/a",
    "ma-cat://example.com/a",
    "sip:alice@example.com",
  ]) {
    assert.equal(parseRoomUri(bad), undefined, bad);
  }
});

test("a category URI is read likewise and is not a room", () => {
  const uri = formatCategoryUri("example.com", "396a");
  assert.deepEqual(parseCategoryUri(uri), { uri, domain: "example.com", value: "396a" });
  assert.equal(parseCategoryUri("ma-chan://example.com/396a"), undefined);
  assert.equal(parseCategoryUri("ma-cat://example.com/"), undefined);
});
