import { fork, spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { repositoryRoot } from "../../plugin/stack/repository.ts";
import { readArguments } from "./arguments.ts";
import type { Part, PartReport, PartResult } from "./part.ts";
import type { PartMessage } from "./part-process.ts";
import { PARTS } from "./parts.ts";
import { jsonLineOf, tableOf } from "./report.ts";

/** A part ends within ten minutes, its servers and its data included. */
const PART_LIMIT_MS = 590_000;
/** From the request to end until the process is killed. */
const GRACE_MS = 8_000;

/** `npm run bench [-- PART…] [--json FILE] [--profile DIR]` */
async function main(): Promise<number> {
  const names = PARTS.map(({ name }) => name);
  const given = readArguments(process.argv.slice(2), names, join(repositoryRoot, "var", "bench.jsonl"));
  const prepared = spawnSync(
    "sh",
    ["-c", 'root=$1; . "$root/plugin/prepare.sh"; check_node; prepare', "prepare", repositoryRoot],
    {
      stdio: "inherit",
    },
  );
  const jsonFile = resolve(given.jsonFile);
  mkdirSync(dirname(jsonFile), { recursive: true });
  writeFileSync(jsonFile, "");
  console.log(
    `\n${cpus().length} × ${cpus()[0]?.model ?? "unknown CPU"}, Node.js ${process.version}; results go to ${jsonFile}\n`,
  );
  let missed = 0;
  for (const part of PARTS.filter(({ name }) => given.parts.includes(name))) {
    const report =
      prepared.status === 0
        ? await runPart(part, given.profileDir)
        : failed(part, "the preparation failed: see above");
    console.log(tableOf(report, part.about));
    appendFileSync(jsonFile, jsonLineOf(report));
    if (!report.pass) missed += 1;
  }
  return missed === 0 ? 0 : 1;
}

/** In a process of its own: a part cannot spoil the next one, and a part that hangs is ended with its servers. */
async function runPart(part: Part, profileDir: string | undefined): Promise<PartReport> {
  const startedAt = performance.now();
  const child = fork(
    join(import.meta.dirname, "part-process.ts"),
    [part.name, ...(profileDir ? [resolve(profileDir)] : [])],
    {
      execArgv: ["--import", import.meta.resolve("tsx"), "--max-semi-space-size=64"],
    },
  );
  let result: PartResult | undefined;
  let why = "its process ended without a result";
  child.on("message", (message: PartMessage) => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0).padStart(4);
    if (message.kind === "progress") console.log(`${seconds} s  ${part.name}: ${message.text}`);
    else if (message.kind === "result") result = message.result;
    else why = message.why;
  });
  const limit = setTimeout(() => {
    why = `not done after ${PART_LIMIT_MS / 1_000} s`;
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), GRACE_MS).unref();
  }, PART_LIMIT_MS);
  await new Promise<void>((ended) => child.once("exit", () => ended()));
  clearTimeout(limit);
  if (!result) return failed(part, why);
  const { ratio, figures, broken = [] } = result;
  const took = { ...figures, "took, s": Math.round((performance.now() - startedAt) / 1_000) };
  return {
    part: part.name,
    ratio,
    bar: part.bar,
    pass: ratio >= part.bar && broken.length === 0,
    figures: took,
    broken,
  };
}

function failed({ name, bar }: Part, why: string): PartReport {
  return { part: name, ratio: Number.NaN, bar, pass: false, figures: { failed: why } };
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
