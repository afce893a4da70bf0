import { ChatError } from "../chat/errors.ts";
import type { Role } from "../chat/principal.ts";
import type { Room } from "../chat/room.ts";
import { wireRoom } from "../delivery/wire-room.ts";
import type { UserActor } from "../management/management.ts";
import type { CategoryName, RoomAudit } from "../management/ports.ts";
import type { RoleChange } from "../management/role-changes.ts";
import type { RoomChange } from "../management/room-changes.ts";
import type { Command } from "../xccos/command.ts";
import { encodeTime } from "../xccos/grpchat.ts";
import type { WireRole, WireRoomChange } from "../xccos/management-arguments.ts";
import { roomInfoData, type WireAudit } from "../xccos/management-reply.ts";
import type { managementCommands } from "../xccos/names.ts";
import { type CategoryRef, formatCategoryUri, type RoomRef } from "../xccos/uri.ts";
import type { CommandResult, Context } from "./context.ts";
import { roomLists } from "./reply-lists.ts";

type Names = typeof managementCommands;
type Named<Name extends keyof Names> = Extract<Command, { kind: Names[Name] }>;

const PRIVACY = { open: "open", scoped: "closed", private: "secret" } as const;
const TYPE = { NORMAL: "normal", AUDITORIUM: "auditorium" } as const;
export const ROLE = {
  MEMBER: "member",
  MANAGER: "manager",
  PRESENTER: "presenter",
} as const satisfies Record<WireRole, Role>;
const CHANGE = { ADD: "add", REMOVE: "remove", REPLACE: "replace" } as const;

/** `cmd:chancreate`: creators of a category make rooms in it, and manage them. */
export async function createRoom({ room }: Named<"createRoom">, context: Context): Promise<CommandResult> {
  const { management } = context.services;
  const { category, ...change } = wishes(room, context);
  if (room.name === undefined || category === undefined) throw new ChatError("BAD_REQUEST");
  const created = await management.createRoom(actorOf(context), { ...change, name: room.name, category });
  return roomInfo(created, context);
}

/**
 * `cmd:chanmodify`: all of it or nothing, and only if nobody was faster. A list that is too long to be shown as a whole is not
 * replaced: whom the asker was not shown he would drop unseen.
 */
export async function changeRoom(
  { room, version, change }: Named<"changeRoom">,
  context: Context,
): Promise<CommandResult> {
  const { management } = context.services;
  const replaced = change.roles.filter((list) => list.change === "REPLACE").map(({ role }) => ROLE[role]);
  const seen = replaced.length > 0 ? await shownWhole(room, replaced, context) : undefined;
  const changed = await management.changeRoom(
    actorOf(context),
    nameOf(room),
    wishes(change, context),
    version ?? seen,
  );
  return roomInfo(changed, context);
}

/** @returns the room's version of which that is true @throws {ChatError} LIMIT_EXCEEDED, what `rolesOf` throws */
async function shownWhole(ref: RoomRef, roles: readonly Role[], context: Context): Promise<number> {
  const { management, limits } = context.services;
  const everything = { limit: limits.searchLimit, after: undefined };
  const { room, lists } = await management.rolesOf(actorOf(context), nameOf(ref), undefined, everything);
  const { cut } = roomLists(room, lists, context);
  const [long] = roles.filter((role) => cut.has(role));
  if (long !== undefined)
    throw new ChatError("LIMIT_EXCEEDED", {
      detail: `The list of ${long}s is too long to be replaced: add to it and remove from it`,
    });
  return room.accessVersion;
}

/** `cmd:chandelete`: administrators only; managers disable a room. */
export async function deleteRoom(
  { room, version }: Named<"deleteRoom">,
  context: Context,
): Promise<CommandResult> {
  await context.services.management.deleteRoom(actorOf(context), nameOf(room), version);
  return { data: "" };
}

/** A room with its version, for who wants to change it. */
export async function showRoom({ room }: Named<"roomInfo">, context: Context): Promise<CommandResult> {
  const { management } = context.services;
  const seen = await management.lookAt(actorOf(context), nameOf(room));
  return roomInfo(seen.room, context, wireAudit(await management.auditOf(seen.room)));
}

export function actorOf({ session }: Context): UserActor {
  return { kind: "user", user: session.user, token: session.token };
}

export function nameOf({ domain, value }: RoomRef): { domain: string; guid: string } {
  return { domain, guid: value };
}

/** @throws {ChatError} NOT_UNDER_ROOT, CATEGORY_NOT_FOUND for one of another domain */
export function categoryNamed(category: CategoryRef, { services }: Context): CategoryName {
  if (category.uri === services.pool.rootCategoryUri) throw new ChatError("NOT_UNDER_ROOT");
  if (category.domain !== services.pool.domain) throw new ChatError("CATEGORY_NOT_FOUND");
  return { guid: category.value.toLowerCase() };
}

export function categoryUri(guid: string, { services }: Context): string {
  return formatCategoryUri(services.pool.domain, guid);
}

function roomInfo(room: Room, context: Context, audit?: WireAudit): CommandResult {
  const parent = categoryUri(room.categoryGuid, context);
  const { disabled, accessVersion } = room;
  return {
    data: roomInfoData({ ...wireRoom(room), parent, disabled, version: accessVersion }, audit),
    turn: room.id,
  };
}

/** Which administrator it was concerns the archive, not everybody who sees the room. */
function wireAudit({ createdBy, createdMs, updatedBy, updatedMs }: RoomAudit): WireAudit {
  const shown = (who: string) =>
    who === "" ? undefined : who.replace(/^administrator:.*/s, "administrator");
  return {
    createdBy: shown(createdBy),
    createdOn: encodeTime(createdMs),
    updatedBy: shown(updatedBy),
    updatedOn: updatedMs === null ? undefined : encodeTime(updatedMs),
  };
}

/** From the words of the wire; what is not spoken of is left out. */
function wishes(said: WireRoomChange, context: Context): RoomChange {
  const roles = said.roles.map(
    ({ role, change, uris }): RoleChange => ({ role: ROLE[role], change: CHANGE[change], principals: uris }),
  );
  const { name, description, invite, addIn, disabled, parent, visibility, behavior } = said;
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(parent === undefined ? {} : { category: categoryNamed(parent, context) }),
    ...(visibility === undefined ? {} : { privacy: PRIVACY[visibility] }),
    ...(behavior === undefined ? {} : { type: TYPE[behavior] }),
    ...(invite === undefined ? {} : { invitations: invite }),
    ...(addIn === undefined ? {} : { addIn: addIn === "" ? null : addIn }),
    ...(disabled === undefined ? {} : { disabled }),
    ...(roles.length === 0 ? {} : { roles }),
  };
}
