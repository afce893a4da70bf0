import type { ConnectionOptions } from "mysql2";

/** One attempt to reach the server. Together with a statement's limit it stays near two seconds. */
export const CONNECT_TIMEOUT_MS = 1_000;
/** The server answers a statement within this time or counts as not there. Longer than a lock wait, see SESSION. */
export const STATEMENT_TIMEOUT_MS = 1_800;

/**
 * First statement of every connection. Strict mode refuses what would be cut; without NO_BACKSLASH_ESCAPES and ANSI_QUOTES
 * the client's escaping is right; READ COMMITTED takes no gap locks; a lock is waited for at most one second.
 */
export const SESSION =
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00', " +
  "SESSION innodb_lock_wait_timeout = 1, SESSION autocommit = 1";
export const ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/**
 * From `mysql://user:password@host:port/database`; `?socket=/path` for a Unix socket, `?tls=on` for TLS with a verified
 * certificate. @throws {TypeError} naming what is wrong, never the password
 */
export function connectionOptions(url: string): ConnectionOptions {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^(mysql|mariadb):$/.test(parsed.protocol))
    throw new TypeError("The database URL must look like mysql://user:password@host:3306/database");
  const database = decodeURIComponent(parsed.pathname.slice(1));
  if (database === "") throw new TypeError("The database URL names no database");
  const socket = parsed.searchParams.get("socket");
  const reach = socket ? { socketPath: socket } : { host: hostOf(parsed), port: Number(parsed.port || 3306) };
  return {
    ...reach,
    user: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
    database,
    charset: "UTF8MB4_UNICODE_520_CI",
    connectTimeout: CONNECT_TIMEOUT_MS,
    supportBigNumbers: true,
    timezone: "Z",
    ...(parsed.searchParams.get("tls") === "on" ? { ssl: {} } : {}),
  };
}

/** An IPv6 address stands in brackets in a URL only. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}
