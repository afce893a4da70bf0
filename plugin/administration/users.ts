import type { NewUser } from "../../src/management/people.ts";
import { UsageError } from "../command-line.ts";
import type { CliCommand, Values } from "../configured.ts";
import { allPages, given, oneOf, text, verb } from "../verb.ts";

const KINDS = ["user", "group", "domain"] as const;
const WORDS = ["on", "off", "global"] as const;
const OPTIONS = ["name", "email", "chat", "create-rooms", "administrator"];
const USAGE =
  "[--name TEXT] [--email ADDRESS] [--chat on|off|global] [--create-rooms on|off|global] [--administrator on|off]";
const DETAILS = [
  "--chat          may take part at all; unless given, or with global, the global policy counts",
  "--create-rooms  may create rooms in categories whose creator he is",
  "A SIP account and its password are the proxy's.",
];

export const userCommands: Readonly<Record<string, CliCommand>> = {
  "user add": verb(
    "add a user, or change what is given; without --chat the global policy counts",
    `parlance user add SIP-ADDRESS ${USAGE}`,
    ["SIP-ADDRESS"],
    OPTIONS,
    async ({ administration }, [uri = ""], values) => {
      await administration.addUser({ uri, ...wishesOf(values) });
      return undefined;
    },
    {
      aliases: ["user create", "user new"],
      rehearsed: true,
      details: ['e.g. parlance user add sip:alice@example.com --name "Alice Moreau" --chat on', ...DETAILS],
    },
  ),
  "user change": verb(
    "change what is given of a user who is known",
    `parlance user change SIP-ADDRESS ${USAGE}`,
    ["SIP-ADDRESS"],
    OPTIONS,
    async ({ administration }, [uri = ""], values) => {
      const wishes = wishesOf(values);
      if (Object.keys(wishes).length === 0)
        throw new UsageError('nothing to change is given; "parlance user change --help" says what can be');
      await administration.changeUser({ uri, ...wishes });
      return undefined;
    },
    {
      aliases: ["user set"],
      rehearsed: true,
      details: ["e.g. parlance user change sip:alice@example.com --chat off", ...DETAILS],
    },
  ),
  "user list": verb(
    "list users, groups and domains",
    "parlance user list [--kind user|group|domain] [--json]",
    [],
    ["kind"],
    async ({ administration }, _words, values) => {
      const kind = oneOf(values.kind, KINDS, "--kind");
      const principals = await allPages(
        (atMost, after) => administration.listPrincipals(atMost, after, kind),
        ({ uri }) => uri,
      );
      return principals.map(({ uri, kind: of, displayName, enabled }) => ({
        address: uri,
        kind: of,
        name: displayName,
        chat: enabled === null ? "as global" : enabled ? "on" : "off",
      }));
    },
    { details: ["e.g. parlance user list --kind user --json"] },
  ),
  "user show": verb(
    "show a user, group or domain: policies, groups, and every list that names it",
    "parlance user show ADDRESS [--json]",
    ["ADDRESS"],
    [],
    async ({ administration }, [uri = ""]) => {
      const { principal, groups, listings, inEffect } = await administration.inspectPrincipal(uri);
      const about = { address: principal.uri, kind: principal.kind, name: principal.displayName };
      const effect = (on: boolean) => (on ? "on" : "off");
      const policies = {
        email: principal.email ?? "",
        chat: effect(inEffect.enabled),
        "create rooms": effect(inEffect.mayCreateRooms),
        administrator: effect(inEffect.administrator),
      };
      return {
        user: [principal.kind === "user" ? { ...about, ...policies } : about],
        groups: groups.map(({ name, administers }) => ({
          group: name,
          gives: administers ? "administrator" : "",
        })),
        rooms: listings.rooms.map(({ name, word }) => ({ room: name, role: word })),
        categories: listings.categories.map(({ name, word }) => ({ category: name, scope: word })),
      };
    },
    {
      aliases: ["user get"],
      details: [
        "e.g. parlance user show sip:alice@example.com",
        "parlance room list --member ADDRESS counts groups and the domain too.",
      ],
    },
  ),
  "user remove": verb(
    "take a user out of all rooms, categories and groups, and forbid everything; messages keep the address",
    "parlance user remove SIP-ADDRESS [--dry-run] [--json]",
    ["SIP-ADDRESS"],
    [],
    async ({ administration }, [uri = ""], values) => {
      const { rooms, categories, groups } = await administration.removeUser(uri);
      const done = values["dry-run"] === true ? "would be taken away" : "taken away";
      const byDirectory = "stays: he is in it by the directory, take him out there";
      return [
        { user: uri, list: "chat policy", as: "off", done },
        ...rooms.map(({ name, word }) => ({ user: uri, list: name, as: word, done })),
        ...categories.map(({ name, word }) => ({ user: uri, list: `category ${name}`, as: word, done })),
        ...groups.map(({ name, source }) => ({
          user: uri,
          list: `group ${name}`,
          as: "member",
          done: source === "manual" ? done : byDirectory,
        })),
      ];
    },
    {
      aliases: ["user delete"],
      rehearsed: true,
      details: [
        "e.g. parlance user remove sip:alice@example.com --dry-run",
        "Stays: the SIP account, which is the proxy's, and groups that the directory says he is in. They give nothing to who may not",
        "chat, and everything again, administrator included, to who is let in: parlance policy grant SIP-ADDRESS chat on",
      ],
    },
  ),
};

function wishesOf(values: Values): Omit<NewUser, "uri"> {
  const word = (option: string) => {
    const said = oneOf(values[option], WORDS, `--${option}`);
    return said === undefined ? undefined : said === "global" ? null : said === "on";
  };
  const administrator = oneOf(values.administrator, ["on", "off"] as const, "--administrator");
  return given({
    displayName: text(values.name),
    email: text(values.email),
    enabled: word("chat"),
    mayCreateRooms: word("create-rooms"),
    administrator: administrator === undefined ? undefined : administrator === "on",
  });
}
