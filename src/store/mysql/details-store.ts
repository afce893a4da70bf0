import type { RoomDetails, UserDetails } from "../../compliance/formats/details-xml.ts";
import type { DetailsSource } from "../../compliance/ports.ts";
import type { Database } from "./database.ts";
import { ROOM_TABLES, roomUri } from "./room-rows.ts";

/** Ids in one statement. */
const AT_ONCE = 1_000;

export class MysqlDetails implements DetailsSource {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async rooms(ids: readonly number[]): Promise<RoomDetails[]> {
    const found: RoomDetails[] = [];
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const rows = await this.#database.rows<RoomDetailsRow>(
        "SELECT r.id, r.domain, r.guid, r.name, r.description, r.privacy, r.type, r.disabled, r.created_ms, c.name AS category, " +
          `ai.name AS add_in FROM ${ROOM_TABLES} WHERE r.id IN (?) ORDER BY r.id`,
        [ids.slice(at, at + AT_ONCE)],
      );
      for (const { domain, guid, disabled, created_ms, add_in, ...row } of rows)
        found.push({
          id: row.id,
          uri: roomUri(domain, guid),
          name: row.name,
          description: row.description,
          category: row.category,
          privacy: row.privacy,
          type: row.type,
          disabled: disabled === 1,
          addIn: add_in,
          createdMs: Number(created_ms),
        });
    }
    return found;
  }

  async users(ids: readonly number[]): Promise<UserDetails[]> {
    const found: UserDetails[] = [];
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const some = ids.slice(at, at + AT_ONCE);
      const users = await this.#database.rows<UserDetailsRow>(
        "SELECT id, uri, display_name, email, administrator FROM principal WHERE id IN (?) AND kind = 'user' ORDER BY id",
        [some],
      );
      const groups = await this.#database.rows<{ user_id: number; uri: string; name: string }>(
        "SELECT DISTINCT m.member_id AS user_id, g.uri, g.display_name AS name FROM membership m " +
          "JOIN principal g ON g.id = m.group_id WHERE m.member_kind = 'user' AND m.member_id IN (?) ORDER BY g.uri",
        [some],
      );
      const byUser = new Map<number, { uri: string; name: string }[]>(some.map((id) => [id, []]));
      for (const { user_id, uri, name } of groups) byUser.get(user_id)?.push({ uri, name });
      for (const { id, uri, display_name, email, administrator } of users)
        found.push({
          id,
          uri,
          name: display_name,
          email,
          administrator: administrator === 1,
          groups: byUser.get(id) ?? [],
        });
    }
    return found;
  }
}

interface RoomDetailsRow {
  id: number;
  domain: string;
  guid: string;
  name: string;
  description: string;
  category: string;
  privacy: string;
  type: string;
  disabled: number;
  add_in: string | null;
  created_ms: number;
}

interface UserDetailsRow {
  id: number;
  uri: string;
  display_name: string;
  email: string | null;
  administrator: number;
}
