import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { exportDomain } from "../../src/transfer/export.ts";
import { seededRandom } from "../bench/statistics.ts";
import { type MysqlLab, startMysqlLab } from "../support/mysql.ts";
import { fillDomain } from "../support/random-domain.ts";

const SEEDS = [11, 12, 13];
/** More than a run has: an attempt that is not killed comes to its end. */
const MOST_TRIES = 60;

let lab: MysqlLab;
let source: Stores;
let folder: string;
let whole: Record<string, string>;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "parlance-kills-"));
  lab = await startMysqlLab();
  source = await lab.open();
  await fillDomain(source, 2, { rooms: 12, most: 200 });
  whole = await exported(source, "whole");
});
after(async () => {
  await lab.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function exported(stores: Stores, name: string): Promise<Record<string, string>> {
  const selection = {
    level: "all",
    categories: null,
    fromMs: null,
    untilMs: null,
    withoutDisabled: false,
  } as const;
  const actor = { kind: "administrator", name: "root" } as const;
  const options = { folder: join(folder, name), domain: "example.com", actor, selection, partBytes: 20_000 };
  await exportDomain(stores.exported, options);
  return filesOf(name);
}

function filesOf(name: string): Record<string, string> {
  const files = readdirSync(join(folder, name)).sort();
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, name, file), "utf8")]));
}

/** Kills the work after so many of its steps. @returns whether it came to its end before */
async function endsBefore(
  steps: number,
  what: "export" | "import",
  url: string,
  name: string,
): Promise<boolean> {
  const file = fileURLToPath(new URL("../support/transfer-child.ts", import.meta.url));
  const args = ["--import", "tsx", file, what, url, join(folder, name)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let seen = 0;
  let done = false;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === "done") done = true;
    else seen += 1;
    if (seen >= steps) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  if (!done) assert.equal(child.signalCode, "SIGKILL", "it failed without being killed");
  return done;
}

async function untilDone(
  seed: number,
  what: "export" | "import",
  url: string,
  name: string,
): Promise<number> {
  const random = seededRandom(seed);
  for (let tries = 1; tries < MOST_TRIES; tries++)
    if (await endsBefore(2 + Math.floor(random() * 22), what, url, name)) return tries;
  throw new Error("it never came to its end");
}

/** Kinds of what is on record of an export into this folder, in their order. */
async function onRecord(name: string): Promise<string[]> {
  const rows = await source.database.rows<{ kind: string; body: Buffer }>(
    "SELECT kind, body FROM compliance_outbox WHERE kind IN ('DOMAIN_EXPORT', 'DOMAIN_EXPORTED') ORDER BY stream_seq",
  );
  let into = "";
  return rows
    .filter(({ body }) => {
      into = JSON.parse(body.toString("utf8")).detail.after.folder ?? into; // one after the other
      return into === join(folder, name);
    })
    .map(({ kind }) => kind);
}

for (const seed of SEEDS)
  test(`an export that is killed again and again ends as one that was not (seed ${seed})`, async () => {
    const tries = await untilDone(seed, "export", lab.url, `export-${seed}`);
    assert.ok(tries > 1, "it was killed");
    assert.deepEqual(filesOf(`export-${seed}`), whole);
    const kinds = await onRecord(`export-${seed}`);
    assert.equal(kinds.filter((kind) => kind === "DOMAIN_EXPORT").length, tries, "each try, killed or not");
    assert.equal(kinds.at(-1), "DOMAIN_EXPORTED");
  });

for (const seed of SEEDS)
  test(`an import that is killed again and again ends as one that was not (seed ${seed})`, async () => {
    const target = await startMysqlLab();
    try {
      const tries = await untilDone(seed, "import", target.url, "whole");
      assert.ok(tries > 1, "it was killed");
      const stores = await target.open();
      assert.deepEqual(await exported(stores, `again-${seed}`), whole);
      const { database } = stores;
      const events = await database.rows<{ kind: string; n: number }>(
        "SELECT kind, COUNT(*) AS n FROM compliance_outbox WHERE kind IN ('ROOM_IMPORTED', 'ROOM_CREATED', 'DOMAIN_IMPORTED') GROUP BY kind ORDER BY kind",
      );
      assert.deepEqual(
        events.map(({ kind, n }) => [kind, Number(n)]),
        [
          ["DOMAIN_IMPORTED", 1],
          ["ROOM_CREATED", 12],
          ["ROOM_IMPORTED", 12],
        ],
        "each once",
      );
      const holes = await database.rows(
        "SELECT stream FROM compliance_outbox GROUP BY stream HAVING MAX(stream_seq) <> COUNT(*)",
      );
      assert.deepEqual(holes, [], "streams are dense");
      assert.deepEqual(
        await database.rows("SELECT id FROM import_run UNION ALL SELECT run_id FROM import_item"),
        [],
      );
    } finally {
      await target.stop();
    }
  });
