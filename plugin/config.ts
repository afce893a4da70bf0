import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { LineCounter, parse, parseDocument } from "yaml";
import type { z } from "zod";
import { settingNamed } from "../src/chat/setting.ts";
import { ConfigError } from "./config-error.ts";
import { type ConfigFile, configSchema } from "./config-schema.ts";

/** The validated settings and the secrets they name. Read once, never changed. */
export interface Config extends ConfigFile {
  readonly file: string;
  readonly key: string;
  readonly mysqlUrl: string;
  readonly redisUrl: string;
  /** Absolute. */
  readonly outputDirectory: string;
  /** Absolute. */
  readonly spoolDirectory: string;
  /** Of the archive's signing key. Absolute. */
  readonly archiveKeyFile: string;
  /** Absolute. */
  readonly checkpointFile: string;
  /** Of `directory.bind-dn`; undefined without one. */
  readonly directoryPassword: string | undefined;
  /** Absolute. */
  readonly directoryCaFile: string | undefined;
  /** Where alerts are told; undefined what is not set. */
  readonly alertSecrets: {
    readonly webhookUrl: string | undefined;
    readonly webhookToken: string | undefined;
    readonly smtpUrl: string | undefined;
  };
}

/**
 * Reads the configuration file.
 * @throws {ConfigError} with the setting, its line and the way out
 */
export function loadConfig(file: string): Config {
  const path = resolve(file);
  const settings = parseConfig(readText(path, "The configuration"), path);
  const base = dirname(path);
  return Object.freeze({
    ...settings,
    file: path,
    key: readSecret(
      base,
      settings.link["key-file"],
      "link.key-file",
      /^[0-9a-f]{64}$/,
      "64 hexadecimal digits",
    ),
    mysqlUrl: readSecret(
      base,
      settings.mysql["url-file"],
      "mysql.url-file",
      /^mysql:\/\/\S+$/,
      "a mysql:// URL",
    ),
    redisUrl: readSecret(
      base,
      settings.redis["url-file"],
      "redis.url-file",
      /^rediss?:\/\/\S+$/,
      "a redis:// URL",
    ),
    outputDirectory: resolve(base, settings.compliance["output-directory"]),
    spoolDirectory: resolve(base, settings.compliance["spool-directory"]),
    archiveKeyFile: resolve(base, settings.compliance.archive["key-file"]),
    checkpointFile: resolve(base, settings.compliance.archive["checkpoint-file"]),
    alertSecrets: readAlertSecrets(base, settings.alerts),
    directoryPassword:
      settings.directory["password-file"] === undefined
        ? undefined
        : readSecret(
            base,
            settings.directory["password-file"],
            "directory.password-file",
            /^[^\r\n]{1,512}$/,
            "a password, one line",
          ),
    directoryCaFile:
      settings.directory["ca-file"] === undefined ? undefined : resolve(base, settings.directory["ca-file"]),
  });
}

function readAlertSecrets(base: string, alerts: ConfigFile["alerts"]) {
  const secret = (
    key: "webhook-url-file" | "webhook-token-file" | "smtp-url-file",
    form: RegExp,
    what: string,
  ) => {
    const file = alerts[key];
    return file === undefined ? undefined : readSecret(base, file, `alerts.${key}`, form, what);
  };
  return {
    webhookUrl: secret("webhook-url-file", /^https?:\/\/\S+$/, "an http or https URL"),
    webhookToken: secret("webhook-token-file", /^[\x21-\x7e]{1,4096}$/, "a token, one line"),
    smtpUrl: secret("smtp-url-file", /^smtps?:\/\/\S+$/, "an smtp:// or smtps:// URL"),
  };
}

/** Checks the text of a configuration; see `loadConfig`. */
export function parseConfig(text: string, file: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [syntax] = document.errors;
  if (syntax)
    throw new ConfigError("", `${file} is not YAML: ${syntax.message.split("\n")[0]}`, { cause: syntax });
  const result = configSchema.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;
  // A misspelt setting is missing too: its misspelling says more.
  const { issues } = result.error;
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  if (!issue) throw new ConfigError("", `${file} cannot be used`);
  const where = document.getIn(issue.path, true) as { range?: [number, number, number] } | undefined; // a YAML node, when there is one
  const line = where?.range ? ` (line ${lines.linePos(where.range[0]).line} of ${file})` : ` (${file})`;
  throw new ConfigError(issue.path.join("."), `${describe(issue)}${line}`);
}

/** Settings of section `chat` that a valid file gives itself; all others have their defaults. */
export function chatSettingsIn(file: string): ReadonlySet<string> {
  const { chat } = parse(readText(file, "The configuration")) as { chat?: object | null }; // valid
  return new Set(Object.keys(chat ?? {}));
}

/** Lync's names for settings of section `compliance`. */
const LYNCS_COMPLIANCE: ReadonlyMap<string, string> = new Map([
  ["adaptertype", "adapter"],
  ["adapteroutputdirectory", "output-directory"],
  ["runinterval", "run-interval"],
  ["onechatroomperoutputfile", "one-room-per-file"],
  ["addchatroomdetails", "add-room-details"],
  ["adduserdetails", "add-user-details"],
  ["customconfiguration", "transform-command"],
]);

function describe(issue: z.core.$ZodIssue): string {
  // zod calls a missing setting one of the wrong type.
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) return "is missing";
  if (issue.code !== "unrecognized_keys") return issue.message;
  const [key = ""] = issue.keys;
  const known = keysAt(issue.path);
  const nearest = known.sort((a, b) => distance(key, a) - distance(key, b))[0];
  const lyncs =
    issue.path.at(-1) === "chat"
      ? settingNamed(key)
      : issue.path.at(-1) === "compliance" && LYNCS_COMPLIANCE.get(key.toLowerCase());
  if (lyncs) return `there is no setting "${key}"; did you mean "${lyncs}"?`;
  const hint =
    nearest && distance(key, nearest) <= Math.min(3, key.length - 1)
      ? `; did you mean "${nearest}"?`
      : `; known are ${known.join(", ")}`;
  return `there is no setting "${key}"${hint}`;
}

function keysAt(path: readonly PropertyKey[]): string[] {
  let schema: unknown = configSchema;
  for (const step of path) schema = member(unwrap(schema), String(step));
  return Object.keys(shapeOf(unwrap(schema)) ?? {});
}

/** zod wraps an object with a default into another schema. */
function unwrap(schema: unknown): unknown {
  const inner = (schema as { def?: { innerType?: unknown; element?: unknown } } | undefined)?.def; // zod's public `def`
  return inner?.innerType === undefined ? schema : unwrap(inner.innerType);
}

function shapeOf(schema: unknown): Record<string, unknown> | undefined {
  return (schema as { shape?: Record<string, unknown> } | undefined)?.shape; // present on object schemas only
}

function member(schema: unknown, key: string): unknown {
  const shape = shapeOf(schema);
  return shape ? shape[key] : (schema as { def?: { element?: unknown } } | undefined)?.def?.element; // an array's element
}

/** Levenshtein distance of two short words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code; // what fs throws
    const why =
      code === "ENOENT"
        ? "does not exist"
        : code === "EACCES"
          ? "may not be read by this user"
          : "cannot be read";
    throw new ConfigError("", `${what} ${path} ${why}`, { cause });
  }
}

/**
 * A secret from a file that only its owner can read.
 * @param path the setting, or whatever else names the file
 * @throws {ConfigError}
 */
export function readSecret(base: string, name: string, path: string, form: RegExp, what: string): string {
  const file = resolve(base, name);
  const text = readText(file, `${path}:`).trim();
  if (!form.test(text)) throw new ConfigError(path, `${file} does not hold ${what}`);
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new ConfigError(path, `others can read ${file}; run: chmod 600 ${file}`);
  }
  return text;
}
