import type { ReadingMode } from "../../chat/category.ts";
import type { Privacy, Room, RoomType } from "../../chat/room.ts";

export interface RoomRow {
  id: number;
  domain: string;
  guid: string;
  name: string;
  description: string;
  privacy: Privacy;
  type: RoomType;
  category_id: number;
  disabled: number;
  invitations: number;
  access_version: number;
  category_invitations: number;
  file_upload: number;
  chat_history: number;
  reading: ReadingMode;
  category_guid: string;
  add_in_id: number | null;
  add_in_name: string | null;
  add_in_url: string | null;
}

/** Tables of a room; the first can be another that `r` is joined to. */
export const ROOM_JOINS =
  "JOIN category c ON c.id = r.category_id LEFT JOIN add_in ai ON ai.id = r.add_in_id";
export const ROOM_TABLES = `room r ${ROOM_JOINS}`;

/** Columns of a room, `FROM` its tables. */
export const ROOM_COLUMNS =
  "r.id, r.domain, r.guid, r.name, r.description, r.privacy, r.type, r.category_id, r.disabled, r.invitations, " +
  "r.access_version, c.invitations AS category_invitations, c.file_upload, c.chat_history, c.reading, c.guid AS category_guid, " +
  "r.add_in_id, ai.name AS add_in_name, ai.url AS add_in_url";

/** File upload and history are the category's alone; a room may switch invitations off, never on. */
export function roomOf(row: RoomRow): Room {
  return {
    id: row.id,
    uri: roomUri(row.domain, row.guid),
    domain: row.domain,
    guid: row.guid,
    name: row.name,
    description: row.description,
    privacy: row.privacy,
    type: row.type,
    categoryId: row.category_id,
    categoryGuid: row.category_guid,
    addIn:
      row.add_in_id === null
        ? null
        : { id: row.add_in_id, name: row.add_in_name ?? "", url: row.add_in_url ?? "" },
    disabled: row.disabled === 1,
    keepsHistory: row.chat_history === 1,
    reading: row.reading,
    fileUpload: row.file_upload === 1,
    invitations: row.invitations === 1 && row.category_invitations === 1,
    inheritsInvitations: row.invitations === 1,
    accessVersion: row.access_version,
  };
}

export function roomUri(domain: string, guid: string): string {
  return `ma-chan://${domain}/${guid}`;
}
