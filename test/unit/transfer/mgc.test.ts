import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { MessageLine } from "../../../src/transfer/format.ts";
import { convertMgc } from "../../../src/transfer/mgc/convert.ts";
import type { Row } from "../../../src/transfer/mgc/row.ts";
import { guidOf, textOf, ticksOf } from "../../../src/transfer/mgc/row.ts";
import type { Table } from "../../../src/transfer/mgc/schema.ts";
import { SortedEntries } from "../../../src/transfer/mgc/sorted.ts";
import { sqlRows } from "../../../src/transfer/mgc/sql-rows.ts";
import { TransferError } from "../../../src/transfer/transfer-error.ts";
import {
  bytesIn,
  CSV_TOOLS,
  type CsvStyle,
  inOneLine,
  LYNC,
  type MgcRecord,
  type MgcTables,
  otherScript,
  sqlScript,
  ticks,
  writeCsvTables,
} from "../../support/mgc-tables.ts";

const root = mkdtempSync(join(tmpdir(), "parlance-mgc-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const fresh = () => join(root, String(++made));

async function convert(source: string, more: { partBytes?: number; runCharacters?: number } = {}) {
  const target = fresh();
  const notes: string[] = [];
  await convertMgc({
    source,
    target,
    scratch: `${target}-sort`,
    served: "example.com",
    domains: new Map([["contoso.local", "example.com"]]),
    note: (text) => notes.push(text.replaceAll(source, "SOURCE")),
    ...more,
  });
  const files = readdirSync(target).sort();
  const lines = (kind: string) =>
    files
      .filter((name) => name.endsWith(`-${kind}.jsonl`))
      .flatMap((name) => readFileSync(join(target, name), "utf8").split("\n").slice(0, -1))
      .map((line) => JSON.parse(line));
  return { target, notes, lines, all: files.map((name) => readFileSync(join(target, name), "utf8")) };
}

function csvFolder(tables: MgcTables, style: Parameters<typeof writeCsvTables>[2] = {}): string {
  const folder = fresh();
  writeCsvTables(folder, tables, style);
  return folder;
}

function sqlFile(text: string, encoding: Parameters<typeof bytesIn>[0] = "utf8"): string {
  const path = `${fresh()}.sql`;
  writeFileSync(path, bytesIn(encoding, text));
  return path;
}

test("tables as CSV of any kind and as a script of INSERTs give the same, byte by byte", async () => {
  const expected = (await convert(csvFolder(LYNC))).all;
  const styles = [
    { encoding: "utf8-bom", delimiter: ";", end: "\n", null: "NULL", bits: ["False", "True"] },
    { encoding: "utf16le-bom", delimiter: "\t" },
    { delimiter: "|" },
  ] as const;
  for (const style of styles)
    assert.deepEqual((await convert(csvFolder(LYNC, style))).all, expected, JSON.stringify(style));
  for (const encoding of ["utf8", "utf8-bom", "utf16le-bom"] as const)
    assert.deepEqual((await convert(sqlFile(sqlScript(LYNC), encoding))).all, expected, encoding);
  const reversed = Object.fromEntries(Object.entries(LYNC).reverse()) as MgcTables;
  assert.deepEqual(
    (await convert(sqlFile(sqlScript(reversed)), { runCharacters: 300 })).all,
    expected,
    "in any order",
  );
});

for (const [tool, style] of Object.entries(CSV_TOOLS) as [string, CsvStyle][])
  test(`tables are read as ${tool} writes them`, async () => {
    const tables = style.quoted === "never" && style.delimiter !== "\x1f" ? inOneLine(LYNC) : LYNC;
    assert.deepEqual((await convert(csvFolder(tables, style))).all, (await convert(csvFolder(tables))).all);
  });

test("a script is read whatever its tool makes of texts, times, GUIDs and numbers", async () => {
  const expected = (await convert(csvFolder(LYNC))).all;
  for (const encoding of ["utf8", "utf16le-bom"] as const)
    assert.deepEqual((await convert(sqlFile(otherScript(LYNC), encoding))).all, expected, encoding);
});

test("categories, rooms, lists, people and messages become what they are here", async () => {
  const { lines } = await convert(csvFolder(LYNC));
  const people = lines("people");
  assert.deepEqual(
    people
      .filter(({ type }) => type === "user")
      .map(({ uri, name, email, chat }) => [uri, name, email, chat]),
    [
      ["sip:ada@example.com", 'Ada "A" Bérg', "ada@contoso.com", null],
      ["sip:bob@example.com", "Bob", null, null],
      ["sip:gone@example.com", "gone", null, false],
      ["sip:guest@partner.example", "guest", null, null],
    ],
  );
  const ou = "ma-grp:8f0c0000-0000-4000-8000-000000009031";
  assert.deepEqual(
    people.filter(({ type }) => type === "group").map(({ uri, name }) => [uri, name]),
    [
      [ou, "People"],
      ["ma-grp:traders", "Traders"],
    ],
  );
  assert.deepEqual(
    people.filter(({ type }) => type === "membership").map(({ group, member }) => [group, member]),
    [
      [ou, "sip:ada@example.com"],
      ["ma-grp:traders", "sip:ada@example.com"],
      ["ma-grp:traders", "sip:bob@example.com"],
    ],
  );
  const [addIn, trading, walled] = lines("categories");
  assert.deepEqual(addIn, { type: "addIn", name: "Board", url: "https://board.contoso.com/?a=1&b=2" });
  assert.deepEqual(
    [trading.name, trading.description, trading.invitations, trading.fileUpload, trading.chatHistory],
    ['Trading, "floor"', "two\r\nlines", true, true, true],
  );
  assert.deepEqual(
    [trading.allowed, trading.denied, trading.creators],
    [["example.com"], ["sip:guest@partner.example"], ["sip:ada@example.com"]],
  );
  assert.deepEqual([walled.chatHistory, walled.allowed], [false, [ou, "sip:bob@example.com"]]);
  assert.deepEqual(
    lines("rooms").map((room) => [
      room.name,
      room.privacy,
      room.auditorium,
      room.disabled,
      room.invitations,
      room.addIn,
    ]),
    [
      ["FX Desk \u{1F4B1}", "open", false, false, true, "Board"],
      ["Announcements", "closed", true, false, false, null],
      ["O'Brien's; vault", "secret", false, true, true, null],
      ["fx desk \u{1F4B1} (2)", "secret", true, false, true, null],
    ],
  );
  const [desk, announcements] = lines("rooms");
  assert.equal(desk.createdMs, Date.parse("2013-05-06T07:08:09.010Z"));
  assert.deepEqual(desk.managers, ["sip:ada@example.com"]);
  assert.deepEqual(
    [announcements.members, announcements.presenters],
    [["ma-grp:traders"], ["sip:ada@example.com"]],
  );
  const messages: MessageLine[] = lines("messages");
  const [head] = messages;
  assert.deepEqual(head, { type: "history", room: desk.uri, lastNumber: 9, clearedTo: 2, after: 0 });
  assert.deepEqual(
    messages
      .slice(1, 8)
      .map((line) => (line.type === "message" ? [line.number, line.author, line.text] : line.type)),
    [
      [3, "sip:ada@example.com", "hello; it's \"quoted\", with 'all', of it"],
      [4, "sip:bob@example.com", "two\r\nlines\nand\ttab"],
      [6, "sip:ada@example.com", "[STORY]A title\u2028and 日本語 \u{1F600}"],
      [7, "sip:gone@example.com", '<a href="https://example.com/?a=1&amp;b=2">https://example.com</a>'],
      [8, "sip:ada@example.com", "ma-filelink://contoso/8f0c.docx/plan.docx"],
      [9, "", "from nobody"],
      "end",
    ],
  );
  const [, , second] = messages;
  assert.ok(second?.type === "message");
  assert.deepEqual(
    [second.rtf, second.alert, second.atMs],
    ["{\\rtf1 two\\par lines}", false, Date.parse("2014-02-03T04:05:04.678Z")],
  );
  const silent = messages
    .filter((line) => line.type === "history")
    .map((line) => [line.lastNumber, line.clearedTo]);
  assert.deepEqual(silent, [
    [9, 2],
    [2, 0],
    [0, 0],
    [4, 4],
  ]);
});

test("whatever has no place here stands in the report, with file and line", async () => {
  const { notes } = await convert(csvFolder(LYNC));
  for (const words of [
    /dbo.tblNode.csv, line 10: the room "Orphan" is left out, with its messages/,
    /line 9: "fx desk .*" is called "fx desk .* \(2\)" here/u,
    /line 9: visibility 8 .* it is secret here/,
    /line 9: behavior 9 .* it is an auditorium here/,
    /tblPrincipal.csv, line 2: "ma-sys:adsync" is the system's own/,
    /line 7: "no address" is no user's address/,
    /line 9: the OU or container OU=People,DC=contoso,DC=local becomes the group ma-grp:.*, with the 2 users it had/,
    /line 10: the domain DC=contoso,DC=local is example.com here/,
    /1 users are of partner.example, which is not served here/,
    /1 users had a persistent chat policy of their own/,
    /tblScopePrincipal.csv, line 6: a scope of "Root", which is no category here/,
    /tblPrincipalRole.csv, line 7: sip:bob@example.com as member of "Walled" has no place here/,
    /tblPrincipalInvites: 1 invitations are not taken over/,
    /tblChat.csv, line 9: a link to a file/,
    /the room has two messages with the number 6: the second is left out/,
    /1 messages of channelId 99 are left out/,
    /1 messages of userId 24 have no author here/,
  ])
    assert.ok(
      notes.some((note) => words.test(note)),
      `${words} in\n${notes.join("\n")}`,
    );
  assert.equal(notes.length, 17, notes.join("\n"));
});

const withNode = (record: MgcRecord): MgcTables => ({ ...LYNC, tblNode: [...(LYNC.tblNode ?? []), record] });

test("tables that cannot be read are refused with file, line and what is wrong", async () => {
  const refused = async (source: string, words: RegExp) =>
    assert.rejects(convert(source), (error) => {
      assert.ok(error instanceof TransferError, String(error));
      assert.match(error.message, words);
      return true;
    });
  const { tblRoleType: _, ...withoutRoles } = LYNC;
  const { tblNode: __, ...withoutNodes } = LYNC;
  await refused(csvFolder(withoutRoles), /tblRoleType is missing/);
  await refused(csvFolder(withoutNodes), /there is nothing of tblNode/);
  await refused(join(root, "nowhere"), /does not exist/);
  await refused(
    csvFolder(withNode({ nodeID: 10, nodeGuid: "8f0c0000-0000-4000-8000-000000000010", nodeType: false })),
    /tblNode.csv, line 11: nodeID 10 stands there twice/,
  );
  await refused(
    csvFolder(withNode({ nodeID: 50, nodeGuid: "none", nodeType: false })),
    /tblNode.csv, line 11: nodeGuid is no GUID: "none"/,
  );
  await refused(
    csvFolder(withNode({ nodeID: "5; DROP TABLE x", nodeGuid: null, nodeType: 2 })),
    /nodeID is a whole number, not "5; DROP/,
  );
  await refused(
    csvFolder({
      ...LYNC,
      tblChat: [{ channelId: 10, chatId: 1, chatDate: 5, userId: 20, isAlert: 0, content: "x" }],
    }),
    /tblChat.csv, line 2: chatDate is no time in ticks/,
  );
  const damaged = (name: string, change: (text: string) => string | Buffer) => {
    const folder = csvFolder(LYNC);
    const path = join(folder, `dbo.${name}.csv`);
    writeFileSync(path, change(readFileSync(path, "utf8")));
    return folder;
  };
  await refused(
    damaged("tblChat", (text) => `${text}10,3,"open`),
    /tblChat.csv, line \d+: a quote is not closed/,
  );
  await refused(
    damaged("tblChat", (text) => `${text}1,2,3\r\n`),
    /tblChat.csv, line \d+: another number of fields than headings/,
  );
  await refused(
    damaged("tblChat", (text) => text.replace(/^.*\r\n/, "")),
    /tblChat.csv, line 1: these are no headings of tblChat/,
  );
  await refused(
    damaged("tblChat", (text) => `${text.replaceAll(",", "\t").replace(/^.*\r\n/, "")}10\t3\r\n`),
    /tblChat.csv, line \d+: another number of fields than columns: use bcp -t 0x1F -r 0x1E/,
  );
  await refused(
    damaged("tblChat", () => ""),
    /line 1: there is nothing/,
  );
  await refused(
    damaged("tblChat", () => Buffer.from([0x61, 0xff, 0xc0, 0x80])),
    /neither UTF-8 nor UTF-16/,
  );
  const twice = csvFolder(LYNC);
  writeFileSync(join(twice, "tblNode.txt"), "nodeID\r\n");
  await refused(twice, /are both of tblNode/);
  for (const [script, words] of [
    ["INSERT tblNode VALUES (1, 'open", /line 1: the script ends in the middle of a statement/],
    ["\n\nINSERT tblNode (nodeID) VALUES (1, 2)", /line 3: 2 values for 1 columns of tblNode/],
    ["INSERT tblNode (nodeID) VALUES (GETDATE(), 2, 3, 4, 5, 6)", /line 1: this is no value: "GETDATE\(/],
    ["INSERT tblNode (nodeName) VALUES (N'a' + 1)", /line 1: only texts can stand beside \+/],
    ["INSERT tblNode SELECT 1", /line 1: only INSERT … VALUES is understood for tblNode/],
    ["INSERT tblNode (nodeID VALUES (1)", /line 1: "\)" is missing before/],
  ] as const)
    await refused(sqlFile(script), words);
});

test("a script is read the same in whatever pieces it comes", async () => {
  const path = sqlFile(sqlScript(LYNC));
  const count = async (file: string) => {
    const found = new Map<Table, number>();
    for await (const { table } of sqlRows(file)) found.set(table, (found.get(table) ?? 0) + 1);
    return [...found];
  };
  const expected = Object.entries(LYNC).map(([table, records]) => [table, records.length]);
  assert.deepEqual(await count(path), expected);
  // Beyond the size of one piece, with values that are cut anywhere.
  const long = "it''s ".repeat(60_000);
  const rows = Array.from(
    { length: 40 },
    (_, at) => `(10, ${at}, 1, 1, 0, N'${long.slice(0, 6 * (at * 1_500 + 1))}', NULL)`,
  );
  const many = sqlFile(`INSERT tblChat VALUES ${rows.join(",")}\nGO\n`);
  const texts: number[] = [];
  for await (const row of sqlRows(many)) texts.push((textOf(row, "content") ?? "").length);
  assert.deepEqual(
    texts,
    Array.from({ length: 40 }, (_, at) => 5 * (at * 1_500 + 1)),
  );
});

test("values of SQL Server are what they mean", () => {
  const row = (cells: Row["cells"]): Row => ({ table: "tblNode", cells, where: "here" });
  const bytes = Buffer.from("33221100554477668899aabbccddeeff", "hex");
  assert.equal(guidOf(row({ nodeguid: bytes }), "nodeGuid"), "00112233-4455-6677-8899-aabbccddeeff");
  assert.equal(
    guidOf(row({ nodeguid: "{00112233-4455-6677-8899-AABBCCDDEEFF}" }), "nodeGuid"),
    "00112233-4455-6677-8899-aabbccddeeff",
  );
  assert.equal(textOf(row({ nodename: Buffer.from("Ü\u{1F600}", "utf16le") }), "nodeName"), "Ü\u{1F600}");
  assert.equal(textOf(row({ rtf: Buffer.from("{\\rtf1}") }), "rtf", true), "{\\rtf1}");
  // Microsoft's own sample: both are one moment.
  assert.equal(ticksOf(row({ at: "633482073409535482" }), "at"), 1_212_610_540_953);
  assert.equal(ticksOf(row({ at: "0" }), "at"), null);
  assert.equal(ticks("2008-06-04T20:15:40.953Z", 5_482), 633_482_073_409_535_482n);
});

test("any number of entries comes out in order, equal ones as they came", async () => {
  const sorted = new SortedEntries(fresh(), 500);
  const given = Array.from({ length: 400 }, (_, at) => ({
    major: (at * 7) % 5,
    minor: (at * 13) % 11,
    text: `${at} \u2028 "\\n"`,
  }));
  for (const entry of given) await sorted.add(entry);
  const got = [];
  for await (const entry of sorted.entries()) got.push(entry);
  const expected = given.map((entry, at) => ({ entry, at }));
  expected.sort((a, b) => a.entry.major - b.entry.major || a.entry.minor - b.entry.minor || a.at - b.at);
  assert.deepEqual(
    got,
    expected.map(({ entry }) => entry),
  );
  await sorted.remove();
});
