import type { ChatErrorCode } from "./errors.ts";
import type { Room } from "./room.ts";

/** What binds one user to one room. Scope comes from the category (denied wins over allowed), the rest from the room's lists. */
export interface Access {
  readonly inScope: boolean;
  readonly member: boolean;
  readonly manager: boolean;
  readonly presenter: boolean;
}

export const NO_ACCESS: Access = { inScope: false, member: false, manager: false, presenter: false };

/** Everything a user can do with an existing room. */
export type Action = "see" | "join" | "read" | "post" | "manage";

type Standing = "stranger" | "inScope" | "member" | "manager" | "presenter";

/**
 * The one table of rights: which standing allows which action, per privacy.
 * Managers manage but enter only as members; presenters post in an auditorium only as members.
 */
const RIGHTS: Record<Action, Record<Room["privacy"], readonly Standing[]>> = {
  see: {
    open: ["inScope", "member", "manager"],
    closed: ["inScope", "member", "manager"],
    secret: ["member", "manager"],
  },
  join: { open: ["inScope", "member"], closed: ["member"], secret: ["member"] },
  read: { open: ["inScope", "member"], closed: ["member"], secret: ["member"] },
  post: { open: ["inScope", "member"], closed: ["member"], secret: ["member"] },
  manage: { open: ["manager"], closed: ["manager"], secret: ["manager"] },
};

function standings(access: Access): Standing[] {
  const held: Standing[] = [];
  if (access.inScope) held.push("inScope");
  if (access.member) held.push("member");
  if (access.manager) held.push("manager");
  if (access.presenter) held.push("presenter");
  return held;
}

/**
 * Decides one action.
 * @returns undefined when allowed, else the refusal. Who may not see a room is told `ROOM_NOT_FOUND`, so that a
 * secret room answers an outsider exactly as a room that does not exist.
 */
export function refusal(action: Action, room: Room, access: Access): ChatErrorCode | undefined {
  const held = standings(access);
  const allows = (wanted: Action) => RIGHTS[wanted][room.privacy].some((standing) => held.includes(standing));
  if (!allows("see")) return room.privacy === "secret" ? "ROOM_NOT_FOUND" : "NOT_PERMITTED";
  if (room.disabled) return "ROOM_DISABLED";
  if (!allows(action)) return "NOT_PERMITTED";
  if (action === "post" && room.type === "auditorium" && !access.presenter) return "LISTENER_ONLY";
  return undefined;
}
