/**
 * What an export and an import of a whole domain cost. Run: node --import tsx test/bench/export-import.ts [messages] [rooms]
 * Prints one JSON line a phase: messages per second and bytes, the peak of memory of the process that does it, and whether what came in
 * and out again is the same.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { startStack } from "../../plugin/stack/stack.ts";
import { migrate } from "../../src/store/mysql/migrate.ts";
import { openStores } from "../../src/store/mysql/stores.ts";
import { exportDomain } from "../../src/transfer/export.ts";
import { importDomain } from "../../src/transfer/import.ts";
import { linesOfRooms, MESSAGE_ROWS, withBulkLoadOf } from "./bulk-messages.ts";

const SELECTION = {
  level: "all",
  categories: null,
  fromMs: null,
  untilMs: null,
  withoutDisabled: false,
} as const;
const [first = "1000000", second = "1000", url = "", folder = ""] = process.argv.slice(2);

/** In a process of its own: its memory is that of the work. */
async function work(what: "export" | "import"): Promise<void> {
  const stores = await openStores({ url, domain: "example.com", compliance: true, connections: 2 });
  const actor = { kind: "administrator", name: "bench" } as const;
  const began = performance.now();
  const { counts } =
    what === "export"
      ? await exportDomain(stores.exported, { folder, domain: "example.com", actor, selection: SELECTION })
      : await importDomain(stores.imports, {
          folder,
          actor,
          onConflict: "fail",
        });
  const seconds = (performance.now() - began) / 1_000;
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  await stores.close();
  const micros = Math.round(((userCPUTime + systemCPUTime) / counts.message) * 10) / 10;
  const figures = {
    seconds,
    messages: counts.message,
    peakMb: Math.round(maxRSS / 1_024),
    microsPerMessage: micros,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

async function child(what: "export" | "import", mysqlUrl: string, dir: string): Promise<void> {
  const args = ["--import", "tsx", import.meta.filename, what, "-", mysqlUrl, dir];
  const running = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  for await (const line of createInterface({ input: running.stdout })) said = line;
  const { seconds, messages, ...more } = JSON.parse(said);
  const megabytes = Math.round(
    readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0) / 1e6,
  );
  const perSecond = Math.round(messages / seconds);
  console.log(
    JSON.stringify({ phase: what, messages, megabytes, seconds: Math.round(seconds), perSecond, ...more }),
  );
}

function hashOf(dir: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(dir).sort()) hash.update(name).update(readFileSync(join(dir, name)));
  return hash.digest("hex");
}

async function all(messages: number, roomCount: number): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "parlance-bench-transfer-"));
  const options = {
    parts: ["mariadb"] as const,
    mariadbOptions: { "innodb-buffer-pool-size": "1G", "local-infile": "1" },
  };
  const [one, other] = [await startStack(options), await startStack(options)];
  try {
    for (const { mysqlUrl } of [one, other]) await migrate(mysqlUrl);
    const stores = await openStores({ url: one.mysqlUrl, domain: "example.com", compliance: false });
    const { administration } = stores;
    await administration.addCategory({ name: "Bench", allowed: ["example.com"] });
    const [author = 0] = await administration.addUsers(
      Array.from({ length: 1_000 }, (_, at) => ({ uri: `sip:user${at}@example.com` })),
    );
    const rooms = await administration.addRooms(
      Array.from({ length: roomCount }, (_, at) => ({ name: `Room ${at}`, category: "Bench" })),
    );
    const each = Math.floor(messages / roomCount);
    await withBulkLoadOf(one.mysqlUrl, async ({ load, run }) => {
      for (let at = 0; at < rooms.length; at += 100)
        await load(MESSAGE_ROWS, linesOfRooms(rooms.slice(at, at + 100), 0, each, author));
      await run("UPDATE room SET last_number = ?", [each]);
    });
    await stores.close();
    const [out, again] = [join(scratch, "out"), join(scratch, "again")];
    await child("export", one.mysqlUrl, out);
    await child("import", other.mysqlUrl, out);
    await child("export", other.mysqlUrl, again);
    console.log(JSON.stringify({ same: hashOf(out) === hashOf(again) }));
  } finally {
    await one.stop();
    await other.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (first === "export" || first === "import") await work(first);
else await all(Number(first), Number(second));
