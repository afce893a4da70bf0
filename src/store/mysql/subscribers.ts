import { createHash } from "node:crypto";
import type { Queries } from "./database.ts";

export interface Subscriber {
  /** User part of the SIP address. */
  readonly username: string;
  /** Domain of the address, which is also the digest realm unless one is given. */
  readonly domain: string;
  readonly password: string;
  readonly realm?: string;
}

/** Accounts in one statement. */
const CHUNK = 1_000;

/**
 * Kamailio's table of accounts as version 5.6 makes it (`subscriber`, table version 7), for installations whose proxy has no
 * accounts yet. It is Kamailio's table, not ours: where it exists it stays as it is.
 */
export async function createSubscriberTable(kamailio: Queries): Promise<void> {
  await kamailio.change(
    "CREATE TABLE IF NOT EXISTS subscriber (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL, " +
      "username VARCHAR(64) DEFAULT '' NOT NULL, domain VARCHAR(64) DEFAULT '' NOT NULL, password VARCHAR(64) DEFAULT '' NOT NULL, " +
      "ha1 VARCHAR(128) DEFAULT '' NOT NULL, ha1b VARCHAR(128) DEFAULT '' NOT NULL, " +
      "CONSTRAINT account_idx UNIQUE (username, domain)) ENGINE=InnoDB DEFAULT CHARACTER SET latin1 COLLATE latin1_general_ci",
  );
  // Kamailio's modules refuse a table whose version is not the one they were built for.
  await kamailio.change(
    "CREATE TABLE IF NOT EXISTS version (table_name VARCHAR(32) NOT NULL, table_version INT UNSIGNED DEFAULT 0 NOT NULL, " +
      "CONSTRAINT table_name_idx UNIQUE (table_name)) ENGINE=InnoDB DEFAULT CHARACTER SET latin1 COLLATE latin1_general_ci",
  );
  await kamailio.change(
    "INSERT INTO version (table_name, table_version) VALUES ('subscriber', 7) ON DUPLICATE KEY UPDATE table_version = version.table_version",
  );
}

/** Adds accounts or gives them a new password. Only digests are stored (RFC 2617 §3.2.2.2), never the password. */
export async function saveSubscribers(kamailio: Queries, subscribers: readonly Subscriber[]): Promise<void> {
  const rows = subscribers.map(({ username, domain, password, realm = domain }) => [
    username,
    domain,
    md5(`${username}:${realm}:${password}`),
    md5(`${username}@${domain}:${realm}:${password}`), // for clients that give their whole address as user name
  ]);
  for (let from = 0; from < rows.length; from += CHUNK)
    await kamailio.change(
      "INSERT INTO subscriber (username, domain, ha1, ha1b) VALUES ? ON DUPLICATE KEY UPDATE ha1 = VALUES(ha1), ha1b = VALUES(ha1b)",
      [rows.slice(from, from + CHUNK)],
    );
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}
