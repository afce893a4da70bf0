import type { AddIn } from "./add-in.ts";
import type { ReadingMode } from "./category.ts";

/** Who can find and enter a room. Lync's words; on the wire `open`, `scoped`, `private`. */
export type Privacy = "open" | "closed" | "secret";

/** In an auditorium only presenters post. */
export type RoomType = "normal" | "auditorium";

/** A persistent chat room as the rest of the system sees it: settings only, no members. */
export interface Room {
  readonly id: number;
  /** `ma-chan://<domain>/<guid>`, always spelled the same: clients compare it case-sensitively. */
  readonly uri: string;
  readonly domain: string;
  /** Lower-case GUID, the last part of the URI. */
  readonly guid: string;
  readonly name: string;
  readonly description: string;
  readonly privacy: Privacy;
  readonly type: RoomType;
  readonly categoryId: number;
  readonly categoryGuid: string;
  readonly addIn: AddIn | null;
  readonly disabled: boolean;
  /** False: history is not shown to users (the compliance archive still records). */
  readonly keepsHistory: boolean;
  /** The category's. */
  readonly reading: ReadingMode;
  readonly fileUpload: boolean;
  /** Whether new members are invited: by the category, unless the room says never. */
  readonly invitations: boolean;
  /** The room's own part of that: false is never, whatever the category says. */
  readonly inheritsInvitations: boolean;
  /** Rises with every change of the room's settings or roles; a decision made under an older version is made again. */
  readonly accessVersion: number;
}
