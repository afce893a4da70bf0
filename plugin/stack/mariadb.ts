import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createConnection } from "mysql2/promise";
import { makeDataDir } from "./mariadb-template.ts";
import { locate, type ProcessPlan } from "./process.ts";

export interface MariadbSettings {
  readonly stateDir: string;
  /** Short folder for the socket: its path may have 107 bytes at most (unix(7)). */
  readonly runDir: string;
  readonly port: number;
  readonly rootPassword: string;
  readonly password: string;
  /** Of Kamailio's own account. */
  readonly edgePassword: string;
  readonly disposable: boolean;
  /** Server options such as { "innodb-buffer-pool-size": "1G" }; they win over the defaults. */
  readonly options: Readonly<Record<string, string>>;
  readonly parentDeathSignal: "KILL" | "TERM" | undefined;
}

const database = "parlance";

/** `mysql://parlance:…@127.0.0.1:PORT/parlance`: holds a password, never to be logged. */
export function mysqlUrl(port: number, password: string): string {
  return `mysql://parlance:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
}

/** Kamailio's way to its subscriber table; holds a password, never to be logged. */
export function edgeMysqlUrl(port: number, password: string): string {
  return `mysql://kamailio:${encodeURIComponent(password)}@127.0.0.1:${port}/kamailio`;
}

/** Makes the data directory when there is none and returns how to start the server on it. */
export async function prepareMariadb(settings: MariadbSettings): Promise<ProcessPlan> {
  const { stateDir, port } = settings;
  const dataDir = join(stateDir, "mariadb");
  if (!existsSync(join(dataDir, "mysql"))) await makeDataDir(dataDir, settings.disposable);
  const temporary = join(stateDir, "mariadb-tmp");
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  const initFile = join(stateDir, "secret", "mariadb-init.sql");
  writeFileSync(initFile, initStatements(settings), { mode: 0o600 });
  const options: Record<string, string> = {
    "character-set-server": "utf8mb4",
    "innodb-buffer-pool-size": "64M",
    "innodb-log-file-size": "64M",
    "key-buffer-size": "1M",
    "aria-pagecache-buffer-size": "4M",
    "max-connections": "300",
    "max-allowed-packet": "16M",
    ...(settings.disposable ? { "innodb-log-file-size": "16M", "innodb-buffer-pool-size": "32M" } : {}),
    ...settings.options,
    // An acknowledged post is never lost: whatever the options say, a commit is on the disk when it returns.
    "innodb-flush-log-at-trx-commit": "1",
  };
  return {
    name: "mariadb",
    command: locate("mariadbd", "mariadb-server-core"),
    args: [
      "--no-defaults",
      ...(process.getuid?.() === 0 ? ["--user=root"] : []),
      `--datadir=${dataDir}`,
      `--tmpdir=${temporary}`,
      `--socket=${join(settings.runDir, "mariadb.sock")}`,
      `--pid-file=${join(settings.runDir, "mariadb.pid")}`,
      `--init-file=${initFile}`,
      "--bind-address=127.0.0.1",
      `--port=${port}`,
      "--skip-name-resolve",
      "--local-infile=0",
      ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    ],
    logFile: join(stateDir, "log", "mariadb.log"),
    runDir: join(stateDir, "run"),
    answers: () => answers(port, settings.password),
    readyTimeoutMs: 60_000,
    stopTimeoutMs: 30_000,
    parentDeathSignal: settings.parentDeathSignal,
  };
}

/** Run by the server at each start before it accepts connections; repeating it changes nothing. One statement a line. */
function initStatements({ rootPassword, password, edgePassword }: MariadbSettings): string {
  return [
    ...account(database, password),
    ...account("kamailio", edgePassword),
    // Kamailio's standard table (auth_db), so far as digest needs it.
    "CREATE TABLE IF NOT EXISTS kamailio.subscriber (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, username VARCHAR(64) NOT NULL, domain VARCHAR(64) NOT NULL, ha1 CHAR(32) NOT NULL, ha1b CHAR(32) NOT NULL, UNIQUE KEY account (username, domain));",
    `ALTER USER IF EXISTS 'root'@'localhost' IDENTIFIED BY '${rootPassword}';`,
    `DELETE FROM mysql.global_priv WHERE User NOT IN ('parlance', 'kamailio', 'mariadb.sys') AND NOT (User = 'root' AND Host = 'localhost');`,
    "FLUSH PRIVILEGES;",
    "",
  ].join("\n");
}

/** A database and its only user, of the same name. */
function account(name: string, password: string): string[] {
  const user = `'${name}'@'127.0.0.1'`;
  return [
    `CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET utf8mb4;`,
    `CREATE USER IF NOT EXISTS ${user} IDENTIFIED BY '${password}';`,
    `ALTER USER ${user} IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON ${name}.* TO ${user};`,
  ];
}

async function answers(port: number, password: string): Promise<boolean> {
  const connection = await createConnection({
    host: "127.0.0.1",
    port,
    user: database,
    password,
    database,
    connectTimeout: 2_000,
  });
  try {
    await connection.query({ sql: "SELECT 1", timeout: 2_000 });
    return true;
  } finally {
    connection.destroy();
  }
}
