import type { Access, Bindings } from "../../chat/role.ts";
import type { Room } from "../../chat/room.ts";
import type { RoomQuery } from "../../chat/room-query.ts";
import type { User } from "../../chat/user.ts";
import type { RoomStore } from "../../ports.ts";
import { type Database, ids, limit, type Value } from "./database.ts";
import { categoriesAround, readAccess, readBindings } from "./room-access.ts";
import { ROOM_COLUMNS, ROOM_JOINS, ROOM_TABLES, type RoomRow, roomOf } from "./room-rows.ts";
import { searchRooms } from "./room-search.ts";
import { principalsNow } from "./user-store.ts";

/** A GUID as rooms have it; anything else finds nothing and is not asked for. */
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Rooms asked for in one statement. */
const BATCH = 256;
/** Of somebody who is a member of more, all rooms are looked at. */
const MANY_ROOMS = 900;
/** Is looked at in place of a room that is not there; no id is 0. */
const NO_ROOM = { id: 0, categoryId: 0 };

interface Asked {
  readonly domain: string;
  readonly guid: string;
  readonly resolve: (room: Room | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Rooms as they are at each look: nothing is cached, so that a right that was taken away, and a room that was closed, is
 * gone at the next one. Looks of the same moment share a statement.
 */
export class MysqlRoomStore implements RoomStore {
  readonly #database: Database;
  #asked: Asked[] = [];
  #asking = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  find(domain: string, guid: string): Promise<Room | undefined> {
    if (!GUID.test(guid)) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#asked.push({ domain, guid, resolve, reject });
      if (this.#asked.length === 1 && this.#asking < 2) setImmediate(() => this.#askNext());
    });
  }

  async byIds(roomIds: readonly number[]): Promise<Room[]> {
    const found: Room[] = [];
    for (let from = 0; from < roomIds.length; from += BATCH)
      found.push(...(await this.#read("r.id IN (?)", [roomIds.slice(from, from + BATCH)])));
    return found;
  }

  async access(rooms: readonly (Room | undefined)[], user: User): Promise<Access[]> {
    const found: Access[] = [];
    if (rooms.length === 0) return found;
    const now = await this.#asNow(user);
    const asked = rooms.map((room) => room ?? NO_ROOM);
    for (let from = 0; from < asked.length; from += BATCH)
      found.push(...(await readAccess(this.#database, asked.slice(from, from + BATCH), now)));
    return found;
  }

  bindings(room: Room): Promise<Bindings> {
    return readBindings(this.#database, room);
  }

  async search(query: RoomQuery, user: User, atMost: number): Promise<Room[]> {
    return searchRooms(this.#database, query, await this.#asNow(user), atMost);
  }

  async associations(role: "member" | "manager", user: User, atMost: number): Promise<Room[]> {
    const { principalIds } = await this.#asNow(user);
    const inScope = await categoriesAround(this.#database, principalIds);
    const rows = await this.#database.rows<RoomRow>(
      `SELECT DISTINCT ${ROOM_COLUMNS} FROM room_role rr JOIN room r ON r.id = rr.room_id ${ROOM_JOINS} ` +
        `WHERE rr.principal_id IN (?) AND rr.role = ? AND r.disabled = 0 AND r.category_id IN (?) ORDER BY name, id ${limit(atMost)}`,
      [ids(principalIds), role, ids(inScope)],
    );
    return rows.map(roomOf);
  }

  async readable(user: User, atMost: number): Promise<number[]> {
    const { principalIds } = await this.#asNow(user);
    const [scope, roles] = await Promise.all([
      categoriesAround(this.#database, principalIds),
      this.#idsOf("SELECT room_id AS id FROM room_role WHERE principal_id IN (?) AND role = 'member'", [
        ids(principalIds),
      ]),
    ]);
    const kept =
      "SELECT r.id FROM room r JOIN category c ON c.id = r.category_id " +
      "WHERE r.category_id IN (?) AND r.disabled = 0 AND c.chat_history = 1";
    const member = new Set(roles);
    // Both are what role.ts calls "read": in scope of what is open, or a member of the room. Of many roles, all rooms in scope are
    // looked at: many times faster than one by one.
    const [opened, entered] = await Promise.all([
      this.#idsOf(`${kept} AND r.privacy = 'open'`, [ids(scope)]),
      member.size > MANY_ROOMS
        ? this.#idsOf(kept, [ids(scope)])
        : this.#idsOf(`${kept} AND r.id IN (?)`, [ids(scope), ids(roles)]),
    ]);
    const readable = new Set([...opened, ...entered.filter((id) => member.has(id))]);
    return [...readable].sort((a, b) => a - b).slice(0, atMost);
  }

  async #idsOf(sql: string, values: readonly Value[]): Promise<number[]> {
    return (await this.#database.rows<{ id: number }>(sql, values)).map(({ id }) => id);
  }

  async lastNumbers(roomIds: readonly number[]): Promise<Map<number, number>> {
    const found = new Map<number, number>();
    for (let from = 0; from < roomIds.length; from += 1_000) {
      const rows = await this.#database.rows<{ id: number; last_number: number }>(
        "SELECT id, last_number FROM room WHERE id IN (?)",
        [roomIds.slice(from, from + 1_000)],
      );
      for (const { id, last_number } of rows) found.set(id, last_number);
    }
    return found;
  }

  /** A session may not have heard yet that the user is in other groups. */
  async #asNow(user: User): Promise<User> {
    return { ...user, principalIds: await principalsNow(this.#database, user) };
  }

  async #askNext(): Promise<void> {
    this.#asking += 1;
    while (this.#asked.length > 0) {
      const asked = this.#asked.splice(0, BATCH);
      try {
        const rooms = await this.#read("r.guid IN (?)", [[...new Set(asked.map(({ guid }) => guid))]]);
        for (const { domain, guid, resolve } of asked)
          resolve(rooms.find((room) => room.guid === guid && room.domain === domain));
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
    }
    this.#asking -= 1;
  }

  async #read(where: string, values: readonly Value[]): Promise<Room[]> {
    const rows = await this.#database.rows<RoomRow>(
      `SELECT ${ROOM_COLUMNS} FROM ${ROOM_TABLES} WHERE ${where}`,
      values,
    );
    return rows.map(roomOf);
  }
}
