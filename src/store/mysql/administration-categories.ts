import { randomUUID } from "node:crypto";
import { AdministrationError } from "./administration-error.ts";
import { principalId } from "./administration-people.ts";
import { claimName } from "./administration-rooms.ts";
import type { Database, Queries } from "./database.ts";

export interface NewCategory {
  readonly name: string;
  readonly description?: string;
  /** Off unless given. */
  readonly invitations?: boolean;
  /** Off unless given. */
  readonly fileUpload?: boolean;
  /** On unless given. */
  readonly chatHistory?: boolean;
  /** Users, groups and domains that can be members of its rooms and find them. Nobody unless given. */
  readonly allowed?: readonly string[];
  /** Taken out of those allowed. */
  readonly denied?: readonly string[];
  readonly creators?: readonly string[];
}

export interface Category {
  readonly id: number;
  readonly guid: string;
  readonly name: string;
  readonly description: string;
  readonly invitations: boolean;
  readonly fileUpload: boolean;
  readonly chatHistory: boolean;
}

type Change = Partial<Omit<NewCategory, "name">>;

/** Categories: one flat level of rooms with common scope and settings. A change raises the access version of all their rooms. */
export function categoryAdministration(database: Database) {
  return {
    /** @throws {AdministrationError} NAME_TAKEN by a category or a room, NOT_FOUND principal */
    async addCategory(category: NewCategory): Promise<Category> {
      return database.transaction(async (queries) => {
        await claimName(queries, category.name, null);
        const guid = randomUUID();
        const { insertId } = await queries.change(
          "INSERT INTO category (guid, name, description, invitations, file_upload, chat_history) VALUES (?)",
          [
            [
              guid,
              category.name,
              category.description ?? "",
              category.invitations ? 1 : 0,
              category.fileUpload ? 1 : 0,
              category.chatHistory === false ? 0 : 1,
            ],
          ],
        );
        await setScopes(queries, insertId, category);
        return findCategory(queries, category.name);
      });
    },

    /** What is given replaces what was; lists as a whole. @throws {AdministrationError} NOT_FOUND */
    async changeCategory(name: string, change: Change): Promise<Category> {
      return database.transaction(async (queries) => {
        const found = await findCategory(queries, name);
        const wanted = { ...found, ...change };
        await queries.change("UPDATE room SET access_version = access_version + 1 WHERE category_id = ?", [
          found.id,
        ]);
        await queries.change(
          "UPDATE category SET description = ?, invitations = ?, file_upload = ?, chat_history = ? WHERE id = ?",
          [
            wanted.description ?? "",
            wanted.invitations ? 1 : 0,
            wanted.fileUpload ? 1 : 0,
            wanted.chatHistory ? 1 : 0,
            found.id,
          ],
        );
        await setScopes(queries, found.id, change);
        return findCategory(queries, name);
      });
    },

    /** @throws {AdministrationError} NOT_FOUND, INVALID while it holds rooms */
    async removeCategory(name: string): Promise<void> {
      await database.transaction(async (queries) => {
        const { id } = await findCategory(queries, name);
        await queries.rows("SELECT value FROM setting WHERE name = 'naming' FOR UPDATE"); // nobody adds a room meanwhile
        const [room] = await queries.rows("SELECT id FROM room WHERE category_id = ? LIMIT 1", [id]);
        if (room) throw new AdministrationError("INVALID", `The category "${name}" still has rooms.`);
        await queries.change("DELETE FROM category_scope WHERE category_id = ?", [id]);
        await queries.change("DELETE FROM category WHERE id = ?", [id]);
      });
    },
  };
}

/** @throws {AdministrationError} NOT_FOUND */
export async function findCategory(queries: Queries, name: string): Promise<Category> {
  const [found] = (await readCategories(queries)).filter((category) => category.name === name);
  if (!found) throw new AdministrationError("NOT_FOUND", `There is no category "${name}".`);
  return found;
}

export async function readCategories(queries: Queries): Promise<Category[]> {
  type Row = Record<"id" | "invitations" | "file_upload" | "chat_history", number> &
    Record<"guid" | "name" | "description", string>;
  const rows = await queries.rows<Row>(
    "SELECT id, guid, name, description, invitations, file_upload, chat_history FROM category ORDER BY name",
  );
  return rows.map(({ id, guid, name, description, invitations, file_upload, chat_history }) => ({
    id,
    guid,
    name,
    description,
    invitations: invitations === 1,
    fileUpload: file_upload === 1,
    chatHistory: chat_history === 1,
  }));
}

async function setScopes(queries: Queries, id: number, { allowed, denied, creators }: Change): Promise<void> {
  const lists = { allowed, denied, creator: creators };
  for (const [scope, uris] of Object.entries(lists)) {
    if (uris === undefined) continue;
    await queries.change("DELETE FROM category_scope WHERE category_id = ? AND scope = ?", [id, scope]);
    const principals = new Set<number>();
    for (const uri of uris) principals.add(await principalId(queries, uri));
    const rows = [...principals].map((principal) => [id, principal, scope]);
    if (rows.length > 0)
      await queries.change("INSERT INTO category_scope (category_id, principal_id, scope) VALUES ?", [rows]);
  }
}
