import { createHash } from "node:crypto";
import { createConnection } from "mysql2/promise";

export interface Subscriber {
  /** User part of the SIP address, lower case. */
  readonly username: string;
  /** Domain of the address, which is also the digest realm. */
  readonly domain: string;
  readonly password: string;
}

/** Gives SIP accounts their digest password in Kamailio's subscriber table; existing ones get the new password. */
export async function saveSubscribers(
  edgeMysqlUrl: string,
  subscribers: readonly Subscriber[],
): Promise<void> {
  if (subscribers.length === 0) return;
  const rows = subscribers.map(({ username, domain, password }) => [
    username,
    domain,
    // RFC 2617 §3.2.2.2: A1 = user ":" realm ":" password; the second form is for a login with the domain.
    md5(`${username}:${domain}:${password}`),
    md5(`${username}@${domain}:${domain}:${password}`),
  ]);
  const connection = await createConnection({ uri: edgeMysqlUrl, connectTimeout: 5_000 });
  try {
    const sql =
      "INSERT INTO subscriber (username, domain, ha1, ha1b) VALUES ? ON DUPLICATE KEY UPDATE ha1 = VALUES(ha1), ha1b = VALUES(ha1b)";
    await connection.query({ sql, timeout: 10_000 }, [rows]);
  } finally {
    await connection.end();
  }
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}
