import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TABLES, type Table } from "../../src/transfer/mgc/schema.ts";

export type MgcValue = string | number | bigint | boolean | null;
/** Values by the published names of columns; what is left out is NULL. */
export type MgcRecord = Readonly<Record<string, MgcValue>>;
export type MgcTables = Readonly<Partial<Record<Table, readonly MgcRecord[]>>>;

/** Ticks of a moment, as SQL Server's fnTicksToDate takes them. */
export function ticks(iso: string, hundredNs = 0): bigint {
  return BigInt(Date.parse(iso)) * 10_000n + 621_355_968_000_000_000n + BigInt(hundredNs);
}

const guid = (number: number) => `8f0c0000-0000-4000-8000-${String(number).padStart(12, "0")}`;
const added = {
  nodeAddedBy: 1,
  nodeAddedOn: ticks("2013-05-06T07:08:09.010Z"),
  nodeUpdatedBy: 1,
  nodeUpdatedOn: ticks("2014-01-01T00:00:00Z"),
};
const node = (nodeID: number, more: MgcRecord): MgcRecord => ({
  nodeID,
  nodeGuid: guid(nodeID),
  nodeDesc: "",
  disabled: false,
  // Published as "not null", although both mean nothing for categories.
  behavior: 4,
  visibility: 6,
  ...added,
  ...more,
});
const prin = (prinID: number, prinTypeID: number, more: MgcRecord): MgcRecord => ({
  prinID,
  prinGuid: guid(9_000 + prinID),
  prinTypeID,
  prinDisabled: 0,
  prinAddedOn: 0,
  prinUpdatedOn: 0,
  prinVerifiedOn: "2014-01-01 00:00:00.000",
  ...more,
});
const chat = (
  channelId: number,
  chatId: number,
  userId: number,
  content: string,
  more: MgcRecord = {},
): MgcRecord => ({
  channelId,
  chatId,
  chatDate: ticks(`2014-02-03T04:05:${String(chatId % 60).padStart(2, "0")}.678Z`, 4_321),
  userId,
  isAlert: false,
  content,
  ...more,
});

/** A small pool as Lync leaves it, with everything that has its counterpart here and much that has none. */
export const LYNC: MgcTables = {
  tblNode: [
    node(1, { parentID: 1, nodeType: true, nodeName: "Root", invite: false, logged: true, filePost: false }),
    node(2, {
      parentID: 1,
      nodeType: true,
      nodeName: 'Trading, "floor"',
      nodeDesc: "two\r\nlines",
      invite: true,
      logged: true,
      filePost: true,
    }),
    node(3, {
      parentID: 1,
      nodeType: true,
      nodeName: "Walled",
      invite: false,
      logged: false,
      filePost: false,
    }),
    node(10, {
      parentID: 2,
      nodeType: false,
      nodeName: "FX Desk \u{1F4B1}",
      behavior: 4,
      visibility: 6,
      siopID: guid(77),
    }),
    node(11, {
      parentID: 2,
      nodeType: false,
      nodeName: "Announcements",
      behavior: 5,
      visibility: 3,
      invite: false,
    }),
    node(12, {
      parentID: 3,
      nodeType: false,
      nodeName: "O'Brien's; vault",
      behavior: 4,
      visibility: 2,
      disabled: true,
    }),
    node(13, { parentID: 3, nodeType: false, nodeName: "fx desk \u{1F4B1}", behavior: 9, visibility: 8 }),
    node(14, { parentID: 99, nodeType: false, nodeName: "Orphan", behavior: 4, visibility: 6 }),
  ],
  tblPrincipal: [
    prin(1, 4, { prinUri: "ma-sys:adsync" }),
    prin(20, 5, {
      prinUri: "sip:Ada@Contoso.local",
      prinName: "Ada B",
      prinDisplayName: 'Ada "A" Bérg',
      prinEmail: "ada@contoso.com",
      prinADPath: "CN=Ada,OU=People,DC=contoso,DC=local",
      prinPolicyID: 3,
    }),
    prin(21, 5, { prinUri: "sip:bob@contoso.local", prinName: "Bob" }),
    prin(22, 5, { prinUri: "sip:gone@contoso.local", prinDisabled: 2 }),
    prin(23, 5, { prinUri: "sip:guest@partner.example" }),
    prin(24, 5, { prinUri: "no address" }),
    prin(30, 9, { prinUri: "ma-grp:traders", prinADPath: "CN=Traders,OU=Groups,DC=contoso,DC=local" }),
    prin(31, 10, { prinUri: "ma-grp:people ou", prinADPath: "OU=People,DC=contoso,DC=local" }),
    prin(32, 8, { prinUri: "ma-grp:contoso", prinADPath: "DC=contoso,DC=local" }),
  ],
  tblPrincipalAffiliations: [
    ...[20, 21, 22, 30, 31].map((id) => ({ principalID: id, affiliationID: id, index: -1, updatedBy: 1 })),
    { principalID: 20, affiliationID: 30, index: 1, updatedBy: 1 },
    { principalID: 21, affiliationID: 30, index: 1, updatedBy: 1 },
    { principalID: 20, affiliationID: 31, index: 1, updatedBy: 1 },
    { principalID: 30, affiliationID: 31, index: 1, updatedBy: 1 },
    { principalID: 20, affiliationID: 32, index: 1, updatedBy: 1 },
  ],
  tblRoleType: [
    { rtypeID: 7, rtypeDesc: "Member", rtypeAllowedPermSet: 3_984 },
    { rtypeID: 8, rtypeDesc: "Gestionnaire", rtypeAllowedPermSet: 4 + 3_984 },
    { rtypeID: 9, rtypeDesc: "Voiced", rtypeAllowedPermSet: 4_096 },
    { rtypeID: 10, rtypeDesc: "Creator", rtypeAllowedPermSet: 16 },
  ],
  tblPrincipalRole: [
    { prinRoleNodeID: 2, prinRolePrinID: 20, prinRoleTypeID: 10, prinRoleUpdatedBy: 1 },
    { prinRoleNodeID: 10, prinRolePrinID: 20, prinRoleTypeID: 8, prinRoleUpdatedBy: 1 },
    { prinRoleNodeID: 11, prinRolePrinID: 30, prinRoleTypeID: 7, prinRoleUpdatedBy: 1 },
    { prinRoleNodeID: 11, prinRolePrinID: 20, prinRoleTypeID: 9, prinRoleUpdatedBy: 1 },
    { prinRoleNodeID: 12, prinRolePrinID: 21, prinRoleTypeID: 7, prinRoleUpdatedBy: 1 },
    { prinRoleNodeID: 3, prinRolePrinID: 21, prinRoleTypeID: 7, prinRoleUpdatedBy: 1 },
  ],
  tblScopePrincipal: [
    { scopeNodeID: 2, scopePrinID: 32, scopeIsDenied: false, scopeUpdatedBy: 1 },
    { scopeNodeID: 2, scopePrinID: 23, scopeIsDenied: true, scopeUpdatedBy: 1 },
    { scopeNodeID: 3, scopePrinID: 31, scopeIsDenied: false, scopeUpdatedBy: 1 },
    { scopeNodeID: 3, scopePrinID: 21, scopeIsDenied: false, scopeUpdatedBy: 1 },
    { scopeNodeID: 1, scopePrinID: 32, scopeIsDenied: false, scopeUpdatedBy: 1 },
  ],
  tblSiopWhiteList: [{ siopID: guid(77), siopName: "Board", siopUrl: "https://board.contoso.com/?a=1&b=2" }],
  tblLastChatId: [
    { nodeID: 10, lastChatID: 9 },
    { nodeID: 11, lastChatID: 2 },
    { nodeID: 13, lastChatID: 4 },
  ],
  tblPrincipalInvites: [{ prinID: 20, invID: 1, nodeID: 11, createdOn: "2014-01-01 00:00:00.000" }],
  tblChat: [
    // Not in order, as an INSERT script of a heap may be.
    chat(11, 2, 20, "second", { isAlert: true }),
    chat(10, 3, 20, "hello; it's \"quoted\", with 'all', of it"),
    chat(10, 4, 21, "two\r\nlines\nand\ttab", { rtf: "{\\rtf1 two\\par lines}" }),
    chat(10, 6, 20, "[STORY]A title\u2028and 日本語 \u{1F600}"),
    chat(10, 7, 22, '<a href="https://example.com/?a=1&amp;b=2">https://example.com</a>'),
    chat(10, 8, 20, "ma-filelink://contoso/8f0c.docx/plan.docx"),
    chat(10, 9, 24, "from nobody"),
    chat(11, 1, 23, "NULL"),
    chat(99, 1, 20, "in no room"),
    chat(10, 6, 21, "the same number again"),
  ],
};

export interface CsvStyle {
  readonly encoding?: "utf8" | "utf8-bom" | "utf16le" | "utf16le-bom";
  readonly delimiter?: string;
  readonly end?: string;
  readonly null?: string;
  readonly empty?: string;
  readonly bits?: readonly [string, string];
  readonly quoted?: "where needed" | "always" | "never";
  readonly headings?: boolean;
  /** Before the headings, below them and behind the last row. */
  readonly before?: string;
  readonly underline?: string;
  readonly after?: string;
  /** Columns that are none of the table's. */
  readonly more?: readonly string[];
}

/** As tools write tables that are said to write them so. */
export const CSV_TOOLS = {
  "Export-Csv of Windows PowerShell behind Invoke-Sqlcmd": {
    encoding: "utf16le-bom",
    before: "#TYPE System.Data.DataRow\r\n",
    quoted: "always",
    bits: ["False", "True"],
    more: ["RowError", "RowState", "Table", "ItemArray", "HasErrors"],
  },
  "Export-Csv of PowerShell 7": { quoted: "always", bits: ["False", "True"], delimiter: ";" },
  "bcp -w -t 0x1F -r 0x1E": {
    encoding: "utf16le",
    delimiter: "\x1f",
    end: "\x1e",
    quoted: "never",
    headings: false,
    empty: "\0",
  },
  "bcp -c -C 65001": { delimiter: "\t", quoted: "never", headings: false, empty: "\0" },
  "sqlcmd -W -s |": {
    delimiter: "|",
    quoted: "never",
    null: "NULL",
    underline: "----",
    after: "\r\n(8 rows affected)\r\n",
  },
} satisfies Record<string, CsvStyle>;

export function writeCsvTables(folder: string, tables: MgcTables, style: CsvStyle = {}): void {
  const { encoding = "utf8", delimiter = ",", end = "\r\n", bits = ["0", "1"], more = [] } = style;
  const { quoted = "where needed", headings = true, before = "", after = "" } = style;
  mkdirSync(folder, { recursive: true });
  for (const [table, records] of Object.entries(tables)) {
    const columns = TABLES[table as Table]; // its own keys
    const cell = (value: MgcValue | undefined) => {
      if (value === null || value === undefined) return quoted === "always" ? '""' : (style.null ?? "");
      if (value === "" && quoted !== "always") return style.empty ?? "";
      const text = typeof value === "boolean" ? bits[value ? 1 : 0] : String(value);
      const isBare = quoted === "never" || (quoted === "where needed" && !/["\r\n,;\t|]/.test(text));
      return isBare ? text : `"${text.replaceAll('"', '""')}"`;
    };
    const { underline } = style;
    const lines = [
      ...(headings ? [[...columns, ...more].map((name) => cell(name))] : []),
      ...(underline === undefined ? [] : [columns.map(() => underline)]),
      ...records.map((record) => [...columns.map((name) => cell(record[name])), ...more.map(() => '""')]),
    ];
    const text = before + lines.map((cells) => cells.join(delimiter) + end).join("") + after;
    writeFileSync(join(folder, `dbo.${table}.csv`), bytesIn(encoding, text));
  }
}

/** What a tool can write that puts nothing in quotes: without ends of lines and separators in texts. */
export function inOneLine(tables: MgcTables): MgcTables {
  const plain = (value: MgcValue | undefined) =>
    typeof value === "string" ? value.replace(/[\r\n\t|]+/g, " ") : (value ?? null);
  return Object.fromEntries(
    Object.entries(tables).map(([table, records]) => [
      table,
      records.map((record) =>
        Object.fromEntries(Object.entries(record).map(([name, value]) => [name, plain(value)])),
      ),
    ]),
  );
}

/** As Generate Scripts of SQL Server Management Studio writes it, with some of what other tools do. */
export function sqlScript(tables: MgcTables): string {
  const statements = [
    "USE [mgc]\nGO\n/* a /* nested */ comment; INSERT [dbo].[tblChat] VALUES (1) */\nSET ANSI_NULLS ON\nGO\n",
  ];
  statements.push(
    "CREATE PROCEDURE dbo.prcPost @id int AS\nINSERT INTO tblChat (channelId) VALUES (@id)\nGO\n",
  );
  const value = (given: MgcValue | undefined): string => {
    if (given === null || given === undefined) return "NULL";
    if (typeof given === "boolean") return given ? "1" : "0";
    if (typeof given !== "string") return String(given);
    if (/^\d{4}-\d\d-\d\d /.test(given)) return `CAST(N'${given.replace(" ", "T")}' AS DateTime)`;
    return given.startsWith("{\\rtf")
      ? `CAST(0x${Buffer.from(given, "latin1").toString("hex")} AS varchar(max))`
      : `N'${given.replaceAll("'", "''")}'`;
  };
  for (const [table, records] of Object.entries(tables)) {
    const columns = TABLES[table as Table]; // its own keys
    statements.push(`SET IDENTITY_INSERT [dbo].[${table}] ON\nGO\n`);
    const row = (record: MgcRecord) => `(${columns.map((name) => value(record[name])).join(", ")})`;
    const [first, ...others] = records;
    if (first)
      statements.push(`INSERT [dbo].[${table}] ([${columns.join("], [")}]) VALUES ${row(first)}\nGO\n`);
    if (others.length > 0)
      statements.push(
        `insert into mgc.dbo."${table}" -- all the rest\n values\n${others.map(row).join(",\n")};\nGO\n`,
      );
    statements.push(`PRINT 'It''s done: INSERT [dbo].[${table}] VALUES (0)'\nGO\n`);
  }
  return statements.join("");
}

/** As other tools do: long texts in pieces, ends of lines as CHAR(13), GUIDs and texts as bytes, times with seven decimals. */
export function otherScript(tables: MgcTables): string {
  const text = (given: string) =>
    `N'${given
      .replaceAll("'", "''")
      .replaceAll("\r", "' + CHAR(13) + N'")
      .replaceAll("\n", "' +\n NCHAR( 10 )+N'")}'`;
  const value = (given: MgcValue | undefined): string => {
    if (given === null || given === undefined) return "null";
    if (typeof given === "boolean") return `CAST(${given ? 1 : 0} AS bit)`;
    if (typeof given === "bigint") return `CONVERT([bigint], ${given})`;
    if (typeof given !== "string") return `cast(${given} as Numeric(18, 0))`;
    if (/^\d{4}-\d\d-\d\d /.test(given)) return `CAST(N'${given.replace(" ", "T")}0000' AS DateTime2(7))`;
    if (/^[\da-f]{8}-[\da-f-]{27}$/.test(given)) return `CAST(${guidBytes(given)} AS UniqueIdentifier)`;
    if (given.startsWith("{\\rtf")) return `'${given}'`;
    if (given.length % 3 > 0) return `CONVERT(nvarchar(max), ${text(given)})`;
    return `CAST(0x${Buffer.from(given, "utf16le").toString("hex").toUpperCase()} AS nvarchar(max))`;
  };
  return Object.entries(tables)
    .map(([table, records]) => {
      const columns = TABLES[table as Table].toReversed(); // its own keys
      const rows = records.map((record) => `\t (${columns.map((name) => value(record[name])).join(",")})`);
      return `SET IDENTITY_INSERT mgc.dbo.${table} ON;\r\nINSERT INTO mgc.dbo.${table} (${columns.map((name) => `[${name}]`).join(",")}) VALUES\r\n${rows.join(",\r\n")};\r\n`;
    })
    .join("GO 1\r\n");
}

/** As SQL Server keeps it. */
function guidBytes(guid: string): string {
  const [a = "", b = "", c = "", ...rest] = guid.split("-");
  const turned = (hex: string) => Buffer.from(hex, "hex").reverse().toString("hex");
  return `0x${turned(a)}${turned(b)}${turned(c)}${rest.join("")}`;
}

export function bytesIn(encoding: CsvStyle["encoding"], text: string): Buffer {
  if (encoding === "utf16le") return Buffer.from(text, "utf16le");
  if (encoding === "utf16le-bom") return Buffer.from(`\uFEFF${text}`, "utf16le");
  return Buffer.from(encoding === "utf8-bom" ? `\uFEFF${text}` : text, "utf8");
}
