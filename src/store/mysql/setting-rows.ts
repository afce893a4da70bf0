import { SETTING_NAMES } from "../../chat/setting.ts";
import type { ManagementUnit } from "../../management/ports.ts";
import type { Queries } from "./database.ts";

/** What is set at run time; the table has other rows besides. */
export async function readSettings(queries: Queries): Promise<ReadonlyMap<string, string>> {
  const rows = await queries.rows<{ name: string; value: string }>(
    "SELECT name, value FROM setting WHERE name IN (?)",
    [SETTING_NAMES],
  );
  return new Map(rows.map(({ name, value }) => [name, value]));
}

/** The settings' part of a transaction. */
export function settingPart(queries: Queries): Pick<ManagementUnit, "setting" | "saveSetting"> {
  return {
    setting: async (name) => (await readSettings(queries)).get(name),
    async saveSetting(name, value) {
      if (value === null) await queries.change("DELETE FROM setting WHERE name = ?", [name]);
      else
        await queries.change(
          "INSERT INTO setting (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = ?",
          [name, value, value],
        );
    },
  };
}
