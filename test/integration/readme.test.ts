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

/** The `parlance` commands of a section, as a shell takes them apart. */
function commandsOf(file: "README.md" | "docs/operator.md", heading: string): string[][] {
  const [, section = ""] = readFileSync(join(import.meta.dirname, "../..", file), "utf8").split(
    `\n## ${heading}\n`,
  );
  const lines = section.split("\n## ")[0]?.match(/^parlance .*$/gm) ?? [];
  return lines
    .flatMap((line) => line.replace(/ +#.*$/, "").split(" && "))
    .map((line) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].slice(1).map((word) => word[1] ?? word[2] ?? ""));
}

/** What does not come to an end by itself. */
const RUNS_ON = ["serve", "worker"];

test("what the README says for the beginning, and for looking after it, works as it stands there", async () => {
  const first = commandsOf("README.md", "Add it to your Kamailio").filter(
    ([noun = ""]) => !RUNS_ON.includes(noun),
  );
  const then = commandsOf("README.md", "Look after it");
  assert.ok(first.length >= 5 && then.length >= 9, "the commands were not found");
  const elsewhere = (word: string) => (word === "./backup" ? join(lab.stack.stateDir, "backup") : word);
  for (const words of [...first, ...then]) {
    const { code, err } = await parlance(lab.stack.configFiles.n1 ?? "", ...words.map(elsewhere));
    assert.deepEqual([code, err], [0, ""], words.join(" "));
  }
});

test("what the operator's manual says for the installation is what the README says, after a look at the configuration", async () => {
  const installing = commandsOf("docs/operator.md", "Installing");
  assert.deepEqual(installing.shift(), ["check-config"]);
  const { code, err } = await parlance(lab.stack.configFiles.n1 ?? "", "check-config");
  assert.deepEqual([code, err], [0, ""]);
  const first = commandsOf("README.md", "Add it to your Kamailio");
  assert.deepEqual([...installing, ["worker"]], first, "the worker stands in a comment there");
});
