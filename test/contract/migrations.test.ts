import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import {
  migrate,
  readMigrations,
  requireSchema,
  SchemaError,
  statementsOf,
} from "../../src/store/mysql/migrate.ts";
import { ask } from "../support/mysql.ts";

let stack: Stack;
before(async () => {
  stack = await startStack({ parts: ["mariadb"] });
});
after(() => stack.stop());

const all = readMigrations();
const versions = all.map(({ version }) => version);

async function migrateElsewhere(): Promise<number[]> {
  const file = fileURLToPath(new URL("../support/journal-child.ts", import.meta.url));
  const args = ["--import", "tsx", file, "migrate", `--url=${stack.mysqlUrl}`];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
  return JSON.parse(said);
}

test("a database without a schema is refused with the way out", async () => {
  await assert.rejects(requireSchema(stack.mysqlUrl), (error) => {
    assert.ok(error instanceof SchemaError);
    assert.match(error.message, /run "parlance migrate"/);
    return true;
  });
});

test("processes that migrate at once apply each version exactly once", async () => {
  const applied = await Promise.all([migrateElsewhere(), migrateElsewhere(), migrate(stack.mysqlUrl)]);
  assert.deepEqual(applied.flat(), versions);
  await requireSchema(stack.mysqlUrl);
  assert.deepEqual(await migrate(stack.mysqlUrl), []);
});

test("a migration that was interrupted goes on where it stopped", async () => {
  const next = versions.length + 1;
  const statements = [
    "CREATE TABLE trial (id INT NOT NULL)",
    "INSERT INTO trial VALUES (1)",
    "THIS IS NO SQL",
  ];
  const broken = [...all, { version: next, name: "trial", statements }];
  await assert.rejects(migrate(stack.mysqlUrl, broken));
  await assert.rejects(requireSchema(stack.mysqlUrl), SchemaError);
  const mended = [
    ...all,
    { version: next, name: "trial", statements: [...statements.slice(0, 2), "INSERT INTO trial VALUES (2)"] },
  ];
  const begun: number[] = [];
  assert.deepEqual(await migrate(stack.mysqlUrl, mended, ({ version }) => begun.push(version)), [next]);
  assert.deepEqual(begun, [next], "told before it begins, and of no other");
  assert.deepEqual(await ask(stack.mysqlUrl, "SELECT id FROM trial ORDER BY id"), [{ id: 1 }, { id: 2 }]);
});

test("a schema newer than the program is refused and left alone", async () => {
  for (const attempt of [migrate, requireSchema])
    await assert.rejects(attempt(stack.mysqlUrl), (error) => {
      assert.ok(error instanceof SchemaError);
      assert.match(error.message, /install the newer Parlance/);
      return true;
    });
});

test("statements end at a semicolon at the end of a line, not inside a line", () => {
  assert.deepEqual(statementsOf("-- a; comment\nSELECT ';' AS x;\n\nSELECT\n  2;\n"), [
    "SELECT ';' AS x",
    "SELECT\n  2",
  ]);
});
