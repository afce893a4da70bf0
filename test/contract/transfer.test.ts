import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Actor } from "../../src/management/actor.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { exportDomain } from "../../src/transfer/export.ts";
import type { Selection } from "../../src/transfer/format.ts";
import { type ImportOptions, importDomain } from "../../src/transfer/import.ts";
import { type MysqlLab, startMysqlLab } from "../support/mysql.ts";
import { fillDomain } from "../support/random-domain.ts";

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
