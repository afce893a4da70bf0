import type { Category } from "../../chat/category.ts";
import { ChatError } from "../../chat/errors.ts";
import type { PrincipalKind, Role, ScopeWord } from "../../chat/principal.ts";
import type { Room } from "../../chat/room.ts";
import { type NamedRoom, roomName } from "../../management/administration.ts";
import { foundRoom } from "../../management/room-changes.ts";
import { type Database, limit } from "./database.ts";
import { findRoom, readCategories, readList } from "./management-rows.ts";
import { ROOM_COLUMNS, ROOM_TABLES, type RoomRow, roomOf } from "./room-rows.ts";
import { GLOBAL_POLICY } from "./user-store.ts";

/** Entries shown of one list. */
const SHOWN = 20_000;

export interface PrincipalView {
  readonly id: number;
  readonly uri: string;
  readonly kind: PrincipalKind;
  readonly displayName: string;
  readonly email: string | null;
  /** Own policy; null takes the global one. */
  readonly enabled: boolean | null;
}

export interface RoomView {
  readonly room: Room;
  readonly category: string;
  readonly lastNumber: number;
  readonly roles: readonly { readonly uri: string; readonly role: Role }[];
}

export interface CategoryView {
  readonly category: Category;
  readonly scopes: readonly { readonly uri: string; readonly scope: ScopeWord }[];
}

/** What an administrator looks at. Lists go on after the last name or address of the page before. */
export function administrationView(database: Database) {
  return {
    async globalPolicy(): Promise<boolean> {
      const [row] = await database.rows<{ value: string }>("SELECT value FROM setting WHERE name = ?", [
        GLOBAL_POLICY,
      ]);
      return row?.value === "1";
    },

    async listRooms(atMost: number, after = ""): Promise<Room[]> {
      const rows = await database.rows<RoomRow>(
        `SELECT ${ROOM_COLUMNS} FROM ${ROOM_TABLES} WHERE r.name > ? ORDER BY r.name ${limit(atMost)}`,
        [after],
      );
      return rows.map(roomOf);
    },

    async listPrincipals(atMost: number, after = ""): Promise<PrincipalView[]> {
      type Row = Omit<PrincipalView, "displayName" | "enabled"> & {
        display_name: string;
        enabled: number | null;
      };
      const rows = await database.rows<Row>(
        `SELECT id, uri, kind, display_name, email, enabled FROM principal WHERE uri > ? ORDER BY uri ${limit(atMost)}`,
        [after],
      );
      return rows.map(({ display_name, enabled, ...row }) => ({
        ...row,
        displayName: display_name,
        enabled: enabled === null ? null : enabled === 1,
      }));
    },

    listCategories: (): Promise<Category[]> => readCategories(database),

    /** The room with at most 20,000 of its roles. @throws {ChatError} ROOM_NOT_FOUND */
    async inspectRoom(name: NamedRoom): Promise<RoomView> {
      const room = foundRoom(await findRoom(database, roomName(name)), roomName(name));
      const [row] = await database.rows<{ last_number: number; name: string }>(
        "SELECT r.last_number, c.name FROM room r JOIN category c ON c.id = r.category_id WHERE r.id = ?",
        [room.id],
      );
      const listed = await readList<Role>(database, { table: "room_role", id: room.id }, SHOWN);
      const roles = listed.map(({ uri, word }) => ({ uri, role: word }));
      return { room, category: row?.name ?? "", lastNumber: row?.last_number ?? 0, roles };
    },

    /** @throws {ChatError} CATEGORY_NOT_FOUND */
    async inspectCategory(name: string): Promise<CategoryView> {
      const [category] = await readCategories(database, { name });
      if (!category) throw new ChatError("CATEGORY_NOT_FOUND", { detail: `There is no category "${name}".` });
      const listed = await readList<ScopeWord>(database, { table: "category_scope", id: category.id }, SHOWN);
      return { category, scopes: listed.map(({ uri, word }) => ({ uri, scope: word })) };
    },
  };
}
