import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { errorCode, OperatorError } from "./operator-error.ts";
import { claimFolder } from "./pid-files.ts";

export interface Secrets {
  /** Shared secret of the link between Kamailio and the nodes: 64 hex digits. */
  readonly linkKey: string;
  readonly mysqlRootPassword: string;
  readonly mysqlPassword: string;
  /** Of Kamailio's database account. */
  readonly edgePassword: string;
  readonly redisPassword: string;
}

/** The folders of one stack. */
export interface StateFolder {
  readonly stateDir: string;
  readonly secrets: Secrets;
  /** Folder for sockets, short enough for their 107 bytes. */
  readonly socketDir: string;
}

/** Longest path of a unix socket that every platform part accepts (unix(7): 107 bytes and a zero). */
const maxSocketPathBytes = 107;
const longestSocketName = "kamailio_rpc.sock";
const socketDirFile = "socket-dir";
const socketDirPrefix = "parlance-run-";

/**
 * Opens a state folder, or makes one with fresh secrets. An existing one keeps its secrets, so that its data stays readable.
 * With `claim` it belongs to this process until `forgetPid(…, starterName)`.
 * @throws OperatorError when it cannot be written, its secrets cannot be read, or something runs from it already
 */
export function openState(path: string, claim: boolean): StateFolder {
  const stateDir = resolve(path);
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    for (const name of ["secret", "run", "log"])
      mkdirSync(join(stateDir, name), { recursive: true, mode: 0o700 });
    accessSync(join(stateDir, "run"), constants.W_OK);
    if (claim) claimFolder(stateDir);
    return { stateDir, secrets: readSecrets(stateDir), socketDir: findSocketDir(stateDir) };
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const reason = errorCode(error) || "unknown error";
    throw new OperatorError(
      `The state folder ${stateDir} cannot be used (${reason}): give another one with --state DIR, or the right to write it.`,
      { cause: error },
    );
  }
}

function readSecrets(stateDir: string): Secrets {
  const folder = join(stateDir, "secret");
  const secret = (name: string, bytes: number): string => {
    const file = join(folder, name);
    if (!existsSync(file)) {
      // In one step: a start that is killed here must not leave an empty secret behind.
      writeFileSync(`${file}.new`, `${randomBytes(bytes).toString("hex")}\n`, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    }
    const value = readFileSync(file, "utf8").trim();
    if (!/^[0-9a-f]{32,}$/.test(value)) {
      throw new OperatorError(
        `${file} is damaged: restore it, or start with an empty state folder (--state DIR).`,
      );
    }
    return value;
  };
  return {
    linkKey: secret("link.key", 32),
    mysqlRootPassword: secret("mysql-root.password", 16),
    mysqlPassword: secret("mysql.password", 16),
    edgePassword: secret("mysql-kamailio.password", 16),
    redisPassword: secret("redis.password", 16),
  };
}

/** The run folder itself, or, when its path is too long for a socket, a folder in the temporary one whose name is kept. */
function findSocketDir(stateDir: string): string {
  const run = join(stateDir, "run");
  if (Buffer.byteLength(join(run, longestSocketName)) <= maxSocketPathBytes) return run;
  removeSocketDir(stateDir);
  const folder = mkdtempSync(join(tmpdir(), socketDirPrefix));
  writeFileSync(join(run, socketDirFile), folder, { mode: 0o600 });
  return folder;
}

/** Removes the socket folder outside the state folder, when there is one. */
export function removeSocketDir(stateDir: string): void {
  const file = join(stateDir, "run", socketDirFile);
  if (!existsSync(file)) return;
  const folder = readFileSync(file, "utf8");
  if (folder.startsWith(join(tmpdir(), socketDirPrefix))) rmSync(folder, { recursive: true, force: true });
  rmSync(file, { force: true });
}
