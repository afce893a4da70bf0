import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** What only one of MariaDB 10.11 and MySQL 8.4 understands, or both understand differently. */
const CONSTRUCTS: readonly (readonly [why: string, pattern: RegExp, example: string])[] = [
  ["MariaDB only: RETURNING", /\bRETURNING\b/i, "DELETE FROM t RETURNING id"],
  [
    "MariaDB only: IF [NOT] EXISTS on columns and keys",
    /\b(ADD|DROP|MODIFY|CHANGE)\s+(COLUMN|INDEX|KEY|CONSTRAINT)\s+IF\s+(NOT\s+)?EXISTS\b/i,
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT",
  ],
  [
    "MariaDB only: ADD COLUMN short form of the same",
    /\b(ADD|DROP)\s+IF\s+(NOT\s+)?EXISTS\b/i,
    "ALTER TABLE t ADD IF NOT EXISTS a INT",
  ],
  [
    "MariaDB only: IF NOT EXISTS on an index",
    /\bCREATE\s+(UNIQUE\s+)?INDEX\s+IF\s+NOT\s+EXISTS\b/i,
    "CREATE INDEX IF NOT EXISTS i ON t (a)",
  ],
  [
    "MariaDB only: CREATE OR REPLACE TABLE",
    /\bCREATE\s+OR\s+REPLACE\s+TABLE\b/i,
    "CREATE OR REPLACE TABLE t (a INT)",
  ],
  [
    "MariaDB only: types UUID, INET4, INET6",
    /[\s(,]\w+\s+(UUID|INET4|INET6)\b(?!\s*\()/i,
    "CREATE TABLE t (id UUID NOT NULL)",
  ],
  ["MariaDB only: sequences", /\b(CREATE\s+SEQUENCE|NEXT\s+VALUE\s+FOR|NEXTVAL\s*\()/i, "SELECT NEXTVAL(s)"],
  [
    "MariaDB only: versioned tables",
    /\b(SYSTEM\s+VERSIONING|FOR\s+SYSTEM_TIME)\b/i,
    "CREATE TABLE t (a INT) WITH SYSTEM VERSIONING",
  ],
  [
    "MariaDB only: collations uca1400 and nopad",
    /\b\w*(uca1400|_nopad_)\w*/i,
    "COLLATE utf8mb4_uca1400_ai_ci",
  ],
  ["MariaDB only: engines", /\bENGINE\s*=\s*(Aria|ColumnStore|Spider|MyRocks|RocksDB)\b/i, "ENGINE=Aria"],
  ["MariaDB only: SET STATEMENT", /\bSET\s+STATEMENT\b/i, "SET STATEMENT max_statement_time=1 FOR SELECT 1"],
  ["MariaDB only: max_statement_time", /\bmax_statement_time\b/i, "SET SESSION max_statement_time = 1"],
  ["MariaDB only: tx_isolation", /\btx_isolation\b/i, "SET SESSION tx_isolation = 'READ-COMMITTED'"],
  [
    "MariaDB only: VALUE() in ON DUPLICATE KEY UPDATE",
    /=\s*VALUE\s*\(/i,
    "ON DUPLICATE KEY UPDATE a = VALUE(a)",
  ],
  [
    "different: row formats and compression of pages",
    /\b(PAGE_COMPRESSED|ROW_FORMAT\s*=\s*(PAGE|COMPRESSED))\b/i,
    "ROW_FORMAT=COMPRESSED",
  ],
  ["MariaDB only: FETCH FIRST, ROWNUM", /\bFETCH\s+(FIRST|NEXT)\b|\bROWNUM\s*\(/i, "FETCH FIRST 1 ROWS ONLY"],
  ["MariaDB only: WAIT on a locking read", /\bFOR\s+UPDATE\s+WAIT\b/i, "SELECT 1 FOR UPDATE WAIT 3"],
  [
    "MySQL only: row alias in INSERT",
    /\bVALUES\s*\([^)]*\)\s+AS\s+\w+/i,
    "INSERT INTO t VALUES (1) AS new ON DUPLICATE KEY UPDATE a = new.a",
  ],
  ["MySQL only: FOR SHARE", /\bFOR\s+SHARE\b/i, "SELECT 1 FOR SHARE"],
  ["MySQL only: OF table on a locking read", /\bFOR\s+UPDATE\s+OF\b/i, "SELECT 1 FROM t FOR UPDATE OF t"],
  ["MySQL only: collations 0900", /\w+_0900_\w+/i, "COLLATE utf8mb4_0900_ai_ci"],
  [
    "MySQL only: transaction_isolation",
    /\btransaction_isolation\b/i,
    "SET SESSION transaction_isolation = 'READ-COMMITTED'",
  ],
  ["MySQL only: max_execution_time", /\bmax_execution_time\b/i, "SET SESSION max_execution_time = 1"],
  ["MySQL only: UUID_TO_BIN, BIN_TO_UUID", /\b(UUID_TO_BIN|BIN_TO_UUID)\b/i, "SELECT UUID_TO_BIN(UUID())"],
  ["MySQL only: operators -> and ->> on JSON", /\w\s*->>?\s*'\$/, "SELECT a->'$.b' FROM t"],
  ["MySQL only: functional key parts", /\bKEY\s+\w*\s*\(\s*\(/i, "KEY k ((a + 1))"],
  ["MySQL only: invisible columns' keyword", /\bINVISIBLE\b/i, "a INT INVISIBLE"],
  ["MySQL only: LATERAL", /\bLATERAL\b/i, "SELECT 1 FROM t, LATERAL (SELECT 2) x"],
  [
    "MySQL only: GROUPING SETS spelled WITH ROLLUP in ORDER BY",
    /\bGROUPING\s*\(/i,
    "SELECT GROUPING(a) FROM t",
  ],
  [
    "different: JSON is a type of its own in MySQL, text in MariaDB",
    /[\s(,]\w+\s+JSON\b/i,
    "CREATE TABLE t (a JSON)",
  ],
  [
    "different: utf8 and the server's default collation",
    /\b(CHARSET|CHARACTER\s+SET)\s*=?\s*utf8\b/i,
    "CHARACTER SET utf8",
  ],
  ["different: default of an expression is not replicated alike", /\bDEFAULT\s*\(/i, "a INT DEFAULT (1 + 1)"],
  [
    "different: TIMESTAMP has implicit defaults",
    /[\s(,]\w+\s+TIMESTAMP\b(?!\s*\()/i,
    "CREATE TABLE t (a TIMESTAMP)",
  ],
  ["different: regular expressions", /\b(REGEXP|RLIKE)\b/i, "SELECT 'a' REGEXP 'b'"],
  [
    "refused by MySQL as a parameter: LIMIT and OFFSET as DOUBLE",
    /\b(LIMIT|OFFSET)\s+\?/i,
    "SELECT 1 LIMIT ?",
  ],
  ["hides bad data: INSERT IGNORE", /\bINSERT\s+IGNORE\b/i, "INSERT IGNORE INTO t VALUES (1)"],
  [
    "reserved in MySQL 8.4 only",
    /[\s(,](rank|groups|lead|lag|manual|parallel|qualify|tablesample|reads|empty|system|of)\s+(INT|BIGINT|TINYINT|VARCHAR|BINARY|CHAR|ENUM|DATETIME|MEDIUM)/i,
    "CREATE TABLE t (rank INT)",
  ],
];

function problemsOf(sql: string): string[] {
  return CONSTRUCTS.filter(([, pattern]) => pattern.test(sql)).map(([why]) => why);
}

const store = fileURLToPath(new URL("../../src/store/", import.meta.url));

function filesEndingIn(ending: string): string[] {
  return readdirSync(store, { recursive: true })
    .map((name) => join(store, String(name)))
    .filter((name) => name.endsWith(ending));
}

/** Literals of a source file that are SQL, placeholders left out. */
function sqlLiteralsOf(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const literals = code.match(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g) ?? [];
  return literals
    .map((literal) => literal.slice(1, -1).replace(/\$\{[^}]*\}/g, " x "))
    .filter((literal) =>
      /\b(SELECT|INSERT|UPDATE|DELETE|REPLACE|FROM|WHERE|SET SESSION|CREATE|ALTER|LIMIT|VALUES)\b/.test(
        literal,
      ),
    );
}

test("each construct on the list is recognised", () => {
  for (const [why, , example] of CONSTRUCTS) assert.ok(problemsOf(example).includes(why), why);
});

test("no migration uses what one of MariaDB 10.11 and MySQL 8.4 lacks", () => {
  const files = filesEndingIn(".sql");
  assert.ok(files.length > 0);
  for (const file of files) {
    const sql = readFileSync(file, "utf8").replace(/^\s*--.*$/gm, "");
    assert.deepEqual(problemsOf(sql), [], file);
  }
});

test("every table says its engine, and its character set with a collation that both have", () => {
  for (const file of filesEndingIn(".sql")) {
    const sql = readFileSync(file, "utf8").replace(/^\s*--.*$/gm, "");
    for (const [, collation = ""] of sql.matchAll(/\bCOLLATE\s*=?\s*(\w+)/gi))
      assert.match(collation, /^(utf8mb4_bin|utf8mb4_unicode_520_ci|utf8mb4_general_ci|ascii_bin)$/, file);
    for (const table of sql.match(/CREATE TABLE[\s\S]*?;\s*$/gm) ?? [])
      assert.match(table, /ENGINE\s*=\s*InnoDB/, file);
  }
});

test("no statement in the stores' sources does either", () => {
  let seen = 0;
  for (const file of filesEndingIn(".ts")) {
    for (const sql of sqlLiteralsOf(readFileSync(file, "utf8"))) {
      seen += 1;
      assert.deepEqual(problemsOf(sql), [], `${file}: ${sql}`);
    }
  }
  assert.ok(seen > 80, `${seen} statements`);
});
