import { ChatError } from "../chat/errors.ts";
import { isInScope, ROLES, type Role } from "../chat/principal.ts";
import type { Room } from "../chat/room.ts";
import { principalUri } from "./addresses.ts";
import type { KnownPrincipal, Listed, ManagementUnit, RoleEntry } from "./ports.ts";

/** A change of one of a room's lists. Adding who is there and removing who is not changes nothing. */
export interface RoleChange {
  readonly role: Role;
  readonly change: "add" | "remove" | "replace";
  /** Addresses of users, groups and domains. */
  readonly principals: readonly string[];
}

export interface RolesChanged {
  readonly given: readonly Listed<Role>[];
  readonly taken: readonly Listed<Role>[];
}

/**
 * Carries changes of a room's lists out, in the order given, and takes away what the room as it is now does not allow: roles of
 * who is out of its category's scope, presenters of a normal room, presenters who are no members.
 *
 * @param room as it is after the other changes of this transaction
 * @param moved into another category: who is out of its scope loses his roles
 * @throws {ChatError} PRINCIPAL_NOT_FOUND, OUT_OF_SCOPE, PRESENTER_NOT_MEMBER, BAD_REQUEST for presenters of a normal room
 */
export async function changeRoles(
  unit: ManagementUnit,
  room: Pick<Room, "id" | "categoryId" | "privacy" | "type">,
  changes: readonly RoleChange[],
  moved = false,
): Promise<RolesChanged> {
  const before = new Map((await unit.roles(room.id)).map((entry) => [keyOf(entry), entry]));
  const wanted = await applied(unit, before, changes);
  const added = [...wanted.values()].filter((entry) => !before.has(keyOf(entry)));
  if (room.type === "normal") dropPresenters(wanted, added);
  await dropOutOfScope(unit, room.categoryId, wanted, added, moved);
  const store = async (roles: readonly Role[]) => {
    const entries = (list: Map<string, Listed<Role>>, other: Map<string, Listed<Role>>): RoleEntry[] =>
      [...list.values()]
        .filter((entry) => roles.includes(entry.word) && !other.has(keyOf(entry)))
        .map(({ id, word }) => ({ principalId: id, role: word }));
    await unit.removeRoles(room.id, entries(before, wanted));
    await unit.addRoles(room.id, entries(wanted, before));
  };
  await store(["member", "manager"]);
  if (room.privacy !== "open") await dropWhoIsNoMember(unit, room.id, wanted, before);
  await store(["presenter"]);
  return {
    given: [...wanted.values()].filter((entry) => !before.has(keyOf(entry))),
    taken: [...before.values()].filter((entry) => !wanted.has(keyOf(entry))),
  };
}

/** The lists as they are recorded: addresses by role, sorted, empty ones left out. */
export function byRole(entries: readonly Listed<Role>[]): Record<string, string[]> {
  const lists = ROLES.map((role) => {
    const uris = entries.filter(({ word }) => word === role).map(({ uri }) => uri);
    return [role, uris.sort()] as const;
  });
  return Object.fromEntries(lists.filter(([, uris]) => uris.length > 0));
}

function keyOf({ id, word }: { readonly id: number; readonly word: Role }): string {
  return `${word} ${id}`;
}

async function applied(
  unit: ManagementUnit,
  before: ReadonlyMap<string, Listed<Role>>,
  changes: readonly RoleChange[],
): Promise<Map<string, Listed<Role>>> {
  const wanted = new Map(before);
  const known = await namedPrincipals(
    unit,
    changes.flatMap(({ principals }) => principals),
  );
  for (const { role, change, principals } of changes) {
    if (change === "replace")
      for (const [key, { word }] of [...wanted]) if (word === role) wanted.delete(key);
    for (const uri of principals) {
      const principal = known.get(principalUri(uri));
      if (!principal) continue; // namedPrincipals has thrown
      const { id, kind, displayName } = principal;
      const entry = { id, uri: principal.uri, kind, displayName, word: role };
      if (change === "remove") wanted.delete(keyOf(entry));
      else wanted.set(keyOf(entry), before.get(keyOf(entry)) ?? entry);
    }
  }
  return wanted;
}

/** @throws {ChatError} PRINCIPAL_NOT_FOUND for the first that is not known */
export async function namedPrincipals(
  unit: ManagementUnit,
  uris: readonly string[],
): Promise<Map<string, KnownPrincipal>> {
  const wanted = [...new Set(uris.map(principalUri))];
  const known = wanted.length > 0 ? await unit.principals(wanted) : new Map<string, KnownPrincipal>();
  const missing = wanted.find((uri) => !known.has(uri));
  if (missing !== undefined)
    throw new ChatError("PRINCIPAL_NOT_FOUND", { detail: `There is no user, group or domain ${missing}.` });
  return known;
}

/** Given now to somebody out of scope: refused. Held by somebody whom a new category leaves out: taken away. */
async function dropOutOfScope(
  unit: ManagementUnit,
  categoryId: number,
  wanted: Map<string, Listed<Role>>,
  added: readonly Listed<Role>[],
  moved: boolean,
): Promise<void> {
  const ids = [...new Set((moved ? [...wanted.values()] : added).map(({ id }) => id))];
  if (ids.length === 0) return;
  const words = await unit.scopeOf(categoryId, ids);
  const outside = new Set(ids.filter((id) => !isInScope(words.get(id) ?? new Set())));
  const refused = added.find(({ id }) => outside.has(id));
  if (refused) throw new ChatError("OUT_OF_SCOPE", { detail: `The category does not allow ${refused.uri}.` });
  for (const [key, { id }] of [...wanted]) if (outside.has(id)) wanted.delete(key);
}

function dropPresenters(wanted: Map<string, Listed<Role>>, added: readonly Listed<Role>[]): void {
  if (added.some(({ word }) => word === "presenter"))
    throw new ChatError("BAD_REQUEST", { detail: "Only an auditorium has presenters." });
  for (const [key, { word }] of [...wanted]) if (word === "presenter") wanted.delete(key);
}

async function dropWhoIsNoMember(
  unit: ManagementUnit,
  roomId: number,
  wanted: Map<string, Listed<Role>>,
  before: ReadonlyMap<string, Listed<Role>>,
): Promise<void> {
  const presenters = [...wanted].filter(([, { word }]) => word === "presenter");
  if (presenters.length === 0) return;
  const members = await unit.membersAmong(
    roomId,
    presenters.map(([, { id }]) => id),
  );
  for (const [key, { id, uri }] of presenters) {
    if (members.has(id)) continue;
    if (!before.has(key))
      throw new ChatError("PRESENTER_NOT_MEMBER", {
        detail: `${uri} must be a member to be a presenter.`,
      });
    wanted.delete(key);
  }
}
