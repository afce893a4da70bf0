import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMANDS } from "../../../plugin/commands.ts";
import { ConfigError } from "../../../plugin/config-error.ts";
import type { Values } from "../../../plugin/configured.ts";

/**
 * What each verb is, by hand: it only says something; it looks at what the pool has; it changes it, and can be rehearsed; or it
 * does something that cannot be rehearsed. All but the first need the configuration, which holds the pool's secrets: whoever may read
 * it has every right, and nobody else has any.
 */
const VERBS = {
  says: ["completion bash"],
  looks: [
    "check-config",
    "status",
    "alert list",
    "config list",
    "config get NAME",
    "policy show",
    "user list",
    "user show ADDRESS",
    "domain list",
    "category list",
    "category show NAME",
    "room list",
    "room show ROOM",
    "room report",
    "member list ROOM",
    "member eligible ROOM",
    "manager list ROOM",
    "presenter list ROOM",
    "addin list",
    "addin show NAME",
    "group list",
    "group show GROUP",
    "compliance status",
    "compliance verify",
    "compliance prove EVENT",
    "compliance prove-growth 1",
    "compliance reconcile",
    "compliance statement 2026-11-24",
    "compliance key show",
    "compliance quarantine list",
  ],
  changes: [
    "config set NAME VALUE",
    "config unset NAME",
    "policy set chat on",
    "policy grant ADDRESS chat on",
    "user add ADDRESS",
    "user change ADDRESS",
    "user remove ADDRESS",
    "domain add DOMAIN",
    "domain remove DOMAIN",
    "category create NAME",
    "category change NAME",
    "category delete NAME",
    "room create NAME",
    "room change ROOM",
    "room disable ROOM",
    "room enable ROOM",
    "room delete ROOM",
    "room clear ROOM",
    "member add ROOM ADDRESS",
    "member remove ROOM ADDRESS",
    "manager add ROOM ADDRESS",
    "manager remove ROOM ADDRESS",
    "presenter add ROOM ADDRESS",
    "presenter remove ROOM ADDRESS",
    "addin create NAME",
    "addin change NAME",
    "addin delete NAME",
    "group add NAME",
    "group remove GROUP",
    "group member add GROUP ADDRESS",
    "group member remove GROUP ADDRESS",
    "group import FILE",
    "group sync",
    "message remove ROOM",
    "message replace ROOM",
    "compliance accept STREAM --reason lost",
    "compliance key rotate",
    "compliance quarantine retry EVENT",
    "compliance quarantine accept EVENT --reason lost",
    "import DIR",
    "import mgc DIR",
  ],
  // A process, the schema, a probe that cleans up behind itself, an alert, or files of its own: nothing of the pool is taken away.
  does: [
    "serve",
    "worker",
    "migrate",
    "selftest --sender sip:probe@example.com",
    "alert forget NAME",
    "alert test",
    "compliance export DIR",
    "compliance key create",
    "export DIR",
  ],
} as const;

interface Row {
  readonly what: keyof typeof VERBS;
  readonly name: string;
  readonly words: readonly string[];
  readonly values: Values;
}

const ROWS: readonly Row[] = (Object.keys(VERBS) as (keyof typeof VERBS)[]).flatMap((what) =>
  VERBS[what].map((line): Row => {
    const [said = "", option] = line.split(" --");
    const all = said.split(" ");
    const count = [3, 2, 1].find((some) => all.slice(0, some).join(" ") in COMMANDS) ?? all.length;
    const [given, value] = option?.split(" ") ?? [];
    return {
      what,
      name: all.slice(0, count).join(" "),
      words: all.slice(count),
      values: given === undefined ? {} : { [given]: value },
    };
  }),
);

test("every verb of the command line has its row, once", () => {
  assert.deepEqual(ROWS.map(({ name }) => name).sort(), Object.keys(COMMANDS).sort());
});

test("a verb that changes the pool can be rehearsed, one that does not has nothing to rehearse", () => {
  const rehearsed = (name: string) => "dry-run" in (COMMANDS[name]?.options ?? {});
  assert.deepEqual(
    ROWS.filter(({ what, name }) => rehearsed(name) !== (what === "changes")).map(({ name }) => name),
    [],
  );
});

for (const { what, name, words, values } of ROWS) {
  if (what === "says") continue;
  test(`${name}: nothing without the configuration`, async () => {
    const without = { ...values, config: "/nonexistent/parlance.yaml" };
    const done = await COMMANDS[name]?.run(words, without).catch((error: unknown) => error);
    // 3: could not be checked, which no script takes for anything else.
    if (name === "compliance verify") assert.equal(done, 3);
    // It acts as a user: by that one's password, and refused as he is.
    else if (name === "selftest") assert.match(String(done), /no password for sip:probe@example\.com/);
    else assert.ok(done instanceof ConfigError, String(done));
  });
}
