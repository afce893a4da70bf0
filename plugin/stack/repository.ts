import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** The repository's root, both from the sources and from the build below dist/. */
export const repositoryRoot = findRoot(import.meta.dirname);

/** State folder of plugin/up and plugin/down: as given, from the current folder, or var/ of the repository. */
export function stateDirOf(given: string | undefined): string {
  return given === undefined ? join(repositoryRoot, "var") : resolve(given);
}

/** Version of this Parlance, from package.json. */
export function readVersion(): string {
  const { version }: { version?: unknown } = JSON.parse(
    readFileSync(join(repositoryRoot, "package.json"), "utf8"),
  );
  return typeof version === "string" ? version : "0.0.0";
}

function findRoot(start: string): string {
  const above = join(start, "..", "..");
  return existsSync(join(above, "package.json")) ? above : join(above, "..");
}
