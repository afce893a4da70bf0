import assert from "node:assert/strict";
import { test } from "node:test";
import { categoryLine } from "../../../src/transfer/format.ts";

test("a category of an older export, which says nothing of reading, is strict", () => {
  const older = {
    type: "category",
    guid: "6c1f0d52-5d36-4f4e-9a3a-000000000001",
    name: "Operations",
    description: "",
    ...{ invitations: false, fileUpload: false, chatHistory: true },
    ...{ allowed: ["example.com"], denied: [], creators: [] },
  };
  assert.deepEqual(categoryLine.parse(older), { ...older, reading: "strict" });
  assert.deepEqual(categoryLine.parse({ ...older, reading: "buffered" }), { ...older, reading: "buffered" });
  assert.equal(categoryLine.safeParse({ ...older, reading: "late" }).success, false);
});
