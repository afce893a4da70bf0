import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../../plugin/config.ts";
import { ConfigError } from "../../../plugin/config-error.ts";

const sample = readFileSync(join(import.meta.dirname, "../../../plugin/parlance.yaml"), "utf8");
const problem = (text: string): string => {
  try {
    parseConfig(text, "parlance.yaml");
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return assert.fail("it was accepted");
};

test("the sample file is valid, and every setting in it is the default", () => {
  const settings = parseConfig(sample, "parlance.yaml");
  const sparse = sample.replace(/^(chat|compliance|directory|log):\n(?: .*\n|\s*#.*\n)+/gm, "");
  assert.ok(!sparse.includes("run-interval") && !sparse.includes("create-users"));
  assert.deepEqual(parseConfig(sparse, "parlance.yaml"), settings);
});

test("an unknown setting is refused with the one that was meant", () => {
  const text = sample.replace("max-story:", "max-stroy:");
  assert.match(problem(text), /chat: there is no setting "max-stroy"; did you mean "max-story"\?/);
});

test("durations and sizes are refused with their bounds and the line", () => {
  assert.match(
    problem(sample.replace("run-interval: 15m", "run-interval: 10s")),
    /compliance.run-interval: "10s" is not a duration from 1m to 30d.*line \d+/,
  );
  assert.match(
    problem(sample.replace("max-message: 8000", "max-message: huge")),
    /chat.max-message: "huge" is not a size/,
  );
});

test("a setting that can be changed at run time has the same bounds in the file, and Lync's name for it leads to ours", () => {
  assert.match(
    problem(sample.replace("default-chat-history: 30", "default-chat-history: 501")),
    /chat.default-chat-history: "501" is not a whole number from 1 to 500 \(line \d+/,
  );
  assert.match(
    problem(sample.replace("search-limit: 999", "search-limit: [9]")),
    /chat.search-limit: "\[9\]" is not a whole number from 1 to 9999/,
  );
  const url = (given: string) =>
    sample.replace(/# room-management-url: .*/, () => `room-management-url: ${given}`);
  assert.match(problem(url("ftp://x")), /chat.room-management-url: "ftp:\/\/x" is not empty, or an http/);
  assert.equal(parseConfig(url("https://x/y"), "f").chat["room-management-url"], "https://x/y");
  for (const none of ["", '""']) assert.equal(parseConfig(url(none), "f").chat["room-management-url"], "");
  assert.match(
    problem(sample.replace("  default-chat-history:", "  DefaultChatHistory:")),
    /there is no setting "DefaultChatHistory"; did you mean "default-chat-history"\?/,
  );
  for (const [lyncs, ours] of [
    ["RunInterval", "run-interval"],
    ["AddUserDetails", "add-user-details"],
    ["AddChatRoomDetails", "add-room-details"],
    ["CustomConfiguration", "transform-command"],
  ])
    assert.match(
      problem(sample.replace("  run-interval:", `  ${lyncs}:`)),
      new RegExp(`there is no setting "${lyncs}"; did you mean "${ours}"\\?`),
    );
});

test("a node name that Kamailio could not carry is refused", () => {
  assert.match(problem(sample.replace("name: n1", "name: Node-1")), /node.name/);
});

test("text that is no YAML says so in one line", () => {
  const message = problem("domain: [");
  assert.match(message, /is not YAML/);
  assert.ok(!message.includes("\n"));
});

test("a directory needs its place, a name goes with a password, and a filter is one", () => {
  const on = sample.replace("enabled: false", "enabled: true");
  assert.match(problem(on), /directory.url: is missing/);
  const placed = on.replace("# url: ldaps", "url: ldaps").replace("# users-base-dn", "users-base-dn");
  assert.match(problem(placed), /directory.groups-base-dn: is missing/);
  const whole = placed.replace("# groups-base-dn", "groups-base-dn");
  assert.equal(parseConfig(whole, "parlance.yaml").directory.url, "ldaps://ldap.example.com");
  assert.match(problem(whole.replace("# bind-dn", "bind-dn")), /directory.password-file: is missing/);
  assert.match(
    problem(whole.replace("(objectClass=person)", "(objectClass=")),
    /users-filter: is no LDAP filter/,
  );
  assert.match(problem(whole.replace("url: ldaps:", "url: https:")), /directory.url: is a URL such as/);
  assert.match(problem(whole.replace("page-size: 500", "pagesize: 500")), /did you mean "page-size"/);
});
