import { ROLES, type Role } from "../../src/chat/principal.ts";
import { UsageError } from "../command-line.ts";
import type { CliCommand } from "../configured.ts";
import { oneOf, remark, text, verb, wholeNumber } from "../verb.ts";

const WHAT: Record<Role, string> = {
  member: "who may be in a closed or secret room",
  manager: "who looks after a room: settings and lists",
  presenter: "who may post in an auditorium; they must be members",
};

/** One family of verbs for each of a room's three lists. */
function roleCommands(role: Role): Record<string, CliCommand> {
  // The spelling of old: `member` for all roles.
  const options = role === "member" ? ["role"] : [];
  const roleUsage = role === "member" ? " [--role member|manager|presenter]" : "";
  const example = `"Night Shift" sip:alice@example.com`;
  return {
    [`${role} add`]: verb(
      `put a user, group or domain into a room's list of ${role}s: ${WHAT[role]}`,
      `parlance ${role} add ROOM ADDRESS${roleUsage}`,
      ["ROOM", "ADDRESS"],
      options,
      async ({ administration }, [room = "", uri = ""], values) => {
        await administration.addRole(room, uri, oneOf(values.role, ROLES, "--role") ?? role);
        return undefined;
      },
      {
        rehearsed: true,
        details: [
          `e.g. parlance ${role} add ${example}`,
          "ADDRESS is sip:alice@example.com, a group's ma-grp:…, or a domain such as example.com for all its users",
          "(parlance domain list has those served, parlance domain add adds one).",
        ],
      },
    ),
    [`${role} remove`]: verb(
      `take somebody out of a room's list of ${role}s; who loses the last right to be in the room is out of it`,
      `parlance ${role} remove ROOM ADDRESS${roleUsage}`,
      ["ROOM", "ADDRESS"],
      options,
      async ({ administration }, [room = "", uri = ""], values) => {
        await administration.removeRole(room, uri, oneOf(values.role, ROLES, "--role") ?? role);
        return undefined;
      },
      { rehearsed: true, aliases: [`${role} delete`], details: [`e.g. parlance ${role} remove ${example}`] },
    ),
    [`${role} list`]: verb(
      `list a room's ${role}s`,
      `parlance ${role} list ROOM [--json]`,
      ["ROOM"],
      [],
      async ({ administration }, [name = ""]) => {
        const { room, uris } = await administration.listRole(name, role);
        return uris.map((uri) => ({ room: room.name, [role]: uri }));
      },
      { details: [`e.g. parlance ${role} list "Night Shift" --json`] },
    ),
  };
}

export const roleFamilies: Readonly<Record<string, CliCommand>> = {
  ...roleCommands("member"),
  ...roleCommands("manager"),
  ...roleCommands("presenter"),
  "member eligible": verb(
    "list who could be in a room, or in any room of a category: users, groups and domains in its scope",
    "parlance member eligible ROOM|--category NAME [--presenters] [--users] [--text TEXT] [--limit N] [--json]",
    ["[ROOM]"],
    ["category", "text", "limit"],
    async ({ administration }, [room], values) => {
      const category = text(values.category);
      const presenters = values.presenters === true;
      if ((room === undefined) === (category === undefined))
        throw new UsageError("say whose: a room, or --category NAME");
      if (presenters && room === undefined)
        throw new UsageError("presenters are members of a room: name the room");
      const atMost = wholeNumber(values.limit, "--limit", 1, 100_000) ?? 1_000;
      const words = text(values.text) ?? "";
      const which = { presenters, usersOnly: values.users === true };
      const { found, more } = await (room === undefined
        ? administration.eligibleIn(category ?? "", words, atMost, which)
        : administration.eligible(room, words, atMost, which));
      if (more) remark(`only the first ${atMost} are shown: see --limit and --text`);
      return found.map(({ uri, kind, displayName }) => ({ address: uri, kind, name: displayName }));
    },
    {
      switches: ["presenters", "users"],
      details: [
        'e.g. parlance member eligible "Night Shift" --text alice',
        "The first 1,000 are listed, or as many as --limit says.",
        "--users        users only, those of groups and domains one by one, as far as they are known here",
        "--presenters   who could be a presenter: in a closed or secret room its members",
      ],
    },
  ),
};
