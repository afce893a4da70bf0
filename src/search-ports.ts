import type { FoundInRooms, HistoryQuery } from "./chat/history-search.ts";

/** Search in messages. It finds exactly what reading every message would, for all that was committed before it was asked. */
export interface HistorySearch {
  /**
   * Looks through rooms in the order of their ids; whose they are to read is the caller's to know.
   * @throws ChatError("OVERLOADED") when as many searches as a node does at once are under way and as many wait
   */
  find(query: HistoryQuery, roomIds: readonly number[]): Promise<FoundInRooms>;
}
