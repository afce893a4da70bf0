import { userInfo } from "node:os";
import { CHAT_ERRORS, ChatError } from "../src/chat/errors.ts";
import { ROLES } from "../src/chat/principal.ts";
import { poolStatus } from "../src/store/mysql/status.ts";
import { openStores, type Stores } from "../src/store/mysql/stores.ts";
import { EXIT, UsageError } from "./command-line.ts";
import { type CliCommand, configOf, expectWords, type Values } from "./configured.ts";
import { type Cell, printRows } from "./table.ts";

/** Rows shown by a list when nobody says how many. */
const LIST = 1_000;
const PRIVACY = ["open", "closed", "secret"] as const;
const TYPE = ["normal", "auditorium"] as const;

export type Work = (
  stores: Stores,
  words: readonly string[],
  values: Values,
) => Promise<readonly Record<string, Cell>[] | undefined>;

/** A verb of the administrator: opens the stores with the configuration's secrets, which is the right it needs. */
export function verb(
  summary: string,
  usage: string,
  names: readonly string[],
  options: readonly string[],
  work: Work,
  switches: readonly string[] = ["json"],
  details: readonly string[] = [],
): CliCommand {
  const flags = Object.fromEntries([
    ...options.map((option) => [option, { type: "string" as const }]),
    ...switches.map((option) => [option, { type: "boolean" as const }]),
  ]);
  return {
    summary,
    usage,
    details,
    options: flags,
    run: async (words, values) => {
      const given = expectWords(words, names, usage);
      const config = configOf(values);
      const stores = await openStores({
        url: config.mysqlUrl,
        domain: config.domain,
        compliance: config.compliance.enabled,
        connections: 2,
        administrator: userInfo().username,
      });
      try {
        const rows = await work(stores, given, values);
        if (rows) printRows(rows, values.json === true);
        return EXIT.ok;
      } catch (error) {
        // What the administrator has to decide differently; anything else is the database's trouble.
        if (error instanceof ChatError && CHAT_ERRORS[error.code].status < 500)
          throw new UsageError(error.message);
        throw error;
      } finally {
        await stores.close();
      }
    },
  };
}

export function oneOf<T extends string>(
  value: string | boolean | undefined,
  allowed: readonly T[],
  name: string,
): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((word) => word === value);
  if (found) return found;
  throw new UsageError(`${name} is one of ${allowed.join(", ")}`);
}

function onOff(value: string | boolean | undefined, name: string): boolean | undefined {
  const word = oneOf(value, ["on", "off"] as const, name);
  return word === undefined ? undefined : word === "on";
}

export const text = (value: string | boolean | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;
export const list = (value: string | boolean | undefined): string[] | undefined =>
  text(value)
    ?.split(",")
    .map((word) => word.trim());

/** `exactOptionalPropertyTypes`: what was not given is left out, not undefined. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof given<T>
  >; // only undefined left out
}

export const administrationCommands: Readonly<Record<string, CliCommand>> = {
  status: verb(
    "show nodes, dialogs and what waits for the archive",
    "parlance status [--json]",
    [],
    [],
    async ({ database }) => {
      const status = await poolStatus(database, Date.now());
      return status.nodes.length === 0
        ? [
            {
              node: "(none is running)",
              dialogs: 0,
              away: 0,
              users: status.users,
              rooms: status.rooms,
              outbox: status.outbox,
              handover: status.handover,
              quarantined: status.quarantined,
            },
          ]
        : status.nodes.map(({ incarnation, dialogs, away }) => ({
            node: incarnation,
            dialogs,
            away,
            users: status.users,
            rooms: status.rooms,
            outbox: status.outbox,
            handover: status.handover,
            quarantined: status.quarantined,
          }));
    },
  ),
  "policy set": verb(
    "allow or forbid persistent chat for everybody without a policy of their own (forbidden at first)",
    "parlance policy set on|off",
    ["on|off"],
    [],
    async ({ administration }, [word]) => {
      await administration.setGlobalPolicy(onOff(word, "the policy") ?? false);
      return undefined;
    },
  ),
  "user add": verb(
    "add a user, or change what is given; without --chat the global policy counts",
    "parlance user add SIP-ADDRESS [--name TEXT] [--email ADDRESS] [--chat on|off]",
    ["SIP-ADDRESS"],
    ["name", "email", "chat"],
    async ({ administration }, [uri = ""], values) => {
      await administration.addUser({
        uri,
        ...given({
          displayName: text(values.name),
          email: text(values.email),
          enabled: onOff(values.chat, "--chat"),
        }),
      });
      return undefined;
    },
  ),
  "user list": verb(
    "list users, groups and domains",
    "parlance user list [--json]",
    [],
    [],
    async ({ administration }) =>
      (await administration.listPrincipals(LIST)).map(({ uri, kind, displayName, enabled }) => ({
        address: uri,
        kind,
        name: displayName,
        chat: enabled === null ? "as global" : enabled ? "on" : "off",
      })),
  ),
  "category add": verb(
    "add a category; --allow says whose users can find and enter its rooms at all",
    "parlance category add NAME --allow ADDRESS,DOMAIN,… [--deny ADDRESS,DOMAIN,…] [--description TEXT]",
    ["NAME"],
    ["allow", "deny", "description"],
    async ({ administration }, [name = ""], values) => {
      await administration.addCategory({
        name,
        ...given({
          allowed: list(values.allow),
          denied: list(values.deny),
          description: text(values.description),
        }),
      });
      return undefined;
    },
  ),
  "category list": verb(
    "list categories",
    "parlance category list [--json]",
    [],
    [],
    async ({ administration }) =>
      (await administration.listCategories()).map(({ name, description, chatHistory }) => ({
        category: name,
        description,
        history: chatHistory ? "kept" : "not kept",
      })),
  ),
  "room add": verb(
    "add a room, closed and normal unless said otherwise: only its members enter",
    "parlance room add NAME --category NAME [--privacy open|closed|secret] [--type normal|auditorium] [--description TEXT]",
    ["NAME"],
    ["category", "privacy", "type", "description"],
    async ({ administration }, [name = ""], values) => {
      const category = text(values.category);
      if (category === undefined)
        throw new UsageError("--category is missing: every room hangs under one; see parlance category list");
      const room = await administration.addRoom({
        name,
        category,
        ...given({
          description: text(values.description),
          privacy: oneOf(values.privacy, PRIVACY, "--privacy"),
          type: oneOf(values.type, TYPE, "--type"),
        }),
      });
      return [{ room: room.name, uri: room.uri }];
    },
  ),
  "room list": verb("list rooms", "parlance room list [--json]", [], [], async ({ administration }) =>
    (await administration.listRooms(LIST)).map(({ name, uri, privacy, type, disabled }) => ({
      room: name,
      uri,
      privacy,
      type,
      state: disabled ? "disabled" : "in use",
    })),
  ),
  "room show": verb(
    "show a room and who may do what in it",
    "parlance room show NAME|URI [--json]",
    ["ROOM"],
    [],
    async ({ administration }, [name = ""]) => {
      const { room, category, lastNumber, roles } = await administration.inspectRoom(name);
      const about = {
        room: room.name,
        uri: room.uri,
        category,
        privacy: room.privacy,
        type: room.type,
        messages: lastNumber,
      };
      return roles.length === 0
        ? [{ ...about, role: "", who: "" }]
        : roles.map(({ uri, role }) => ({ ...about, role, who: uri }));
    },
  ),
  "room disable": verb(
    "close a room: everybody is out, nothing is shown, nothing is lost",
    "parlance room disable NAME|URI",
    ["ROOM"],
    [],
    async ({ administration }, [name = ""]) => {
      await administration.setRoomDisabled(name, true);
      return undefined;
    },
  ),
  "room enable": verb(
    "open a disabled room again",
    "parlance room enable NAME|URI",
    ["ROOM"],
    [],
    async ({ administration }, [name = ""]) => {
      await administration.setRoomDisabled(name, false);
      return undefined;
    },
  ),
  "member add": verb(
    "let a user, group or domain into a room; as member unless said otherwise",
    "parlance member add ROOM ADDRESS [--role member|manager|presenter]",
    ["ROOM", "ADDRESS"],
    ["role"],
    async ({ administration }, [room = "", uri = ""], values) => {
      await administration.addRole(room, uri, oneOf(values.role, ROLES, "--role") ?? "member");
      return undefined;
    },
  ),
  "member remove": verb(
    "take a role away; who loses the last right to be in the room is out of it",
    "parlance member remove ROOM ADDRESS [--role member|manager|presenter]",
    ["ROOM", "ADDRESS"],
    ["role"],
    async ({ administration }, [room = "", uri = ""], values) => {
      await administration.removeRole(room, uri, oneOf(values.role, ROLES, "--role") ?? "member");
      return undefined;
    },
  ),
};
