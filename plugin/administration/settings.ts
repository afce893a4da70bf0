import {
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  type SettingValue,
  valueSet,
} from "../../src/chat/setting.ts";
import { namedSetting, type SettingChange } from "../../src/management/settings.ts";
import { chatSettingsIn } from "../config.ts";
import { type CliCommand, configOf, type Values } from "../configured.ts";
import type { Row } from "../table.ts";
import { verb } from "../verb.ts";

const NAMES = SETTING_NAMES.join("|");
const ABOUT_NAMES =
  "Lync's names, such as DefaultChatHistory, are known too; parlance config list shows them.";
const ABOUT_OTHERS =
  "All that is not listed is set in parlance.yaml and holds from a node's start; parlance check-config shows it.";

export const settingCommands: Readonly<Record<string, CliCommand>> = {
  "config list": verb(
    "list the settings that can be changed while the nodes run: what holds, and where it comes from",
    "parlance config list [--json]",
    [],
    [],
    async ({ administration }, _words, values) => {
      const row = inEffect(await administration.settings(), values);
      return SETTING_NAMES.map(row);
    },
    {
      details: [
        "FROM    run time: set by parlance config set, for all nodes; file: parlance.yaml, or the one that --config names; default: neither",
        ABOUT_OTHERS,
      ],
    },
  ),
  "config get": verb(
    "show one setting: what holds, where it comes from, and what it may be",
    `parlance config get ${NAMES} [--json]`,
    ["NAME"],
    [],
    async ({ administration }, [word = ""], values) => {
      const name = namedSetting(word);
      const row = inEffect(await administration.settings(), values);
      return [{ ...row(name), allowed: SETTINGS[name].allowed }];
    },
    { aliases: ["config show"], details: ["e.g. parlance config get max-message", ABOUT_NAMES] },
  ),
  "config set": verb(
    "change a setting for all nodes at once; nobody is signed out, and it stays when nodes are started again",
    `parlance config set ${NAMES} VALUE [--dry-run] [--json]`,
    ["NAME", "VALUE"],
    [],
    async ({ administration }, [name = "", value = ""], values) =>
      changed(await administration.setSetting(name, value), values),
    {
      aliases: ["config change"],
      rehearsed: true,
      details: [
        "e.g. parlance config set default-chat-history 50",
        "e.g. parlance config set max-story 64kB",
        'e.g. parlance config set RoomManagementUrl https://chat.example.com/rooms; "" for none',
        ABOUT_NAMES,
        "It goes before what the nodes' files say, until parlance config unset.",
      ],
    },
  ),
  "config unset": verb(
    "take back what was set at run time: what each node's file says holds again, else the default",
    `parlance config unset ${NAMES} [--dry-run] [--json]`,
    ["NAME"],
    [],
    async ({ administration }, [name = ""], values) =>
      changed(await administration.unsetSetting(name), values),
    {
      aliases: ["config reset"],
      rehearsed: true,
      details: ["e.g. parlance config unset max-story", ABOUT_NAMES],
    },
  ),
};

/** What holds on nodes that have this file. */
function inEffect(set: ReadonlyMap<string, string>, values: Values): (name: SettingName) => Row {
  const { chat, file } = configOf(values);
  const inFile = chatSettingsIn(file);
  return (name) => {
    const { unit, lync, default: otherwise } = SETTINGS[name];
    const atRunTime = valueSet(name, set);
    return {
      setting: name,
      value: atRunTime ?? chat[name],
      unit,
      default: otherwise,
      from: atRunTime !== undefined ? "run time" : inFile.has(name) ? "file" : "default",
      lync,
    };
  };
}

/** Null is what each node's file says. */
function changed({ name, before, after }: SettingChange, values: Values): Row[] {
  const told = (value: SettingValue | null) => (value === null ? "as in the file" : value);
  const done = values["dry-run"] === true ? "would be set" : before === after ? "was so already" : "set";
  return [{ setting: name, before: told(before), after: told(after), unit: SETTINGS[name].unit, done }];
}
