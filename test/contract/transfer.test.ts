import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Actor } from "../../src/management/actor.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { exportDomain } from "../../src/transfer/export.ts";
import type { Selection } from "../../src/transfer/format.ts";
import { type ImportOptions, importDomain } from "../../src/transfer/import.ts";
import { hashOfParts } from "../../src/transfer/manifest.ts";
import { TransferError } from "../../src/transfer/transfer-error.ts";
import { type MysqlLab, startMysqlLab } from "../support/mysql.ts";
import { fillDomain } from "../support/random-domain.ts";
import { historyQuery, numbersOf } from "../support/search-lab.ts";

const root: Actor = { kind: "administrator", name: "root" };
const ALL: Selection = {
  level: "all",
  categories: null,
  fromMs: null,
  untilMs: null,
  withoutDisabled: false,
};
const PART_BYTES = 20_000;

let one: MysqlLab;
let other: MysqlLab;
let source: Stores;
let target: Stores;
let folder: string;
let made = 0;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "parlance-transfer-"));
  [one, other] = await Promise.all([startMysqlLab(), startMysqlLab()]);
  source = await one.open();
  target = await other.open();
});
after(async () => {
  await Promise.all([one.stop(), other.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

const fresh = () => join(folder, `export-${++made}`);

async function exported(
  stores: Stores,
  selection: Partial<Selection> = {},
  partBytes = PART_BYTES,
): Promise<string> {
  const to = fresh();
  await exportDomain(stores.exported, {
    folder: to,
    domain: "example.com",
    actor: root,
    selection: { ...ALL, ...selection },
    partBytes,
  });
  return to;
}

const imported = (stores: Stores, from: string, more: Partial<ImportOptions> = {}) =>
  importDomain(stores.imports, { folder: from, actor: root, onConflict: "fail", ...more });

const filesOf = (dir: string) =>
  Object.fromEntries(
    readdirSync(dir)
      .sort()
      .map((name) => [name, readFileSync(join(dir, name), "utf8")]),
  );

test("what is exported, imported into an empty domain and exported again is the same, byte by byte", async () => {
  const domain = await fillDomain(source, 1);
  const first = await exported(source);
  assert.ok(readdirSync(first).length > 6, "rooms are cut by parts");
  const notes: string[] = [];
  const { counts, carriedOn } = await imported(target, first, { note: (text) => notes.push(text) });
  assert.deepEqual([counts.room, counts.message, carriedOn], [20, domain.messages, false]);
  assert.deepEqual(notes, []);
  const second = await exported(target);
  assert.deepEqual(filesOf(second), filesOf(first));
});

/** A domain of one category with these rooms, their messages said by alice. */
async function small(
  lab: MysqlLab,
  names: readonly string[],
  texts: readonly string[] = ["one", "two"],
): Promise<Stores> {
  const stores = await lab.open();
  const { administration: admin, database } = stores;
  await clear(stores);
  await admin.addCategory({ name: "Operations", allowed: ["example.com"] });
  await admin.addUser({ uri: "sip:alice@example.com", enabled: true });
  for (const name of names) {
    const room = await admin.addRoom({ name, category: "Operations", privacy: "open" });
    await say(stores, room.id, texts);
  }
  await database.change("DELETE FROM compliance_outbox");
  return stores;
}

async function say({ database }: Stores, roomId: number, texts: readonly string[]): Promise<void> {
  await database.change(
    "INSERT INTO message (room_id, number, author_id, at_ms, alert, text) SELECT ?, n, p.id, 1700000000000 + n, 0, said FROM principal p " +
      `JOIN (${texts.map((_, at) => `SELECT ${at + 1} AS n, ? AS said`).join(" UNION ALL ")}) t WHERE p.uri = 'sip:alice@example.com'`,
    [roomId, ...texts],
  );
  await database.change("UPDATE room SET last_number = ? WHERE id = ?", [texts.length, roomId]);
}

/** As a domain that nobody has touched. */
async function clear({ database }: Stores): Promise<void> {
  const tables = [
    "room",
    "room_role",
    "message",
    "moderated_message",
    "category",
    "category_scope",
    "add_in",
    "membership",
  ];
  const more = [
    "affiliation",
    "directory_group",
    "import_run",
    "import_item",
    "compliance_outbox",
    "deleted_room",
  ];
  for (const table of [...tables, ...more]) await database.change(`DELETE FROM ${table}`);
  await database.change("DELETE FROM principal WHERE kind <> 'domain'");
}

const refused = (words: RegExp) => (error: unknown) =>
  error instanceof TransferError && words.test(error.message);

async function rooms({ database }: Stores): Promise<string[]> {
  const rows = await database.rows<{ name: string; last_number: number; disabled: number; n: number }>(
    "SELECT name, last_number, disabled, (SELECT COUNT(*) FROM message m WHERE m.room_id = r.id) AS n FROM room r ORDER BY name",
  );
  return rows.map(
    ({ name, last_number, disabled, n }) => `${name} ${last_number}/${n}${disabled === 1 ? " disabled" : ""}`,
  );
}

const kindsOf = async ({ database }: Stores) => {
  const rows = await database.rows<{ kind: string }>("SELECT kind FROM compliance_outbox ORDER BY event_id");
  return rows.map(({ kind }) => kind);
};

test("a name that is taken is refused before anything is written, and a dry run says so as well", async () => {
  const from = await exported(await small(one, ["Night Shift", "Day Shift"]));
  const there = await small(other, ["night SHIFT"]);
  const before = await rooms(there);
  for (const dryRun of [true, false])
    await assert.rejects(
      imported(there, from, { dryRun }),
      refused(
        /Nothing was imported.*0002-categories.jsonl, line 1: the category "Operations" is there already.*"Night Shift" is there already, as the room "night SHIFT".*--on-conflict/s,
      ),
    );
  assert.deepEqual(await rooms(there), before);
  assert.deepEqual([await kindsOf(there), await there.database.rows("SELECT id FROM import_run")], [[], []]);
});

test("skip leaves what is there, rename puts the files' rooms beside it, overwrite in its place", async () => {
  const from = await exported(await small(one, ["Night Shift", "Day Shift"], ["new 1", "new 2", "new 3"]));
  const there = await small(other, ["Night Shift"], ["old"]);
  const plan = await imported(there, from, { onConflict: "overwrite", dryRun: true });
  assert.deepEqual(
    plan.plan?.conflicts.map(({ kind, name, becomes, lost }) => [kind, name, becomes, lost]),
    [
      ["category", "Operations", "changes it", 0],
      ["room", "Night Shift", "replaces it", 1],
    ],
  );
  await imported(there, from, { onConflict: "skip" });
  assert.deepEqual(await rooms(there), ["Day Shift 3/3", "Night Shift 1/1"]);
  const notes: string[] = [];
  await imported(there, from, { onConflict: "rename", note: (text) => notes.push(text) });
  assert.deepEqual(await rooms(there), [
    "Day Shift 3/3",
    "Day Shift (2) 3/3",
    "Night Shift 1/1",
    "Night Shift (2) 3/3",
  ]);
  assert.ok(notes.some((note) => note.includes('"Night Shift" is called "Night Shift (2)" here')));
  await imported(there, from, { onConflict: "overwrite" });
  assert.deepEqual(
    (await rooms(there)).filter((room) => !room.includes("(2)")),
    ["Day Shift 3/3", "Night Shift 3/3"],
  );
  const kinds = await kindsOf(there);
  // The one of that name, the one of that address, and the other room.
  assert.equal(kinds.filter((kind) => kind === "ROOM_DELETED").length, 3);
  assert.equal(kinds.filter((kind) => kind === "ROOM_IMPORTED").length, 5);
});

test("who imported how many messages into which room stands in the archive, one event a room, with their hash", async () => {
  const from = await exported(await small(one, ["Night Shift"], ["a", "b"]));
  const there = await small(other, []);
  await clear(there);
  const { sha256 } = await imported(there, from);
  const [row] = await there.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE kind = 'ROOM_IMPORTED'",
  );
  const event = JSON.parse(row?.body.toString("utf8") ?? "");
  const lines = filesOf(from)["0004-messages.jsonl"]?.split("\n") ?? [];
  const end = JSON.parse(lines[3] ?? "");
  assert.equal(event.actor.uri, "administrator:root");
  assert.equal(event.room.name, "Night Shift");
  assert.deepEqual(event.detail.after, {
    clearedTo: 0,
    lastNumber: 2,
    messages: 2,
    sha256: end.sha256,
    source: sha256,
    uri: end.room,
  });
  assert.deepEqual(
    (await kindsOf(there)).filter((kind) => ["CHAT", "STORY"].includes(kind)),
    [],
  );
  const { id } = await there.administration.findRoom("Night Shift");
  const found = await there.search.find(historyQuery({ text: "b" }), [id]);
  assert.deepEqual(
    numbersOf(found).map(({ numbers }) => numbers),
    [[2]],
    "the search finds them",
  );
});

test("a room that somebody enabled or changed while it is filled takes nothing more", async () => {
  const from = await exported(
    await small(
      one,
      ["Long"],
      Array.from({ length: 30 }, (_, at) => `message ${at}`),
    ),
  );
  const there = await small(other, []);
  await clear(there);
  const half = async () => {
    let steps = 0;
    const stop = new Error("stopped in the middle");
    const onProgress = (what: string) => {
      if (what === "lines" && ++steps === 6) throw stop;
    };
    await assert.rejects(imported(there, from, { portion: 5, onProgress }), stop);
  };
  await half();
  const [state = ""] = await rooms(there);
  assert.match(state, /^Long \d+\/\d+ disabled$/, "nobody is in it while it is filled");
  await there.administration.setRoomDisabled("Long", false);
  await assert.rejects(
    imported(there, from),
    refused(/0004-messages.jsonl, line \d+: The room "Long" was enabled/),
  );
  assert.deepEqual(await rooms(there), [state.replace(" disabled", "")]);
  await there.administration.setRoomDisabled("Long", true);
  const { carriedOn } = await imported(there, from);
  assert.equal(carriedOn, true);
  assert.deepEqual(await rooms(there), ["Long 30/30"]);
});

test("files that are cut off, altered or of something else are refused with file and line, and nothing is taken over", async () => {
  const from = await exported(await small(one, ["Night Shift"], ["a", "b"]));
  const there = await small(other, []);
  await clear(there);
  const files = filesOf(from);
  const text = (name: string) => files[name] ?? "";
  const messages = "0004-messages.jsonl";
  /** Says the right hash of wrong files. */
  const resealed = (name: string, wrong: string) => {
    const manifest = JSON.parse(text("manifest.json"));
    for (const part of manifest.parts)
      if (part.file === name) {
        part.bytes = Buffer.byteLength(wrong);
        part.lines = wrong.split("\n").length - 1;
        part.sha256 = createHash("sha256").update(wrong).digest("hex");
      }
    manifest.sha256 = hashOfParts(manifest.parts);
    return { [name]: wrong, "manifest.json": JSON.stringify(manifest) };
  };
  const cases: readonly (readonly [changed: Record<string, string | undefined>, words: RegExp])[] = [
    [{ "manifest.json": undefined }, /manifest.json does not exist: this is no finished export/],
    [{ "manifest.json": "{" }, /manifest.json, line 1: this is no JSON/],
    [{ "manifest.json": "[]" }, /is of something else/],
    [
      { "manifest.json": text("manifest.json").replace('"version": 1', '"version": 2') },
      /is of version 2 of the format/,
    ],
    [
      { "manifest.json": text("manifest.json").replace(/"bytes": \d+/, '"bytes": -1') },
      /manifest.json, line 1: "parts.0.bytes"/,
    ],
    [
      { "manifest.json": text("manifest.json").replace("0001-people", "0001-rooms") },
      /manifest.json was altered/,
    ],
    [
      { "manifest.json": text("manifest.json").replace("0001-people.jsonl", "../people.jsonl") },
      /"parts.0.file"/,
    ],
    [{ [messages]: undefined }, /0004-messages.jsonl is missing/],
    [{ [messages]: text(messages).slice(0, -90) }, /0004-messages.jsonl, line 4: the file is cut off/],
    [{ [messages]: `${text(messages)}x` }, /0004-messages.jsonl, line 5: the file has more/],
    [
      { [messages]: text(messages).replace('"a"', '"z"') },
      /0004-messages.jsonl, lines 1 to 4: the file was altered/,
    ],
    [
      resealed("0003-rooms.jsonl", text("0003-rooms.jsonl").replace('"open"', '"ajar"')),
      /0003-rooms.jsonl, line 1: "privacy"/,
    ],
    [
      resealed("0003-rooms.jsonl", text("0003-rooms.jsonl").replace('"withHistory"', '"with"')),
      /0003-rooms.jsonl, line 1: /,
    ],
    [resealed("0001-people.jsonl", '{"type":"user"}\nno JSON\n'), /0001-people.jsonl, line 1: /],
    [
      resealed(
        "0003-rooms.jsonl",
        text("0003-rooms.jsonl")
          .replace(/"guid":"[0-9a-f]{8}/, '"guid":"00000000')
          .replace('"name":"Operations"', '"name":"Nowhere"'),
      ),
      /0003-rooms.jsonl, line 1: its category "Nowhere" is neither/,
    ],
  ];
  for (const [changed, words] of cases) {
    const folder = fresh();
    mkdirSync(folder);
    for (const [name, content] of Object.entries({ ...files, ...changed }))
      if (content !== undefined) writeFileSync(join(folder, name), content);
    await assert.rejects(imported(there, folder), refused(words));
    assert.deepEqual([await rooms(there), await kindsOf(there)], [[], []], String(words));
  }
  // What only the messages show is found when their turn comes: all before it stays, and nothing of it.
  for (const [wrong, words] of [
    [text(messages).replace('"text":"b"', '"text":"c"'), /line 4: count or hash of the room's messages/],
    [
      text(messages).replace('"number":2', '"number":1'),
      /line 3: number 1 has no place behind 1 and up to 2/,
    ],
    [text(messages).replace('"number":2', '"number":3'), /line 3: number 3 has no place/],
    [text(messages).replace(/^.*\n/, ""), /line 1: messages stand before the room/],
    [
      text(messages).replace(/ma-chan:..example.com.[0-9a-f]{8}/g, "ma-chan://example.com/00000000"),
      /line 1: no line before describes this room/,
    ],
  ] as const) {
    await clear(there);
    const folder = fresh();
    mkdirSync(folder);
    for (const [name, content] of Object.entries({ ...files, ...resealed(messages, wrong) }))
      writeFileSync(join(folder, name), content);
    await assert.rejects(imported(there, folder), refused(words));
    assert.deepEqual(await rooms(there), ["Night Shift 0/0 disabled"], String(words));
  }
});

test("an export can be of some categories, of a time, of rooms without messages or of people only", async () => {
  const stores = await small(one, ["Night Shift"], ["a", "b", "c"]);
  await stores.administration.addCategory({ name: "Other" });
  await stores.administration.addRoom({ name: "Elsewhere", category: "Other" });
  const counted = async (selection: Partial<Selection>) => {
    const { counts } = JSON.parse(filesOf(await exported(stores, selection))["manifest.json"] ?? "");
    return [counts.user, counts.category, counts.room, counts.message];
  };
  assert.deepEqual(await counted({}), [1, 2, 2, 3]);
  assert.deepEqual(await counted({ categories: ["Other"] }), [1, 1, 1, 0]);
  assert.deepEqual(await counted({ level: "rooms" }), [0, 0, 2, 0]);
  assert.deepEqual(await counted({ level: "content" }), [0, 0, 2, 3]);
  assert.deepEqual(await counted({ level: "users" }), [1, 0, 0, 0]);
  assert.deepEqual(await counted({ level: "categories" }), [0, 2, 0, 0]);
  const some = await exported(stores, { fromMs: 1_700_000_000_002, untilMs: 1_700_000_000_003 });
  const there = await small(other, []);
  await clear(there);
  await imported(there, some);
  assert.deepEqual(await rooms(there), ["Elsewhere 0/0", "Night Shift 3/1"], "numbers are kept");
});

test("rooms alone can be taken in where their category is, and who is named in them comes into being", async () => {
  const stores = await small(one, ["Night Shift"]);
  await stores.administration.addRole("Night Shift", "sip:alice@example.com", "manager");
  const from = await exported(stores, { level: "content" });
  const there = await small(other, []);
  await there.database.change("DELETE FROM principal WHERE kind = 'user'");
  const notes: string[] = [];
  await imported(there, from, { note: (text) => notes.push(text) });
  assert.deepEqual(await rooms(there), ["Night Shift 2/2"]);
  assert.deepEqual(notes, [
    "sip:alice@example.com was not known and not among the people of the files: added",
  ]);
  const again = filesOf(await exported(there, { level: "content" }));
  assert.equal(again["0002-messages.jsonl"], filesOf(from)["0002-messages.jsonl"]);
});

test("an export is on record before the first byte of what is taken is written: who, what, and to where", async () => {
  const stores = await small(one, ["Night Shift"]);
  const unrecorded = fresh();
  const away = new Error("the database is away");
  const record = () => Promise.reject(away);
  const options = { domain: "example.com", actor: root, selection: ALL };
  await assert.rejects(
    exportDomain({ ...stores.exported, record }, { ...options, folder: unrecorded }),
    away,
  );
  assert.deepEqual(readdirSync(unrecorded), ["progress.json"], "how far it has come: nowhere");
  const to = fresh();
  const { counts, sha256 } = await exportDomain(stores.exported, { ...options, folder: to });
  const rows = await stores.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE kind LIKE 'DOMAIN_EXPORT%' ORDER BY stream_seq DESC LIMIT 2",
  );
  assert.deepEqual(
    rows.map(({ body }) => {
      const { kind, stream, actor, detail } = JSON.parse(body.toString("utf8"));
      return { kind, stream, actor: actor.uri, ...detail };
    }),
    [
      { kind: "DOMAIN_EXPORTED", after: { counts, selection: ALL, sha256 } },
      { kind: "DOMAIN_EXPORT", after: { carriedOn: false, folder: to, selection: ALL } },
    ].map((said) => ({
      ...{ stream: "administration", actor: "administrator:root", subject: "example.com", before: null },
      ...said,
    })),
  );
});

test("an export goes into a folder of its own, and carries on only as it was asked for", async () => {
  const stores = await small(one, ["Night Shift"]);
  const to = await exported(stores);
  const into = (folder: string, selection: Partial<Selection> = {}) =>
    exportDomain(stores.exported, {
      folder,
      domain: "example.com",
      actor: root,
      selection: { ...ALL, ...selection },
    });
  await assert.rejects(into(to), refused(/holds a finished export/));
  const foreign = fresh();
  mkdirSync(foreign);
  writeFileSync(join(foreign, "letter.txt"), "mine");
  await assert.rejects(into(foreign), refused(/is not empty, letter.txt is in it/));
  const interrupted = fresh();
  const stop = new Error("stopped");
  const onRoom = () => {
    throw stop;
  };
  await assert.rejects(
    exportDomain(stores.exported, {
      folder: interrupted,
      domain: "example.com",
      actor: root,
      selection: ALL,
      onRoom,
    }),
    stop,
  );
  await assert.rejects(into(interrupted, { level: "rooms" }), refused(/asked for with other options/));
  const lock = join(interrupted, "writer.lock");
  writeFileSync(
    lock,
    `${process.ppid} ${readFileSync(`/proc/${process.ppid}/stat`, "utf8").split(") ")[1]?.split(" ")[19]}`,
  );
  await assert.rejects(into(interrupted), refused(/another process \(\d+\) writes into it/));
  writeFileSync(lock, `${process.ppid} 1`); // that process is gone, its number is somebody else's
  assert.equal((await into(interrupted)).carriedOn, true);
  assert.deepEqual(filesOf(interrupted), filesOf(to));
});
