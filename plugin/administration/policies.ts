import { UsageError } from "../command-line.ts";
import type { CliCommand } from "../configured.ts";
import { oneOf, onOff, verb } from "../verb.ts";

const POLICIES = ["chat", "create-rooms"] as const;
const GRANTS = [...POLICIES, "administrator"] as const;

const ownWord = (own: boolean | null) => (own === null ? "as global" : own ? "on" : "off");

export const policyCommands: Readonly<Record<string, CliCommand>> = {
  "policy show": verb(
    "show the global policies, or with an address what one user's own ones are and what is in effect",
    "parlance policy show [ADDRESS] [--json]",
    ["[ADDRESS]"],
    [],
    async ({ administration }, [uri]) => {
      if (uri === undefined)
        return [
          { policy: "chat", global: (await administration.globalPolicy()) ? "on" : "off" },
          {
            policy: "create-rooms",
            global: (await administration.globalPolicy("create-rooms")) ? "on" : "off",
          },
        ];
      const { principal, inEffect, groups } = await administration.inspectPrincipal(uri);
      const effect = (on: boolean) => (on ? "on" : "off");
      const { enabled, mayCreateRooms, administrator } = principal;
      const source = (own: boolean | null) => (own === null ? "global policy" : "own policy");
      const ways = [
        ...(administrator ? ["own policy"] : []),
        ...groups.flatMap(({ name, administers }) => (administers ? [`group ${name}`] : [])),
      ];
      return [
        {
          policy: "chat",
          own: ownWord(enabled),
          "in effect": effect(inEffect.enabled),
          by: source(enabled),
        },
        {
          policy: "create-rooms",
          own: ownWord(mayCreateRooms),
          "in effect": effect(inEffect.mayCreateRooms),
          by: source(mayCreateRooms),
        },
        {
          policy: "administrator",
          own: effect(administrator),
          "in effect": effect(inEffect.administrator),
          by: ways.join(", "),
        },
      ];
    },
    { aliases: ["policy get"], details: ["e.g. parlance policy show sip:alice@example.com"] },
  ),
  "policy set": verb(
    "allow or forbid something for everybody without a policy of their own: chat (off at first), create-rooms (on at first)",
    "parlance policy set chat|create-rooms on|off",
    ["[POLICY]", "on|off"],
    [],
    async ({ administration }, words) => {
      const policy = words.length < 2 ? "chat" : oneOf(words[0], POLICIES, "the policy");
      const on = onOff(words.at(-1), "what it is set to") ?? false;
      if (policy === "create-rooms") await administration.setGlobalCreatePolicy(on);
      else await administration.setGlobalPolicy(on);
      return undefined;
    },
    {
      rehearsed: true,
      details: [
        "e.g. parlance policy set chat on",
        "e.g. parlance policy set create-rooms off",
        "parlance policy set on|off, without the policy's name, is that for chat.",
        "Who may create rooms must be a creator of their category besides; see parlance category change --creators.",
      ],
    },
  ),
  "policy grant": verb(
    "give one user a policy of the own, or the global one back",
    "parlance policy grant ADDRESS chat|create-rooms|administrator on|off|global",
    ["ADDRESS", "POLICY", "on|off|global"],
    [],
    async ({ administration }, [uri = "", name = "", word = ""]) => {
      const policy = oneOf(name, GRANTS, "the policy");
      const value = oneOf(word, ["on", "off", "global"] as const, "what it is set to");
      const on = value === "global" ? null : value === "on";
      if (policy === "chat") await administration.setUserPolicy(uri, on);
      else if (policy === "create-rooms") await administration.setCreatePolicy(uri, on);
      else if (on === null)
        throw new UsageError("administrators are named one by one: on or off, not global");
      else if (uri.startsWith("ma-grp:")) await administration.setGroupAdministers(uri, on);
      else await administration.setAdministrator(uri, on);
      return undefined;
    },
    {
      rehearsed: true,
      details: [
        "e.g. parlance policy grant sip:alice@example.com chat on",
        "e.g. parlance policy grant sip:alice@example.com create-rooms global",
        "administrator: all rooms and categories, from the client; ADDRESS may be a group's.",
      ],
    },
  ),
};
