/**
 * When a reading is on record: `strict`, in the database before the answer leaves; `buffered`, on the disk of the node before it leaves
 * and in the database within a second.
 */
export const READING_MODES = ["strict", "buffered"] as const;
export type ReadingMode = (typeof READING_MODES)[number];

/**
 * What rooms hang under: one flat level. Its scope says whose users can find, enter and manage its rooms at all; the switches hold
 * for all its rooms, and a room may only turn invitations off.
 */
export interface Category {
  readonly id: number;
  /** Lower-case GUID, the last part of its `ma-cat://` URI. */
  readonly guid: string;
  readonly name: string;
  readonly description: string;
  readonly invitations: boolean;
  readonly fileUpload: boolean;
  readonly chatHistory: boolean;
  readonly reading: ReadingMode;
  /** Rises with every change. */
  readonly version: number;
}
