import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { COMMANDS, SPELLINGS } from "../../../plugin/commands.ts";
import { bashCompletion } from "../../../plugin/completion.ts";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "parlance-completion-"));
  writeFileSync(join(folder, "script"), bashCompletion(SPELLINGS, Object.keys(COMMANDS)));
  for (const file of ["parlance.yaml", "paris.csv", "other.txt"]) writeFileSync(join(folder, file), "");
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** What bash offers for the last of these words, which it would have made of the line itself. */
function offered(...words: string[]): string[] {
  const program = `source ./script; spec=($(complete -p parlance)); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    "\${spec[2]}"; printf "%s\\n" "\${COMPREPLY[@]}"`;
  const out = execFileSync("bash", ["--norc", "-euc", program, "bash", "parlance", ...words], {
    cwd: folder,
    encoding: "utf8",
  });
  return out.split("\n").filter(Boolean).sort();
}

test("commands are offered word by word", () => {
  const nouns = [...new Set(Object.keys(COMMANDS).map((name) => name.split(" ")[0] ?? ""))].sort();
  assert.deepEqual(offered(""), nouns);
  assert.deepEqual(offered("ro"), ["room"]);
  assert.deepEqual(offered("room", "d"), ["delete", "disable"]);
  assert.deepEqual(offered("group", "member", ""), ["add", "remove"]);
  assert.deepEqual(offered("completion", ""), ["bash"]);
  assert.deepEqual(offered("nonsense", ""), []);
});

test("every command's options are offered, by every spelling of it", () => {
  for (const [name, { options }] of Object.entries(SPELLINGS)) {
    const expected = [...Object.keys(options).map((option) => `--${option}`), "--config", "--help"].sort();
    assert.deepEqual(offered(...name.split(" "), "--"), expected, name);
  }
});

test("what an option may be is offered behind it, with a blank or an equals sign", () => {
  assert.deepEqual(offered("room", "create", "Night", "--privacy", ""), ["closed", "open", "secret"]);
  assert.deepEqual(offered("room", "add", '"Night Shift"', "--privacy", "o"), ["open"]);
  assert.deepEqual(offered("room", "list", "--privacy", "=", "s"), ["secret"]);
  assert.deepEqual(offered("room", "report", "--by", ""), ["day", "week"]);
  assert.deepEqual(offered("user", "add", "sip", ":", "alice", "@", "example.com", "--chat", "o"), [
    "off",
    "on",
  ]);
  assert.deepEqual(offered("room", "create", "Night", "--category", ""), []);
});

test("what a command's words may be is offered in their places, an address in pieces counting as one", () => {
  assert.deepEqual(offered("policy", "set", ""), ["chat", "create-rooms"]);
  assert.deepEqual(offered("policy", "set", "chat", ""), ["off", "on"]);
  assert.deepEqual(offered("config", "set", "max"), ["max-message", "max-story"]);
  const grant = ["policy", "grant", "sip", ":", "alice", "@", "example.com"];
  assert.deepEqual(offered(...grant, ""), ["administrator", "chat", "create-rooms"]);
  assert.deepEqual(offered(...grant, "--config", "x.yaml", "chat", ""), ["global", "off", "on"]);
  assert.deepEqual(offered(...grant, "chat", "on", ""), []);
});

test("files are offered where a file is meant", () => {
  assert.deepEqual(offered("status", "-c", "par"), ["paris.csv", "parlance.yaml"]);
  assert.deepEqual(offered("room", "list", "--config", "o"), ["other.txt"]);
  assert.deepEqual(offered("group", "import", "pari"), ["paris.csv"]);
  assert.deepEqual(offered("selftest", "--password-file", "o"), ["other.txt"]);
});
