/** The outside world, the part that belongs to single users: what they prefer, were invited to, have read and follow. */
import type { Publication, PublicationChange } from "./chat/publication.ts";

/** An opaque bundle of settings that a client keeps on the server. */
export interface Preference {
  readonly version: number;
  readonly content: Uint8Array;
}

export interface PreferenceStore {
  find(userId: number, label: string): Promise<Preference | undefined>;
  /**
   * Replaces the bundle that has this version; one that is not there yet has version 0.
   * @returns the new version
   * @throws {ChatError} DATA_COLLISION when it has another version, LIMIT_EXCEEDED when the user has too many
   */
  set(userId: number, label: string, preference: Preference): Promise<number>;
}

/** A room with invitations on has got a new member. `number` is dense per user. */
export interface Invitation {
  readonly userId: number;
  readonly number: number;
  readonly roomId: number;
  readonly createdMs: number;
}

export interface InvitationStore {
  /** Those with a greater number, lowest first, at most `limit`; also of rooms that invite no longer. */
  after(userId: number, number: number, limit: number): Promise<Invitation[]>;
  /** Everybody's since that time by the database's clock, oldest first, at most `limit`, and what that clock says. */
  since(ms: number, limit: number): Promise<{ nowMs: number; invitations: Invitation[] }>;
}

/** How far a user has read a room. */
export interface ReadMark {
  readonly userId: number;
  readonly roomId: number;
  readonly number: number;
}

export interface ReadMarkStore {
  /** A mark never goes back. */
  save(marks: readonly ReadMark[]): Promise<void>;
  /**
   * Per room the last message and the last one read, 0 for none, and how many between them nobody can read:
   * they were removed, or never kept. A room that some dialog of
   * the user hears is read; so is what was cleared.
   */
  read(
    userId: number,
    roomIds: readonly number[],
  ): Promise<Map<number, { last: number; read: number; removed: number }>>;
  /** How many messages above this number were removed, or never kept. */
  removedAbove(roomId: number, number: number): Promise<number>;
}

/** What became of publishing: the new state, or for each change that came too late the version that stands (0 = nothing there). */
export type Published =
  | { readonly done: true; readonly publications: readonly Publication[] }
  | { readonly done: false; readonly conflicts: readonly { index: number; current: number }[] };

export interface PublicationStore {
  /**
   * What was changed after this revision (0: everything that stands), in the order of category and instance, and the revision it
   * leads to. What was removed meanwhile has no content; beyond some hundred removals the oldest are forgotten.
   */
  find(userId: number, after: number): Promise<{ revision: number; publications: Publication[] }>;
  /**
   * All changes or none. Each names the version it replaces; `index` of a conflict is its place in the list.
   * @param maxBytes of everything the user has then
   * @throws {ChatError} LIMIT_EXCEEDED when there would be too many or they would be too large together
   */
  publish(userId: number, changes: readonly PublicationChange[], maxBytes: number): Promise<Published>;
  /** Revisions of those who ever published. */
  revisions(userIds: readonly number[]): Promise<Map<number, number>>;
}
