import type { Access } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import type { WireRoom } from "../xccos/blocks.ts";
import { permissionMasks } from "../xccos/names.ts";

const VISIBILITY = { open: "open", closed: "scoped", secret: "private" } as const;

/** A room in the words of the wire. */
export function wireRoom(room: Room): WireRoom & { readonly participants?: never } {
  return {
    uri: room.uri,
    name: room.name,
    description: room.description,
    behavior: room.type === "auditorium" ? "AUDITORIUM" : "NORMAL",
    visibility: VISIBILITY[room.privacy],
    ...(room.addIn ? { addIn: room.addIn } : {}),
    props: { logged: room.keepsHistory, filepost: room.fileUpload, invite: room.invitations },
  };
}

/** The permission mask others see beside a participant's name. */
export function permissionMask(room: Room, access: Access): number {
  const mask = access.manager ? permissionMasks.managerAndMember : permissionMasks.member;
  return room.type === "auditorium" && access.presenter ? mask | permissionMasks.presenter : mask;
}
