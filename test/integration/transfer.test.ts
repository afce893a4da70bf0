import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { parlance as run } from "../support/cli.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { LYNC, writeCsvTables } from "../support/mgc-tables.ts";

let lab: Lab;
let folder: string;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "parlance-transfer-cli-"));
  lab = await openLab({
    users: ["alice", "bob"],
    rooms: [
      { name: "Night Shift", members: ["alice", "bob"] },
      { name: "Vault", privacy: "secret", members: ["alice"] },
    ],
  });
});
afterEach(() => lab.clearAway());
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await lab.close();
});

const parlance = (...words: string[]) => run(lab.stack.configFiles.n1 ?? "", ...words);

async function ok(...words: string[]): Promise<ReturnType<typeof JSON.parse>> {
  const { code, out, err } = await parlance(...words, "--json");
  assert.deepEqual([code, err], [0, ""]);
  return JSON.parse(out);
}

test("a room is saved while people are in it, lost, and brought back with its numbers; they read on and post on", async () => {
  const uri = lab.room("Night Shift");
  const alice = await lab.signedIn("alice");
  await alice.join(uri);
  for (const text of ["one", "two \u{1F680}", "three\nlines"]) assert.equal(await alice.post(uri, text), 200);

  const to = join(folder, "saved");
  const report = join(folder, "rooms.txt");
  const rows: { what: string; count: unknown }[] = await ok("export", to, "--report", report);
  assert.deepEqual(
    rows.filter(({ what }) => ["room", "message", "carried on"].includes(what)),
    [
      { what: "room", count: 2 },
      { what: "message", count: 3 },
      { what: "carried on", count: "no" },
    ],
  );
  assert.deepEqual(readdirSync(to), [
    "0001-people.jsonl",
    "0002-categories.jsonl",
    "0003-rooms.jsonl",
    "0004-messages.jsonl",
    "manifest.json",
  ]);
  assert.match(readFileSync(report, "utf8"), new RegExp(`${uri}: 3 messages, [0-9a-f]{64}`));
  await alice.signOff();

  // It travels as one file, as docs/export.md says.
  const packed = join(folder, "saved.tar.gz");
  execFileSync("tar", ["-C", folder, "-czf", packed, "saved"]);
  rmSync(to, { recursive: true });
  execFileSync("tar", ["-C", folder, "-xzf", packed]);

  const taken = await parlance("import", to, "--dry-run");
  assert.equal(taken.code, 64);
  assert.match(taken.err, /Nothing was imported.*the room "Night Shift" is there already/);

  await lab.administration.removeRoom(uri);
  const before = await lab.sql("SELECT id FROM room");
  const dry = await ok("import", to, "--on-conflict", "skip", "--dry-run");
  assert.ok(dry["would be imported"]);
  assert.deepEqual(
    dry.conflicts.map(({ kind, name, becomes }: Record<string, string>) => [kind, name, becomes]),
    [
      ["category", "Lab", "left out"],
      ["room", "Vault", "left out"],
    ],
  );
  assert.deepEqual(await lab.sql("SELECT id FROM room"), before, "a dry run does nothing");
  await ok("import", to, "--on-conflict", "skip");

  const bob = await lab.signedIn("bob");
  await bob.join(uri);
  const { messages } = await bob.history(uri, 10);
  assert.deepEqual(
    messages.map(({ text, author, chatId }) => [chatId, author, text]),
    [
      [1, lab.address("alice"), "one"],
      [2, lab.address("alice"), "two \u{1F680}"],
      [3, lab.address("alice"), "three\nlines"],
    ],
  );
  const again = await lab.signedIn("alice");
  await again.join(uri);
  assert.equal(await again.post(uri, "four"), 200);
  const heard = await bob.waitForMessage(({ text }) => text === "four", LAB_TIMEOUT_MS);
  assert.equal(heard.chatId, 4);
  assert.deepEqual(
    (await lab.administered("Night Shift")).map(({ kind }) => kind),
    ["ROOM_CREATED", "ROOM_IMPORTED", "ROOM_CHANGED"],
  );
});

test("Lync's tables are tried out, taken over and reported; a member reads what was said there", async () => {
  const source = join(folder, "mgc");
  writeCsvTables(source, {
    ...LYNC,
    tblPrincipal: [
      ...(LYNC.tblPrincipal ?? []),
      { ...LYNC.tblPrincipal?.[1], prinID: 40, prinUri: "sip:alice@contoso.local" },
    ],
    tblPrincipalRole: [
      ...(LYNC.tblPrincipalRole ?? []),
      { prinRoleNodeID: 11, prinRolePrinID: 40, prinRoleTypeID: 7, prinRoleUpdatedBy: 1 },
    ],
  });
  const how = ["--domain-map", "contoso.local=example.com"];
  const wrong = await parlance("import", "mgc", source, "--domain-map", "contoso");
  assert.deepEqual([wrong.code, /--domain-map is OLD=NEW/.test(wrong.err)], [64, true], wrong.err);
  const rooms = await lab.sql("SELECT id FROM room");
  const dry = await ok("import", "mgc", source, ...how, "--dry-run");
  assert.ok(dry["would be imported"]);
  assert.deepEqual(await lab.sql("SELECT id FROM room"), rooms);
  const done = await ok("import", "mgc", source, ...how);
  const counts = Object.fromEntries(
    done.imported.map(({ what, count }: Record<string, unknown>) => [what, count]),
  );
  assert.deepEqual(
    [counts.category, counts.room, counts.message, counts.user, counts.addIn],
    [2, 4, 8, 5, 1],
  );
  const report = readFileSync(`${source}.parlance/report.txt`, "utf8");
  assert.match(report, /tblChat.csv, line 9: a link to a file/);
  assert.match(report, /OU=People,DC=contoso,DC=local becomes the group/);

  const { uri } = await lab.administration.findRoom("Announcements");
  const alice = await lab.signedIn("alice");
  await alice.join(uri);
  const { messages } = await alice.history(uri, 10);
  assert.deepEqual(
    messages.map(({ chatId, author, text, alert, ts }) => [chatId, author, text, alert, Date.parse(ts)]),
    [
      [1, "sip:guest@partner.example", "NULL", false, Date.parse("2014-02-03T04:05:01.678Z")],
      [2, "sip:ada@example.com", "second", true, Date.parse("2014-02-03T04:05:02.678Z")],
    ],
  );
  const again = await parlance("import", "mgc", source, ...how);
  assert.deepEqual([again.code, /Nothing was imported/.test(again.err)], [64, true], again.err);
  writeFileSync(join(source, "tblNode.txt"), "nodeID\n");
  const other = await parlance("import", "mgc", source, ...how);
  assert.deepEqual(
    [other.code, /holds what was made of other tables/.test(other.err)],
    [64, true],
    other.err,
  );
});

test("what cannot be done is said in one sentence, with exit code 64", async () => {
  const altered = join(folder, "altered");
  await ok("export", altered, "--level", "rooms");
  const file = join(altered, "0001-rooms.jsonl");
  writeFileSync(file, readFileSync(file, "utf8").replace("Vault", "Fault"));
  const foreign = join(folder, "foreign");
  mkdirSync(foreign);
  for (const [words, sentence] of [
    [["export"], /expected DIR/],
    [["export", altered], /holds a finished export/],
    [["export", join(folder, "x"), "--level", "most"], /--level is one of all, users/],
    [["export", join(folder, "x"), "--from", "yesterday"], /--from is a date such as/],
    [["import", foreign], /manifest.json does not exist: this is no finished export/],
    [["import", altered], /0001-rooms.jsonl, lines 1 to \d: the file was altered/],
    [["import", altered, "--on-conflict", "merge"], /--on-conflict is one of fail, skip/],
  ] as const) {
    const { code, err } = await parlance(...words);
    assert.deepEqual([code, sentence.test(err), err.split("\n").length], [64, true, 2], err);
  }
  assert.match((await parlance("import", "--help")).out, /--dry-run/);
});
