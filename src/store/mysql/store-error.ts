import { ChatError } from "../../chat/errors.ts";

/**
 * What went wrong in the database, without the statement and the server's message: both may hold message text, which no
 * log may show.
 */
export class StoreError extends Error {
  /** Name of the server's error ("ER_DUP_ENTRY") or of the system's ("ECONNREFUSED"). */
  readonly code: string;
  readonly errno: number;
  /** Five characters of the SQL standard; empty when the server was not reached. */
  readonly sqlState: string;
  /** For ER_DUP_ENTRY: name of the violated key as the server spells it (MySQL puts the table before it). */
  readonly key: string | undefined;

  constructor(error: unknown) {
    const raw = fields(error);
    super(`database: ${raw.code}${raw.errno ? ` (${raw.errno})` : ""}`);
    this.name = "StoreError";
    this.code = raw.code;
    this.errno = raw.errno;
    this.sqlState = raw.sqlState;
    this.key = raw.errno === 1062 ? /for key '([^']*)'$/.exec(raw.message)?.[1] : undefined;
  }
}

export type Trouble = "unreachable" | "deadlock" | "lock-timeout" | "duplicate" | "data" | "other";

/** Connection gone or refused, server full, going down, read-only, out of disk: nothing a caller could have done better. */
const UNREACHABLE_CODES = new Set([
  "PROTOCOL_CONNECTION_LOST",
  "PROTOCOL_SEQUENCE_TIMEOUT",
  "PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR",
  "PROTOCOL_ENQUEUE_AFTER_QUIT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT",
]);
const UNREACHABLE_ERRNOS = new Set([
  1021, 1030, 1040, 1041, 1043, 1044, 1045, 1049, 1053, 1077, 1114, 1129, 1130, 1135, 1152, 1158, 1159, 1160,
  1161, 1184, 1203, 1226, 1290, 1317, 1836, 1792, 1927, 2006, 2013, 3024, 3032, 3100, 3101, 3168, 3169, 4031,
]);

/** Sorts an error by what can be done about it. */
export function troubleOf(error: StoreError): Trouble {
  // 1020, 1213: rolled back for the sake of another transaction; 3572 and 1205: a row is locked for too long.
  if (error.errno === 1213 || error.errno === 1020 || error.errno === 1614) return "deadlock";
  if (error.errno === 1205 || error.errno === 3572) return "lock-timeout";
  if (error.errno === 1062) return "duplicate";
  if (UNREACHABLE_CODES.has(error.code) || UNREACHABLE_ERRNOS.has(error.errno)) return "unreachable";
  if (error.sqlState.startsWith("08")) return error.errno === 1153 ? "data" : "unreachable";
  // 22 data, 23 constraint, 45 SIGNAL; some of MariaDB's data errors come as HY000.
  if (/^(22|23|45)/.test(error.sqlState) || error.errno === 1366 || error.errno === 1264) return "data";
  return "other";
}

/** What a caller of a port gets: STORE_DOWN when the database is not there, else our own fault with the cause. */
export function refusalOf(error: unknown): Error {
  if (error instanceof ChatError) return error;
  const cause = error instanceof StoreError ? error : new StoreError(error);
  const trouble = troubleOf(cause);
  if (trouble === "other" || trouble === "data" || trouble === "duplicate") return cause;
  return new ChatError("STORE_DOWN", { cause });
}

function fields(error: unknown): { code: string; errno: number; sqlState: string; message: string } {
  if (typeof error !== "object" || error === null)
    return { code: "UNKNOWN", errno: 0, sqlState: "", message: "" };
  const { code, errno, sqlState, message } = error as Record<string, unknown>; // whatever was thrown, looked at piece by piece
  return {
    code: typeof code === "string" ? code : error instanceof Error ? error.name : "UNKNOWN",
    errno: typeof errno === "number" && errno > 0 ? errno : 0,
    sqlState: typeof sqlState === "string" ? sqlState : "",
    message: typeof message === "string" ? message : "",
  };
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
