import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OperatorError } from "./operator-error.ts";

const defaultDomain = "example.com";

/**
 * The domain of a state folder: as asked the first time, the same afterwards, because its rooms and users belong to it.
 * @throws OperatorError when another one is asked for later.
 */
export function chooseDomain(stateDir: string, asked: string | undefined): string {
  const file = join(stateDir, "domain");
  if (!existsSync(file)) {
    const domain = asked ?? defaultDomain;
    writeFileSync(file, `${domain}\n`, { mode: 0o600 });
    return domain;
  }
  const kept = readFileSync(file, "utf8").trim();
  if (asked !== undefined && asked !== kept) {
    throw new OperatorError(
      `${stateDir} belongs to the domain ${kept}: give another folder with --state DIR for ${asked}.`,
    );
  }
  return kept;
}
