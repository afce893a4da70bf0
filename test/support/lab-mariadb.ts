import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeDataDir } from "../../plugin/stack/mariadb-template.ts";
import { eventually, freePort } from "./lab-ports.ts";
import { startProcess } from "./lab-process.ts";

const run = promisify(execFile);

export interface LabDatabase {
  /** `mysql://…` as Kamailio wants it. */
  readonly url: string;
  sql(text: string): Promise<string>;
  addUser(user: string, domain: string, password: string): Promise<void>;
  stop(): Promise<void>;
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

/** A MariaDB of its own in `dir`, with Kamailio's standard table `subscriber`. */
export async function startMariadb(dir: string): Promise<LabDatabase> {
  const data = join(dir, "mysql");
  const socket = join(dir, "mysql.sock");
  const port = await freePort();
  await makeDataDir(data, true);
  const server = startProcess(
    "mariadbd",
    [
      "--no-defaults",
      `--datadir=${data}`,
      // Its own: one that begins deletes the temporary tables that it finds.
      `--tmpdir=${dir}`,
      `--socket=${socket}`,
      `--port=${port}`,
      "--bind-address=127.0.0.1",
      "--user=root",
      "--innodb-flush-log-at-trx-commit=0",
      "--innodb-buffer-pool-size=16M",
      `--pid-file=${join(dir, "mysql.pid")}`,
    ],
    join(dir, "mysql.log"),
  );
  const sql = async (text: string): Promise<string> =>
    (await run("mariadb", ["--no-defaults", `--socket=${socket}`, "-uroot", "-N", "-e", text])).stdout;
  await eventually("MariaDB answers", () => sql("SELECT 1").catch(() => undefined), 30_000);
  await sql(
    `CREATE DATABASE kamailio; CREATE USER kamailio@'127.0.0.1' IDENTIFIED BY 'kamailiorw';
     GRANT ALL ON kamailio.* TO kamailio@'127.0.0.1';
     CREATE TABLE kamailio.subscriber (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, username VARCHAR(64) NOT NULL DEFAULT '',
       domain VARCHAR(64) NOT NULL DEFAULT '', password VARCHAR(64) NOT NULL DEFAULT '', ha1 VARCHAR(128) NOT NULL DEFAULT '',
       ha1b VARCHAR(128) NOT NULL DEFAULT '', UNIQUE KEY account_idx (username, domain), KEY username_idx (username))`,
  );
  return {
    url: `mysql://kamailio:kamailiorw@127.0.0.1:${port}/kamailio`,
    sql,
    async addUser(user, domain, password) {
      const ha1 = md5(`${user}:${domain}:${password}`);
      const ha1b = md5(`${user}@${domain}:${domain}:${password}`);
      await sql(
        `INSERT INTO kamailio.subscriber (username, domain, ha1, ha1b) VALUES ('${user}', '${domain}', '${ha1}', '${ha1b}')`,
      );
    },
    stop: () => server.stop(),
  };
}
