import { randomUUID } from "node:crypto";
import type { AddIn } from "../../chat/add-in.ts";
import type { ScopeWord } from "../../chat/principal.ts";
import type { CategoryFields, ManagementUnit, PrincipalFields } from "../../management/ports.ts";
import type { Queries, Value } from "./database.ts";
import type { Afterwards } from "./management-afterwards.ts";
import { chunks, readCategories, readList, readListings, readPrincipals } from "./management-rows.ts";
import { readScopes } from "./principal-scope.ts";
import { domainOf } from "./user-store.ts";

const CATEGORY_COLUMN: Record<keyof CategoryFields, string> = {
  name: "name",
  description: "description",
  invitations: "invitations",
  fileUpload: "file_upload",
  chatHistory: "chat_history",
  reading: "reading",
};

const PRINCIPAL_COLUMN: Record<keyof PrincipalFields, string> = {
  uri: "uri",
  kind: "kind",
  displayName: "display_name",
  email: "email",
  enabled: "enabled",
  mayCreateRooms: "may_create",
  administrator: "administrator",
};

/** More scope entries than any category has. */
const ALL_SCOPES = 2_000_000;

type CategoryPart = Pick<
  ManagementUnit,
  | "category"
  | "scopeOf"
  | "scopes"
  | "holderOf"
  | "hasRooms"
  | "insertCategory"
  | "updateCategory"
  | "setScope"
  | "dropScope"
  | "listingsOf"
  | "deleteCategory"
>;

/** The categories' part of a transaction. */
export function categoryPart(queries: Queries): CategoryPart {
  return {
    category: async (name) => (await readCategories(queries, name))[0],
    scopeOf: (categoryId, principalIds) => readScopes(queries, categoryId, principalIds),
    scopes: (categoryId) =>
      readList<ScopeWord>(queries, { table: "category_scope", id: categoryId }, ALL_SCOPES),

    async holderOf(name, domain) {
      const rows = await queries.rows<{ kind: "room" | "category"; id: number }>(
        `SELECT 'room' AS kind, id FROM room WHERE name = ? ${domain === undefined ? "" : "AND domain = ? "}` +
          "UNION ALL SELECT 'category', id FROM category WHERE name = ? LIMIT 1",
        [name, ...(domain === undefined ? [] : [domain]), name],
      );
      const [row] = rows;
      return row && { kind: row.kind, id: Number(row.id) };
    },

    async hasRooms(categoryId) {
      return (
        (await queries.rows("SELECT id FROM room WHERE category_id = ? LIMIT 1", [categoryId])).length > 0
      );
    },

    async insertCategory(fields, guid = randomUUID()) {
      const [columns, values] = columnsOf(fields, CATEGORY_COLUMN);
      const { insertId } = await queries.change(
        `INSERT INTO category (guid, ${columns.join(", ")}) VALUES (?)`,
        [[guid, ...values]],
      );
      return insertId;
    },

    async updateCategory(id, fields) {
      const [columns, values] = columnsOf(fields, CATEGORY_COLUMN);
      const sets = ["version = version + 1", ...columns.map((column) => `${column} = ?`)];
      await queries.change("UPDATE room SET access_version = access_version + 1 WHERE category_id = ?", [id]);
      await queries.change(`UPDATE category SET ${sets.join(", ")} WHERE id = ?`, [...values, id]);
    },

    async setScope(categoryId, word, principalIds) {
      await queries.change("DELETE FROM category_scope WHERE category_id = ? AND scope = ?", [
        categoryId,
        word,
      ]);
      for (const chunk of chunks(principalIds))
        await queries.change("INSERT INTO category_scope (category_id, principal_id, scope) VALUES ?", [
          chunk.map((principalId) => [categoryId, principalId, word]),
        ]);
    },

    async dropScope(categoryId, word, principalId) {
      await queries.change(
        "DELETE FROM category_scope WHERE category_id = ? AND scope = ? AND principal_id = ?",
        [categoryId, word, principalId],
      );
    },

    listingsOf: (principalId) => readListings(queries, principalId),

    async deleteCategory(id) {
      await queries.change("DELETE FROM category_scope WHERE category_id = ?", [id]);
      await queries.change("DELETE FROM category WHERE id = ?", [id]);
    },
  };
}

type AddInPart = Pick<ManagementUnit, "addIn" | "roomsWith" | "saveAddIn" | "deleteAddIn">;

/** The add-ins' part of a transaction. */
export function addInPart(queries: Queries): AddInPart {
  return {
    async addIn(name) {
      const [row] = await queries.rows<AddIn>("SELECT id, name, url FROM add_in WHERE name = ?", [name]);
      return row;
    },
    async roomsWith(addInId) {
      const rows = await queries.rows<{ id: number }>("SELECT id FROM room WHERE add_in_id = ? ORDER BY id", [
        addInId,
      ]);
      return rows.map(({ id }) => id);
    },
    async saveAddIn({ name, url }, id) {
      if (id === undefined) await queries.change("INSERT INTO add_in (name, url) VALUES (?, ?)", [name, url]);
      else await queries.change("UPDATE add_in SET name = ?, url = ? WHERE id = ?", [name, url, id]);
    },
    async deleteAddIn(id) {
      await queries.change("DELETE FROM add_in WHERE id = ?", [id]);
    },
  };
}

type PeoplePart = Pick<
  ManagementUnit,
  "principals" | "globalPolicy" | "insertPrincipal" | "updatePrincipal" | "deleteDomain" | "setGlobalPolicy"
>;

/** The people's part of a transaction. */
export function peoplePart(queries: Queries, afterwards: Afterwards): PeoplePart {
  return {
    principals: (uris) => readPrincipals(queries, uris),

    async globalPolicy(policy) {
      const [row] = await queries.rows<{ value: string }>("SELECT value FROM setting WHERE name = ?", [
        policy,
      ]);
      return row?.value === "1";
    },

    async insertPrincipal(fields) {
      const [columns, values] = columnsOf(fields, PRINCIPAL_COLUMN);
      await queries.change(
        `INSERT INTO principal (${columns.join(", ")}) VALUES (?) ON DUPLICATE KEY UPDATE uri = principal.uri`,
        [values],
      );
      // A first sign-in may have made the user meanwhile.
      const made = await readPrincipals(queries, [fields.uri, domainOf(fields.uri)]);
      const id = made.get(fields.uri)?.id ?? 0;
      // Rooms may have the whole domain as their member.
      const domain = made.get(domainOf(fields.uri));
      if (fields.kind === "user" && domain) afterwards({ what: "invite", users: [id], through: [domain.id] });
      return id;
    },

    async updatePrincipal(id, fields) {
      const [columns, values] = columnsOf(fields, PRINCIPAL_COLUMN);
      if (columns.length === 0) return;
      const sets = columns.map((column) => `${column} = ?`).join(", ");
      await queries.change(`UPDATE principal SET ${sets} WHERE id = ?`, [...values, id]);
    },

    async deleteDomain(id) {
      await queries.change("DELETE FROM principal WHERE id = ? AND kind = 'domain'", [id]);
    },

    async setGlobalPolicy(policy, value) {
      await queries.change("UPDATE setting SET value = ? WHERE name = ?", [value ? "1" : "0", policy]);
    },
  };
}

function columnsOf<Fields extends object>(
  fields: Partial<Fields>,
  names: Record<keyof Fields, string>,
): [columns: string[], values: Value[]] {
  const given = Object.entries(fields) as [keyof Fields, Value][]; // fields are texts, switches and null
  return [given.map(([name]) => names[name]), given.map(([, value]) => value)];
}
