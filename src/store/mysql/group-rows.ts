import { ChatError } from "../../chat/errors.ts";
import type { Queries } from "./database.ts";

/** A group by its `ma-grp:` address, or by its name where only one has it. */
export type GroupName = string;

/** A group's row. */
export interface KnownGroup {
  readonly id: number;
  readonly uri: string;
}

/** @throws {ChatError} PRINCIPAL_NOT_FOUND; BAD_REQUEST when several groups have the name */
export async function findGroup(queries: Queries, name: GroupName): Promise<KnownGroup> {
  const rows = await queries.rows<KnownGroup>(
    name.startsWith("ma-grp:")
      ? "SELECT id, uri FROM principal WHERE uri = ? AND kind = 'group'"
      : "SELECT id, uri FROM principal WHERE kind = 'group' AND (display_name = ? OR uri = ?) LIMIT 3",
    name.startsWith("ma-grp:") ? [name] : [name, name],
  );
  const [found] = rows;
  if (!found)
    throw new ChatError("PRINCIPAL_NOT_FOUND", { detail: `There is no group ${name}: add it first.` });
  if (rows.length > 1)
    throw new ChatError("BAD_REQUEST", {
      detail: `Several groups are called ${name}, such as ${rows.map(({ uri }) => uri).join(" and ")}: give the address.`,
    });
  return found;
}
