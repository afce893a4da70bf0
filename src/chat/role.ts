import type { ChatErrorCode } from "./errors.ts";
import { isInScope, type Role, type ScopeWord } from "./principal.ts";
import type { Privacy, Room } from "./room.ts";
import type { User } from "./user.ts";

/** What binds one user to one room, or to one category when the roles are left out. */
export interface Access {
  readonly inScope: boolean;
  readonly member: boolean;
  readonly manager: boolean;
  readonly presenter: boolean;
  /** May create rooms in the category, by the category and by the own policy. */
  readonly creator: boolean;
  /** Of the whole pool; bound by no scope. */
  readonly administrator: boolean;
}

export const NO_ACCESS: Access = {
  inScope: false,
  member: false,
  manager: false,
  presenter: false,
  creator: false,
  administrator: false,
};

/** Everything a user can do with an existing room. */
export const ROOM_ACTIONS = [
  "see",
  "join",
  "read",
  "post",
  "manage",
  "disable",
  "enable",
  "delete",
  "changeCategory",
  "moderate",
] as const;
export type Action = (typeof ROOM_ACTIONS)[number];

/** Everything a user can do with a category. `changeCategory` needs `create` in the new one as well. */
export type CategoryAction = "browse" | "create";

type Standing = "inScope" | "member" | "manager" | "creator" | "administrator";

const MANAGING: Record<Privacy, readonly Standing[]> = {
  open: ["manager", "administrator"],
  closed: ["manager", "administrator"],
  secret: ["manager", "administrator"],
};
const ADMINISTERING: Record<Privacy, readonly Standing[]> = {
  open: ["administrator"],
  closed: ["administrator"],
  secret: ["administrator"],
};
const TAKING_PART: Record<Privacy, readonly Standing[]> = {
  open: ["inScope", "member"],
  closed: ["member"],
  secret: ["member"],
};

/**
 * The one table of rights: which standing allows which action, per privacy.
 * Managers and administrators manage but enter only as members; presenters post in an auditorium only as members. Creators have
 * no right in a room that exists already. What no line names is refused.
 */
const RIGHTS: Record<Action, Record<Privacy, readonly Standing[]>> = {
  see: {
    open: ["inScope", "member", "manager", "administrator"],
    closed: ["inScope", "member", "manager", "administrator"],
    secret: ["member", "manager", "administrator"],
  },
  join: TAKING_PART,
  read: TAKING_PART,
  post: TAKING_PART,
  manage: MANAGING,
  disable: MANAGING,
  enable: ADMINISTERING,
  delete: ADMINISTERING,
  changeCategory: MANAGING,
  moderate: MANAGING,
};

/** A disabled room is as good as gone for all but those who look after it: nobody is in it, nothing of it is shown. */
const RIGHTS_WHEN_DISABLED: Record<Action, readonly Standing[]> = {
  see: ["manager", "administrator"],
  join: [],
  read: [],
  post: [],
  manage: ["manager", "administrator"],
  disable: ["manager", "administrator"],
  enable: ["administrator"],
  delete: ["administrator"],
  changeCategory: ["manager", "administrator"],
  moderate: ["manager", "administrator"],
};

const CATEGORY_RIGHTS: Record<CategoryAction, readonly Standing[]> = {
  browse: ["inScope", "creator", "administrator"],
  create: ["creator", "administrator"],
};

const STANDINGS: readonly Standing[] = ["inScope", "member", "manager", "creator", "administrator"];

/**
 * From what the lists say of a user (himself, his groups, his domain) to what binds him. Who is out of scope holds no role in
 * it: a role that was given before, or through a group, does not reach over the category's wall. Administrators stand above it.
 */
export function accessOf(
  scope: ReadonlySet<ScopeWord>,
  roles: ReadonlySet<Role>,
  user: Pick<User, "administrator" | "mayCreateRooms">,
): Access {
  const inScope = isInScope(scope);
  const { administrator } = user;
  if (!inScope && !administrator) return NO_ACCESS;
  return {
    inScope,
    member: inScope && roles.has("member"),
    manager: inScope && roles.has("manager"),
    presenter: inScope && roles.has("presenter"),
    creator: inScope && scope.has("creator") && user.mayCreateRooms,
    administrator,
  };
}

/** What binds principals, by id, to one room: its own lists, and its category's. */
export interface Bindings {
  readonly scope: ReadonlyMap<number, ReadonlySet<ScopeWord>>;
  readonly roles: ReadonlyMap<number, ReadonlySet<Role>>;
}

/** As `accessOf`, for everybody in a room without a question for each. */
export function accessUnder(
  { scope, roles }: Bindings,
  user: Pick<User, "administrator" | "mayCreateRooms" | "principalIds">,
): Access {
  const words = new Set<ScopeWord>();
  const held = new Set<Role>();
  for (const id of user.principalIds) {
    for (const word of scope.get(id) ?? []) words.add(word);
    for (const role of roles.get(id) ?? []) held.add(role);
  }
  return accessOf(words, held, user);
}

/**
 * Decides one action.
 * @returns undefined when allowed, else the refusal. Who may not see a room is told `ROOM_NOT_FOUND`, so that a
 * secret room answers an outsider exactly as a room that does not exist.
 */
export function refusal(
  action: Action,
  room: Pick<Room, "privacy" | "type" | "disabled">,
  access: Access,
): ChatErrorCode | undefined {
  const allows = (standings: readonly Standing[]) =>
    STANDINGS.some((s) => access[s] && standings.includes(s));
  if (!allows(RIGHTS.see[room.privacy]))
    return room.privacy === "secret" ? "ROOM_NOT_FOUND" : "NOT_PERMITTED";
  if (room.disabled && !allows(RIGHTS_WHEN_DISABLED[action])) {
    // Who looks after the room knows that it is disabled, and is told what he may not do with it; nobody else may do anything.
    return allows(RIGHTS_WHEN_DISABLED.see) && RIGHTS_WHEN_DISABLED[action].length > 0
      ? "NOT_PERMITTED"
      : "ROOM_DISABLED";
  }
  if (!allows(RIGHTS[action][room.privacy])) return "NOT_PERMITTED";
  if (action === "post" && room.type === "auditorium" && !access.presenter) return "LISTENER_ONLY";
  return undefined;
}

/** Decides one action on a category; a category that may not be browsed is told as one that does not exist. */
export function categoryRefusal(action: CategoryAction, access: Access): ChatErrorCode | undefined {
  const allows = (standings: readonly Standing[]) =>
    STANDINGS.some((s) => access[s] && standings.includes(s));
  if (!allows(CATEGORY_RIGHTS.browse)) return "CATEGORY_NOT_FOUND";
  return allows(CATEGORY_RIGHTS[action]) ? undefined : "NOT_PERMITTED";
}
