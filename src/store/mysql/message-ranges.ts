/** Messages looked at in one statement: a fraction of the time that one may take. */
const STEP = 20_000;
/** Rooms looked at in one statement. */
const ROOMS = 200;

/** Numbers of a room's messages, both included. */
export interface MessageRange {
  readonly roomId: number;
  readonly from: number;
  readonly to: number;
}

/** The rooms' numbers in pieces that fit into one statement each. */
export function packedRanges(
  rooms: readonly { readonly id: number; readonly last_number: number }[],
): MessageRange[][] {
  const steps: MessageRange[][] = [];
  let open: MessageRange[] = [];
  for (const { id, last_number } of rooms) {
    for (let from = 1; from <= last_number; from += STEP) {
      const range = { roomId: id, from, to: Math.min(last_number, from + STEP - 1) };
      if (open.length > 0 && (open.length === ROOMS || sizeOf(open) + sizeOf([range]) > STEP)) {
        steps.push(open);
        open = [];
      }
      open.push(range);
    }
  }
  return open.length > 0 ? [...steps, open] : steps;
}

export const sizeOf = (ranges: readonly MessageRange[]) =>
  ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);

/** Condition on `message`, and its values. */
export function inRanges(ranges: readonly MessageRange[]): [sql: string, values: number[]] {
  return [
    `(${ranges.map(() => "(room_id = ? AND number BETWEEN ? AND ?)").join(" OR ")})`,
    ranges.flatMap(({ roomId, from, to }) => [roomId, from, to]),
  ];
}
