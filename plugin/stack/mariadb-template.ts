import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { cp, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { errorCode, OperatorError } from "./operator-error.ts";
import { locate } from "./process.ts";

const run = promisify(execFile);
const manifestName = "parlance-template.json";

/**
 * Makes a fresh MariaDB data directory. With `useCache` it is copied from a template which is made once per MariaDB
 * version and user: a test that starts a server pays for a copy only. The template holds no password.
 * @throws OperatorError when mariadb-install-db fails.
 */
export async function makeDataDir(dataDir: string, useCache: boolean): Promise<void> {
  if (!useCache) return install(dataDir);
  const template = await findTemplate();
  await cp(template, dataDir, { recursive: true, mode: constants.COPYFILE_FICLONE });
  await rm(join(dataDir, manifestName), { force: true });
}

async function findTemplate(): Promise<string> {
  const cache = join(tmpdir(), `parlance-cache-${process.getuid?.() ?? 0}`);
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const owner = await lstat(cache);
  if (!owner.isDirectory() || owner.uid !== (process.getuid?.() ?? 0) || (owner.mode & 0o022) !== 0) {
    throw new OperatorError(`${cache} belongs to somebody else: remove it.`);
  }
  const version = (await run(locate("mariadbd", "mariadb-server-core"), ["--no-defaults", "--version"]))
    .stdout;
  const template = join(cache, `mariadb-${version.replaceAll(/[^0-9A-Za-z.]+/g, "-").slice(0, 80)}`);
  if (await isComplete(template)) return template;
  const fresh = await mkdtemp(join(cache, "new-"));
  await install(join(fresh, "data"));
  await writeFile(join(fresh, "data", manifestName), JSON.stringify(await sizes(join(fresh, "data"))));
  try {
    // Several test files may do this at the same time: the first one wins, a damaged template is moved away.
    await rename(template, join(fresh, "damaged")).catch(() => undefined);
    await rename(join(fresh, "data"), template);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes(errorCode(error))) throw error;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return template;
}

/** A cleaner of temporary files may have taken some: a template counts only with every file in its size. */
async function isComplete(template: string): Promise<boolean> {
  try {
    const expected = await readFile(join(template, manifestName), "utf8");
    return expected === JSON.stringify(await sizes(template));
  } catch {
    return false;
  }
}

async function sizes(folder: string): Promise<Record<string, number>> {
  const entries = await readdir(folder, { recursive: true });
  const found: Record<string, number> = {};
  for (const name of entries.sort()) {
    const entry = await stat(join(folder, name));
    if (entry.isFile() && name !== manifestName) found[name] = entry.size;
  }
  return found;
}

async function install(dataDir: string): Promise<void> {
  const program = locate("mariadb-install-db", "mariadb-server-core");
  locate("my_print_defaults", "mariadb-client-core"); // mariadb-install-db calls it and fails obscurely without
  const args = ["--no-defaults", `--datadir=${dataDir}`, "--auth-root-authentication-method=normal"];
  // --force: a host whose own name cannot be resolved needs no account for it.
  args.push("--force", "--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=16M");
  // A MariaDB that begins deletes the temporary tables it finds: in a shared folder those of every other one.
  const temporary = await mkdtemp(join(tmpdir(), "parlance-install-"));
  args.push(`--tmpdir=${temporary}`);
  if (process.getuid?.() === 0) args.push("--user=root");
  try {
    await run(program, args, { timeout: 120_000, maxBuffer: 4 << 20 });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string }; // execFile adds what was written
    const last = `${stdout}\n${stderr}`.split("\n").filter(Boolean).slice(-4).join(" | ").slice(0, 500);
    throw new OperatorError(`MariaDB could not make its data directory ${dataDir}: ${last}`, {
      cause: error,
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
