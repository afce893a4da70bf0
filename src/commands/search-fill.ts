/** What is to be told of one room; `messages` are in the order in which they were found. */
export interface Fillable {
  readonly headBytes: number;
  readonly messageBytes: readonly number[];
}

/**
 * Which of the messages found a reply has room for: the first one of each room, then the second ones, and so on, so that no room
 * takes it all. Rooms themselves are left out from the end.
 * @returns messages shown of each room; shorter than `rooms` when the last ones are left out
 */
export function fill(rooms: readonly Fillable[], maxBytes: number): number[] {
  let left = maxBytes;
  const shown: number[] = [];
  for (const { headBytes } of rooms) {
    if (headBytes > left) break;
    left -= headBytes;
    shown.push(0);
  }
  const open = new Set(shown.keys());
  for (let turn = 0; open.size > 0; turn++) {
    for (const index of open) {
      const bytes = rooms[index]?.messageBytes[turn] ?? Number.POSITIVE_INFINITY;
      if (bytes <= left) {
        left -= bytes;
        shown[index] = turn + 1;
      } else open.delete(index);
    }
  }
  return shown;
}
