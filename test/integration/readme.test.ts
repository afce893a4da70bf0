import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parlance } from "../support/cli.ts";
import { type Lab, openLab } from "../support/lab.ts";

let lab: Lab;
before(async () => {
  // No worker: it would have signed with the key that the README makes anew.
  lab = await openLab({ users: [], parts: ["mariadb", "redis", "nodes", "kamailio"] });
  rmSync(join(lab.stack.stateDir, "secret", "archive.key"));
});
after(() => lab?.close());

const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");

/** The `parlance` commands of a section, as a shell takes them apart. */
function commandsOf(heading: string): string[][] {
  const [, section = ""] = readme.split(`\n## ${heading}\n`);
  const lines = section.split("\n## ")[0]?.match(/^parlance .*$/gm) ?? [];
  return lines.map((line) =>
    [...line.replace(/ +#.*$/, "").matchAll(/"([^"]*)"|(\S+)/g)]
      .slice(1)
      .map((word) => word[1] ?? word[2] ?? ""),
  );
}

test("what the README says for the beginning, and for looking after it, works as it stands there", async () => {
  const first = commandsOf("Add it to your Kamailio").filter(
    ([noun = ""]) => !["serve", "worker"].includes(noun),
  );
  const then = commandsOf("Look after it");
  assert.ok(first.length >= 5 && then.length >= 9, "the commands were not found");
  const elsewhere = (word: string) => (word === "./backup" ? join(lab.stack.stateDir, "backup") : word);
  for (const words of [...first, ...then]) {
    const { code, err } = await parlance(lab.stack.configFiles.n1 ?? "", ...words.map(elsewhere));
    assert.deepEqual([code, err], [0, ""], words.join(" "));
  }
});
