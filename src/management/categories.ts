import type { Category, ReadingMode } from "../chat/category.ts";
import type { Json } from "../chat/compliance-event.ts";
import { ChatError } from "../chat/errors.ts";
import { isInScope, SCOPES, type ScopeWord } from "../chat/principal.ts";
import type { Actor } from "./actor.ts";
import type { CategoryFields, CategoryName, ManagementUnit } from "./ports.ts";
import type { Rights } from "./rights.ts";
import { namedPrincipals } from "./role-changes.ts";
import { checkDescription, claimName } from "./room-changes.ts";

/** What may be said of a category; what is left out stays as it is, or as a new category is. Lists are given as a whole. */
export interface CategoryChange {
  readonly name?: string;
  readonly description?: string;
  /** Off unless given. */
  readonly invitations?: boolean;
  /** Off unless given. */
  readonly fileUpload?: boolean;
  /** On unless given. */
  readonly chatHistory?: boolean;
  /** Strict unless given. */
  readonly reading?: ReadingMode;
  /** Users, groups and domains that can be members of its rooms and find them. Nobody unless given. */
  readonly allowed?: readonly string[];
  /** Taken out of those allowed. */
  readonly denied?: readonly string[];
  /** May create rooms in it; they must be allowed themselves. */
  readonly creators?: readonly string[];
}

export interface NewCategory extends CategoryChange {
  readonly name: string;
}

/** Categories are the administrators'. A change of one is a change of all its rooms. */
export function categoryManagement(rights: Rights) {
  const { store } = rights;
  return {
    /** @throws {ChatError} NAME_TAKEN by a category or a room, PRINCIPAL_NOT_FOUND, OUT_OF_SCOPE creators */
    async createCategory(actor: Actor, wanted: NewCategory): Promise<Category> {
      rights.administrator(actor);
      return store.change(actor, async (unit) => {
        await claimName(unit, wanted.name, undefined);
        checkDescription(wanted.description ?? "");
        const id = await unit.insertCategory({
          name: wanted.name,
          description: wanted.description ?? "",
          invitations: wanted.invitations ?? false,
          fileUpload: wanted.fileUpload ?? false,
          chatHistory: wanted.chatHistory ?? true,
          reading: wanted.reading ?? "strict",
        });
        await setLists(unit, id, wanted);
        const category = await rights.sameCategory(unit, { id }, undefined);
        const after: Json = { ...settingsOf(category), ...(await listsOf(unit, id)) };
        unit.record({ kind: "CATEGORY_CREATED", subject: category.name, before: null, after });
        unit.changed({ kind: "category", id });
        return category;
      });
    },

    /** @throws {ChatError} CATEGORY_NOT_FOUND, COLLISION, NAME_TAKEN, PRINCIPAL_NOT_FOUND, OUT_OF_SCOPE creators */
    async changeCategory(
      actor: Actor,
      name: CategoryName,
      change: CategoryChange,
      expected?: number,
    ): Promise<Category> {
      rights.administrator(actor);
      return store.change(actor, async (unit) => {
        const category = await rights.sameCategory(unit, name, undefined);
        const { id } = category;
        if (expected !== undefined && expected !== category.version) throw new ChatError("COLLISION");
        if (change.name !== undefined && change.name !== category.name)
          await claimName(unit, change.name, undefined, id);
        if (change.description !== undefined) checkDescription(change.description);
        const before = { ...settingsOf(category), ...(await listsOf(unit, id)) };
        await unit.updateCategory(id, fieldsOf(change));
        await setLists(unit, id, change);
        const changed = await rights.sameCategory(unit, { id }, undefined);
        const after = { ...settingsOf(changed), ...(await listsOf(unit, id)) };
        unit.record({ kind: "CATEGORY_CHANGED", subject: category.name, before, after });
        unit.changed({ kind: "category", id });
        return changed;
      });
    },

    /** @throws {ChatError} CATEGORY_NOT_FOUND, NOT_EMPTY while it holds rooms */
    async deleteCategory(actor: Actor, name: CategoryName): Promise<void> {
      rights.administrator(actor);
      await store.change(actor, async (unit) => {
        const category = await rights.sameCategory(unit, name, undefined);
        if (await unit.hasRooms(category.id))
          throw new ChatError("NOT_EMPTY", { detail: `The category "${category.name}" still has rooms.` });
        const before: Json = { ...settingsOf(category), ...(await listsOf(unit, category.id)) };
        await unit.deleteCategory(category.id);
        unit.record({ kind: "CATEGORY_DELETED", subject: category.name, before, after: null });
        unit.changed({ kind: "category", id: category.id });
      });
    },
  };
}

function fieldsOf(change: CategoryChange): Partial<CategoryFields> {
  const { name, description, invitations, fileUpload, chatHistory, reading } = change;
  const fields = { name, description, invitations, fileUpload, chatHistory, reading };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A category as it is recorded. */
export async function recordedCategory(unit: ManagementUnit, category: Category): Promise<Json> {
  return { ...settingsOf(category), ...(await listsOf(unit, category.id)) };
}

function settingsOf({
  name,
  description,
  invitations,
  fileUpload,
  chatHistory,
  reading,
}: Category): Record<string, Json> {
  return { name, description, invitations, fileUpload, chatHistory, reading };
}

async function listsOf(unit: ManagementUnit, id: number): Promise<Record<string, Json>> {
  const listed = await unit.scopes(id);
  return Object.fromEntries(
    SCOPES.map((word) => [
      word,
      listed
        .filter((entry) => entry.word === word)
        .map(({ uri }) => uri)
        .sort(),
    ]),
  );
}

async function setLists(unit: ManagementUnit, id: number, change: CategoryChange): Promise<void> {
  const { allowed, denied, creators } = change;
  const lists: readonly (readonly [ScopeWord, readonly string[] | undefined])[] = [
    ["allowed", allowed],
    ["denied", denied],
    ["creator", creators],
  ];
  for (const [word, uris] of lists) {
    if (uris === undefined) continue;
    const known = await namedPrincipals(unit, uris);
    const ids = [...known.values()].map((principal) => principal.id);
    if (word === "creator" && ids.length > 0) {
      const words = await unit.scopeOf(id, ids);
      const outside = [...known.values()].find((one) => !isInScope(words.get(one.id) ?? new Set()));
      if (outside)
        throw new ChatError("OUT_OF_SCOPE", {
          detail: `${outside.uri} is not allowed in the category and cannot create rooms in it.`,
        });
    }
    await unit.setScope(id, word, ids);
  }
}
