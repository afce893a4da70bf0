import { type Database, ids } from "./database.ts";
import { chunks } from "./management-rows.ts";
import { inRanges, packedRanges, sizeOf } from "./message-ranges.ts";

/** How much is said in rooms. Nothing counts along: the messages themselves are looked at, a bounded number at once. */
export function administrationSizes(database: Database) {
  return {
    /**
     * Bytes of all texts, their rich versions included, by room id; rooms without messages are absent.
     * @param onStep told after each statement: messages looked at, and all there are to look at
     */
    async contentBytes(
      roomIds: readonly number[],
      onStep: (done: number, all: number) => void = () => {},
    ): Promise<Map<number, number>> {
      const rooms: { id: number; last_number: number }[] = [];
      for (const chunk of chunks(roomIds))
        rooms.push(
          ...(await database.rows<{ id: number; last_number: number }>(
            "SELECT id, last_number FROM room WHERE id IN (?) ORDER BY id",
            [ids(chunk)],
          )),
        );
      const steps = packedRanges(rooms);
      const all = steps.reduce((sum, ranges) => sum + sizeOf(ranges), 0);
      const found = new Map<number, number>();
      let done = 0;
      for (const ranges of steps) {
        const [condition, values] = inRanges(ranges);
        const rows = await database.rows<{ room_id: number; bytes: number | string }>(
          "SELECT room_id, SUM(OCTET_LENGTH(text) + COALESCE(OCTET_LENGTH(rtf), 0)) AS bytes " +
            `FROM message WHERE ${condition} GROUP BY room_id`,
          values,
        );
        for (const { room_id, bytes } of rows) found.set(room_id, (found.get(room_id) ?? 0) + Number(bytes));
        done += sizeOf(ranges);
        onStep(done, all);
      }
      return found;
    },
  };
}
