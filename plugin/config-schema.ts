import { z } from "zod";
import { SETTINGS, type SettingName, type SettingValues, settingProblem } from "../src/chat/setting.ts";
import { parseSizeBytes } from "../src/chat/size.ts";
import { isFilter } from "../src/directory/ldap/filter.ts";
import { parseDurationMs } from "./units.ts";

const duration = (least: string, most: string) =>
  z.union([z.string(), z.number()]).transform((given, context) => {
    const ms = parseDurationMs(String(given));
    const [low, high] = [parseDurationMs(least) ?? 0, parseDurationMs(most) ?? 0];
    if (ms !== undefined && ms >= low && ms <= high) return ms;
    context.addIssue({
      code: "custom",
      message: `"${given}" is not a duration from ${least} to ${most}, such as ${least}`,
    });
    return z.NEVER;
  });

const size = (least: string, most: string) =>
  z.union([z.string(), z.number()]).transform((given, context) => {
    const bytes = parseSizeBytes(String(given));
    const [low, high] = [parseSizeBytes(least) ?? 0, parseSizeBytes(most) ?? 0];
    if (bytes !== undefined && bytes >= low && bytes <= high) return bytes;
    context.addIssue({
      code: "custom",
      message: `"${given}" is not a size from ${least} to ${most}, such as ${least}`,
    });
    return z.NEVER;
  });

/** What can be changed at run time has the same rules here and there. */
const setting = <Name extends SettingName>(name: Name) =>
  z
    .unknown()
    .optional()
    .transform((given, context): SettingValues[Name] => {
      if (given === undefined) return SETTINGS[name].default;
      const text = typeof given === "string" ? given : given === null ? "" : JSON.stringify(given);
      const value = SETTINGS[name].read(text);
      if (value !== undefined) return value;
      context.addIssue({ code: "custom", message: settingProblem(name, text) ?? "" });
      return z.NEVER;
    });

const address = z.string().transform((given, context) => {
  const match = /^(\[[0-9a-f:]+\]|[a-z0-9.-]+):([0-9]{1,5})$/i.exec(given);
  const port = Number(match?.[2]);
  if (match?.[1] && port > 0 && port < 65_536) return { host: match[1].replace(/^\[|\]$/g, ""), port };
  context.addIssue({ code: "custom", message: `"${given}" is not host:port, such as 127.0.0.1:9101` });
  return z.NEVER;
});

const count = (low: number, high: number) => z.number().int().min(low).max(high);
const domain = z
  .string()
  .toLowerCase()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, "is not a domain name such as example.com");

const edge = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, "is a letter, then letters, digits or hyphens"),
  control: z.url({ protocol: /^http$/, error: "is a URL such as http://127.0.0.2:5071" }),
  "local-address": z.string().optional(),
  sockets: count(1, 16).default(4),
  "max-call": size("12kB", "1MB").default(120_000),
});

const filter = z.string().refine(isFilter, "is no LDAP filter such as (objectClass=person)");
/** A name, perhaps with options, or a number (RFC 4512 §2.5). */
const attribute = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.;-]{0,127}$/, "is the name of an attribute");

const directory = z
  .strictObject({
    enabled: z.boolean().default(false),
    url: z.url({ protocol: /^ldaps?$/, error: "is a URL such as ldaps://ldap.example.com" }).optional(),
    "ca-file": z.string().optional(),
    "bind-dn": z.string().min(1).optional(),
    "password-file": z.string().optional(),
    "users-base-dn": z.string().optional(),
    "users-filter": filter.default("(objectClass=person)"),
    "groups-base-dn": z.string().optional(),
    "groups-filter": filter.default(
      "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=group))",
    ),
    "sip-attribute": attribute.default("mail"),
    "name-attribute": attribute.default("displayName"),
    "mail-attribute": attribute.default("mail"),
    "group-name-attribute": attribute.default("cn"),
    "group-id-attribute": attribute.default("entryUUID"),
    "member-attributes": z.array(attribute).max(8).default(["member", "uniqueMember"]),
    "member-of-attribute": attribute.optional(),
    "create-users": z.boolean().default(true),
    "max-removal": count(0, 100).default(20),
    "refresh-interval": duration("1s", "7d").default(900_000),
    "page-size": count(1, 10_000).default(500),
    "connect-timeout": duration("100ms", "1m").default(5_000),
    timeout: duration("1s", "5m").default(30_000),
  })
  .check(({ value, issues }) => {
    const needed = (key: "url" | "users-base-dn" | "groups-base-dn" | "bind-dn" | "password-file") => {
      if (value[key] === undefined)
        issues.push({ code: "custom", message: "is missing", path: [key], input: value });
    };
    if (value.enabled) for (const key of ["url", "users-base-dn", "groups-base-dn"] as const) needed(key);
    if (value["bind-dn"] !== undefined) needed("password-file");
    if (value["password-file"] !== undefined) needed("bind-dn");
  })
  .prefault({});

const mailbox = z.email("is a mail address such as ops@example.com");
const alerts = z
  .strictObject({
    "webhook-url-file": z.string().optional(),
    "webhook-token-file": z.string().optional(),
    "smtp-url-file": z.string().optional(),
    "mail-from": mailbox.optional(),
    "mail-to": z.array(mailbox).max(20).default([]),
    "repeat-interval": duration("1m", "30d").default(14_400_000),
  })
  .check(({ value, issues }) => {
    const needs = (path: keyof typeof value) =>
      issues.push({ code: "custom", message: "is missing", path: [path], input: value });
    const byMail = value["smtp-url-file"] !== undefined;
    if (byMail && value["mail-from"] === undefined) needs("mail-from");
    if (byMail && value["mail-to"].length === 0) needs("mail-to");
    if (!byMail && (value["mail-from"] !== undefined || value["mail-to"].length > 0)) needs("smtp-url-file");
    if (value["webhook-token-file"] !== undefined && value["webhook-url-file"] === undefined)
      needs("webhook-url-file");
  })
  .prefault({});

const command = z.array(z.string().min(1).max(4_096)).min(1).max(32);

const archive = z
  .strictObject({
    enabled: z.boolean().default(true),
    "key-file": z.string().default("./secret/archive.key"),
    "sign-command": command.optional(),
    "public-key": z.string().optional(),
    "checkpoint-interval": duration("1s", "1h").default(60_000),
    "checkpoint-file": z.string().default("./compliance/checkpoints.txt"),
    "checkpoint-command": command.optional(),
  })
  .check(({ value, issues }) => {
    const needed = (key: "sign-command" | "public-key", by: "sign-command" | "public-key") => {
      if (value[by] !== undefined && value[key] === undefined)
        issues.push({ code: "custom", message: `is missing: ${by} needs it`, path: [key], input: value });
    };
    needed("public-key", "sign-command");
    needed("sign-command", "public-key");
  })
  .prefault({});

/** Of a call, around the one reply in it. */
export const AROUND_REPLY_BYTES = 4_000;

/** Every key there is; any other is an error. */
export const configSchema = z
  .strictObject({
    domain,
    "pool-uri": z
      .string()
      .regex(/^sip:[^@\s;<>]+@[^@\s;<>]+$/, "is a SIP address such as sip:pchat@example.com"),
    node: z.strictObject({
      name: z.string().regex(/^[a-z][a-z0-9]{0,15}$/, "is a letter, then letters and digits, such as n1"),
      listen: address,
    }),
    link: z.strictObject({ "key-file": z.string(), edges: z.array(edge).min(1).max(16) }),
    mysql: z.strictObject({ "url-file": z.string() }),
    redis: z.strictObject({ "url-file": z.string() }),
    http: z.strictObject({ listen: address }),
    chat: z
      .strictObject({
        "display-name": z.string().min(1).max(256).default("Persistent Chat"),
        "default-chat-history": setting("default-chat-history"),
        "max-message": setting("max-message"),
        "max-story": setting("max-story"),
        "search-limit": setting("search-limit"),
        "participant-update-limit": setting("participant-update-limit"),
        // RFC 4028 §5 allows no less than 90 s; what is shorter serves to try expiry out, and the node says so at its start.
        "session-expires": duration("2s", "1d").default(720_000),
        "max-reply": size("4kB", "900kB").default(100_000),
        "room-management-url": setting("room-management-url"),
      })
      .prefault({}),
    compliance: z
      .strictObject({
        enabled: z.boolean().default(true),
        adapter: z.literal("lync-xml", { error: "is lync-xml" }).default("lync-xml"),
        "output-directory": z.string().default("./compliance"),
        "spool-directory": z.string().default("./spool"),
        "run-interval": duration("1m", "30d").default(900_000),
        "one-room-per-file": z.boolean().default(false),
        "add-room-details": z.boolean().default(false),
        "add-user-details": z.boolean().default(false),
        "transform-command": command.optional(),
        "heartbeat-interval": duration("1s", "10m").default(15_000),
        "reconcile-interval": duration("1m", "1d").default(3_600_000),
        archive,
      })
      .prefault({}),
    directory,
    alerts,
    log: z
      .strictObject({ level: z.enum(["fatal", "error", "warn", "info", "debug"]).default("info") })
      .prefault({}),
  })
  .check((context) => {
    const { chat, link } = context.value;
    for (const { name, "max-call": maxCall } of link.edges) {
      if (chat["max-reply"] + AROUND_REPLY_BYTES <= maxCall) continue;
      const message = `must be 4 kB below max-call of ${name} (${maxCall} bytes), or its replies never arrive`;
      context.issues.push({ code: "custom", message, path: ["chat", "max-reply"], input: chat["max-reply"] });
    }
  });

export type ConfigFile = z.infer<typeof configSchema>;
