import type { Privacy, RoomType } from "./room.ts";

/** What a search may ask for. Every field narrows; an empty query is every visible room. */
export interface RoomQuery {
  /** Blank-separated words, all of which must be in the name (or description, when asked). */
  readonly words: string;
  readonly inDescription: boolean;
  /** All words unless given; "phrase" takes them as one, blanks included. */
  readonly match?: "all" | "any" | "phrase";
  readonly privacy?: Privacy;
  readonly type?: RoomType;
  /** GUID. */
  readonly category?: string;
  /** Address of a user, group or domain who holds the role, himself or by a group or domain of his. */
  readonly member?: string;
  readonly manager?: string;
  /** Address of a user who is in the room now. */
  readonly participant?: string;
  /** Name of an add-in. */
  readonly addIn?: string;
  /** Whether new members are invited. */
  readonly invitations?: boolean;
  /** True: disabled rooms only, of which those who look after them see some. Enabled ones unless given. */
  readonly disabled?: boolean;
}
