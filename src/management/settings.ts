import { ChatError } from "../chat/errors.ts";
import {
  SETTINGS,
  type SettingName,
  type SettingValue,
  settingNamed,
  settingNameProblem,
  settingProblem,
} from "../chat/setting.ts";
import type { Actor } from "./actor.ts";
import type { Rights } from "./rights.ts";

export interface SettingChange {
  readonly name: SettingName;
  /** Null: not set at run time; each node's file says what holds. */
  readonly before: SettingValue | null;
  readonly after: SettingValue | null;
}

/** What holds in the whole pool whatever a node's file says, from a moment after it is set until it is unset. */
export function settingManagement(rights: Rights) {
  const { store } = rights;
  const change = (actor: Actor, name: SettingName, after: SettingValue | null): Promise<SettingChange> => {
    rights.administrator(actor);
    return store.change(actor, async (unit) => {
      const text = await unit.setting(name);
      const before = text === undefined ? null : (SETTINGS[name].read(text) ?? text);
      if (before === after) return { name, before, after };
      await unit.saveSetting(name, after === null ? null : String(after));
      unit.record({ kind: "SETTING_CHANGED", subject: name, before, after });
      unit.changed({ kind: "settings" });
      return { name, before, after };
    });
  };
  return {
    /** @param name ours or Lync's @throws {ChatError} BAD_REQUEST when there is no such setting, or this cannot be its value */
    async setSetting(actor: Actor, name: string, given: string): Promise<SettingChange> {
      const setting = namedSetting(name);
      const value = SETTINGS[setting].read(given);
      if (value === undefined)
        throw new ChatError("BAD_REQUEST", { detail: `${setting}: ${settingProblem(setting, given)}` });
      return change(actor, setting, value);
    },

    /** What the file of each node says holds again. @throws {ChatError} BAD_REQUEST when there is no such setting */
    async unsetSetting(actor: Actor, name: string): Promise<SettingChange> {
      return change(actor, namedSetting(name), null);
    },
  };
}

/** @throws {ChatError} BAD_REQUEST */
export function namedSetting(word: string): SettingName {
  const name = settingNamed(word);
  if (name) return name;
  throw new ChatError("BAD_REQUEST", { detail: settingNameProblem(word) ?? "" });
}
