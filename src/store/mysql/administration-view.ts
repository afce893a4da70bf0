import type { Room } from "../../chat/room.ts";
import { type Category, findCategory, readCategories } from "./administration-categories.ts";
import { findRoom, type Role, type RoomName } from "./administration-rooms.ts";
import { type Database, limit } from "./database.ts";
import { ROOM_COLUMNS, type RoomRow, roomOf } from "./room-rows.ts";
import { GLOBAL_POLICY } from "./user-store.ts";

export interface PrincipalView {
  readonly id: number;
  readonly uri: string;
  readonly kind: "user" | "group" | "domain";
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
  readonly scopes: readonly { readonly uri: string; readonly scope: "allowed" | "denied" | "creator" }[];
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
        `SELECT ${ROOM_COLUMNS} FROM room r JOIN category c ON c.id = r.category_id WHERE r.name > ? ORDER BY r.name ${limit(atMost)}`,
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

    /** @throws {AdministrationError} NOT_FOUND */
    findRoom: (name: RoomName): Promise<Room> => findRoom(database, name),

    /** The room with at most 20,000 of its roles. @throws {AdministrationError} NOT_FOUND */
    async inspectRoom(name: RoomName): Promise<RoomView> {
      const room = await findRoom(database, name);
      const [row] = await database.rows<{ last_number: number; name: string }>(
        "SELECT r.last_number, c.name FROM room r JOIN category c ON c.id = r.category_id WHERE r.id = ?",
        [room.id],
      );
      const roles = await database.rows<{ uri: string; role: Role }>(
        `SELECT p.uri, rr.role FROM room_role rr JOIN principal p ON p.id = rr.principal_id WHERE rr.room_id = ? ORDER BY rr.role, p.uri ${limit(20_000)}`,
        [room.id],
      );
      return { room, category: row?.name ?? "", lastNumber: row?.last_number ?? 0, roles };
    },

    /** @throws {AdministrationError} NOT_FOUND */
    async inspectCategory(name: string): Promise<CategoryView> {
      const category = await findCategory(database, name);
      const scopes = await database.rows<CategoryView["scopes"][number]>(
        `SELECT p.uri, s.scope FROM category_scope s JOIN principal p ON p.id = s.principal_id WHERE s.category_id = ? ORDER BY s.scope, p.uri ${limit(20_000)}`,
        [category.id],
      );
      return { category, scopes };
    },
  };
}
