import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { test } from "node:test";

/**
 * The dependency rule, executable: plugin → kamailio, asterisk → src, never the other way. The first rule whose folder (or file)
 * a file lies in says what it may import: folders, files and packages. `docs/architecture.md` shows the same table.
 */
const RULES: readonly (readonly [place: string, mayImport: readonly string[]])[] = [
  ["src/xccos/", ["src/xccos/", "saxes"]],
  ["src/sip/", ["src/sip/"]],
  ["src/chat/", ["src/chat/"]],
  ["src/ports.ts", ["src/chat/", "src/sip/"]],
  ["src/user-ports.ts", ["src/chat/"]],
  ["src/search-ports.ts", ["src/chat/"]],
  ["src/reading-ports.ts", ["src/chat/", "src/sip/", "src/ports.ts"]],
  ["src/management/", ["src/management/", "src/chat/", "src/sip/", "src/ports.ts"]],
  ["src/transfer/", ["src/transfer/", "src/management/", "src/chat/", "zod", "csv-parse"]],
  ["src/session.ts", ["src/chat/", "src/sip/", "src/ports.ts"]],
  ["src/sessions.ts", ["src/sip/", "src/session.ts"]],
  [
    "src/delivery/",
    [
      "src/delivery/",
      "src/chat/",
      "src/sip/",
      "src/xccos/",
      "src/ports.ts",
      "src/user-ports.ts",
      "src/session.ts",
    ],
  ],
  [
    "src/attendance.ts",
    ["src/chat/", "src/sip/", "src/delivery/", "src/ports.ts", "src/session.ts", "src/sessions.ts"],
  ],
  [
    "src/commands/",
    [
      "src/commands/",
      "src/chat/",
      "src/sip/",
      "src/xccos/",
      "src/delivery/",
      "src/ports.ts",
      "src/user-ports.ts",
      "src/search-ports.ts",
      "src/reading-ports.ts",
      "src/session.ts",
      "src/attendance.ts",
      "src/management/",
    ],
  ],
  [
    "src/receive.ts",
    ["src/commands/", "src/chat/", "src/xccos/", "src/delivery/", "src/ports.ts", "src/session.ts"],
  ],
  [
    "src/pool/",
    [
      "src/pool/",
      "src/delivery/",
      "src/chat/",
      "src/sip/",
      "src/management/",
      "src/ports.ts",
      "src/user-ports.ts",
      "src/attendance.ts",
      "src/session.ts",
      "src/sessions.ts",
    ],
  ],
  ["src/directory/ldap/", ["src/directory/", "ldapts"]],
  ["src/directory/", ["src/directory/", "src/sip/"]],
  ["src/alerts/", ["src/alerts/", "nodemailer"]],
  ["src/compliance/", ["src/compliance/", "src/chat/", "src/ports.ts"]],
  [
    "src/store/mysql/",
    [
      "src/store/mysql/",
      "src/ports.ts",
      "src/user-ports.ts",
      "src/search-ports.ts",
      "src/reading-ports.ts",
      "src/chat/",
      "src/sip/",
      "src/compliance/",
      "src/management/",
      "src/directory/ports.ts",
      "src/alerts/",
      "src/transfer/",
      "mysql2",
    ],
  ],
  [
    "src/store/redis/",
    ["src/store/redis/", "src/ports.ts", "src/chat/", "src/sip/", "src/compliance/", "redis", "bullmq"],
  ],
  ["src/store/spool/", ["src/store/spool/", "src/reading-ports.ts", "src/ports.ts", "src/chat/", "src/sip/"]],
  [
    "src/http/",
    ["src/http/", "src/chat/", "src/compliance/", "src/ports.ts", "fastify", "zod", "prom-client"],
  ],
  ["src/telemetry.ts", ["pino", "prom-client"]],
  ["kamailio/jsonrpc/", ["kamailio/jsonrpc/"]],
  ["kamailio/", ["kamailio/", "src/", "zod"]],
  ["asterisk/", ["asterisk/", "src/", "ari-client"]],
  ["plugin/client/", ["plugin/client/", "saxes"]],
  ["plugin/", ["plugin/", "kamailio/", "asterisk/", "src/", "zod", "yaml", "mysql2", "redis", "csv-parse"]],
];

/** Adapters may not reach into another adapter through the whole of src. */
const FORBIDDEN: readonly (readonly [place: string, target: string])[] = [
  ["kamailio/", "src/store/"],
  ["kamailio/", "src/http/"],
  ["asterisk/", "src/store/"],
  ["asterisk/", "kamailio/"],
];

const MAX_LINES = 300;
const root = join(import.meta.dirname, "..");

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts") && !name.includes("node_modules"));
}

const files = ["src", "kamailio", "asterisk", "plugin"]
  .flatMap(sourceFiles)
  .filter((name) => !name.includes("/test/"));

/** Import specifiers of a file; relative ones as paths from the root, packages by name, Node's own left out. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  const specifiers = [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|import\(\s*"([^"]+)"\s*\)|(?:^|\n)import\s+"([^"]+)"/g,
    ),
  ];
  return specifiers
    .map((match) => match[1] ?? match[2] ?? match[3] ?? "")
    .filter((specifier) => !specifier.startsWith("node:"))
    .map((specifier) =>
      specifier.startsWith(".")
        ? relative(root, normalize(join(root, dirname(file), specifier)))
        : specifier
            .split("/")
            .slice(0, specifier.startsWith("@") ? 2 : 1)
            .join("/"),
    );
}

function violations(file: string, imports: readonly string[]): string[] {
  const rule = RULES.find(([place]) => file.startsWith(place));
  if (!rule) return [`${file} lies in no place the architecture knows`];
  const allowed = (target: string) =>
    rule[1].some((may) => (may.includes("/") ? target.startsWith(may) : target === may)) &&
    !FORBIDDEN.some(([place, forbidden]) => file.startsWith(place) && target.startsWith(forbidden));
  return imports.filter((target) => !allowed(target)).map((target) => `${file} may not import ${target}`);
}

test("every import follows the dependency rule", () => {
  assert.ok(files.length > 40, `only ${files.length} files were found`);
  assert.deepEqual(
    files.flatMap((file) => violations(file, importsOf(file))),
    [],
  );
});

test("a forbidden import would be found", () => {
  assert.deepEqual(violations("src/chat/room.ts", ["src/xccos/xml.ts"]), [
    "src/chat/room.ts may not import src/xccos/xml.ts",
  ]);
  assert.deepEqual(violations("kamailio/gateway.ts", ["src/store/mysql/stores.ts"]).length, 1);
  assert.deepEqual(violations("src/attic/x.ts", []).length, 1);
});

test(`no file is longer than ${MAX_LINES} lines`, () => {
  const long = files
    .map((file) => ({ file, lines: readFileSync(join(root, file), "utf8").split("\n").length }))
    .filter(({ lines }) => lines > MAX_LINES);
  assert.deepEqual(long, []);
});

test("nothing but the configuration reads the environment", () => {
  const readers = files.filter((file) => /process\.env\b/.test(readFileSync(join(root, file), "utf8")));
  assert.deepEqual(
    readers.filter((file) => !file.startsWith("plugin/")),
    [],
  );
});
