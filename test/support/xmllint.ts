import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);
const program = "/usr/bin/xmllint";

/** Installs xmllint when the host has none (Debian's libxml2-utils). @throws when that fails. */
export async function requireXmllint(): Promise<void> {
  if (existsSync(program)) return;
  await run("apt-get", ["install", "-y", "--no-install-recommends", "libxml2-utils"], { timeout: 120_000 });
}

/** The same for xsltproc. */
export async function requireXsltproc(): Promise<void> {
  if (existsSync("/usr/bin/xsltproc")) return;
  await run("apt-get", ["install", "-y", "--no-install-recommends", "xsltproc"], { timeout: 120_000 });
}

/** @returns undefined when the file is valid, else what xmllint says. */
export async function validate(xmlFile: string, schemaFile: string): Promise<string | undefined> {
  try {
    await run(program, ["--noout", "--nonet", "--huge", "--schema", schemaFile, xmlFile], {
      maxBuffer: 16 << 20,
    });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
