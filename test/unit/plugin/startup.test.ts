import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

/** Packages that a module loads when it is imported, itself and by what it imports; what is imported on demand does not count. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(file)) return packages;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, clause = "", specifier = ""] of text.matchAll(
    /^(?:import|export)\s([^;]*?)from "([^"]+)";|^import "([^"]+)";/gms,
  )) {
    if (/^type\b/.test(clause) || specifier.startsWith("node:")) continue;
    if (!specifier.startsWith(".")) packages.add(specifier);
    else for (const name of loadedBy(join(dirname(file), specifier), seen)) packages.add(name);
  }
  return packages;
}

test("a command loads neither Redis nor queues, web servers, mailers and loggers: that would take longer than its work", () => {
  const loaded = loadedBy(join(import.meta.dirname, "../../../plugin/main.ts"));
  assert.ok(loaded.has("zod") && loaded.has("mysql2/promise"), [...loaded].join(", "));
  for (const heavy of ["redis", "bullmq", "fastify", "nodemailer", "pino", "prom-client"])
    assert.ok(!loaded.has(heavy), heavy);
  const serving = loadedBy(join(import.meta.dirname, "../../../plugin/serve.ts"));
  assert.ok(serving.has("bullmq") && serving.has("fastify"), "a node does");
});
