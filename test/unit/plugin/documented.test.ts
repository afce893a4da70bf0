import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COMMANDS } from "../../../plugin/commands.ts";

const manual = readFileSync(join(import.meta.dirname, "../../../docs/operator.md"), "utf8");

/** What stands between backquotes. */
const quoted = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, words = ""]) => words);

test("the manual's table of nouns and verbs has every command, and none that is not there", () => {
  const [, section = ""] = manual.split("\n## Administering\n");
  const rows = section.split("\n## ")[0]?.match(/^\| `.*\|$/gm) ?? [];
  const named = rows.flatMap((row) => {
    const [, nouns = "", verbs = ""] = row.split("|");
    const words = quoted(verbs);
    return words.length === 0
      ? quoted(nouns)
      : quoted(nouns).flatMap((noun) => words.map((verb) => `${noun} ${verb}`));
  });
  const known = Object.keys(COMMANDS);
  assert.deepEqual(
    known.filter((name) => !named.includes(name)),
    [],
  );
  // The three lists of a room share a row.
  const elsewhere = ["manager eligible", "presenter eligible"];
  assert.deepEqual(
    named.filter((name) => !known.includes(name) && !elsewhere.includes(name)),
    [],
  );
});
