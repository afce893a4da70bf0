import type { CopyRecord, Evidence, Excuses, Seat, StoredMessage } from "./evidence.ts";

/** Copies against the store, seat by seat: each one true, all in order, none missing, none twice without excuse. */
export function seatFaults({ seats, stored, rooms }: Evidence, excuses: Excuses): string[] {
  const truth = new Map(stored.map((message) => [`${message.room} ${message.number}`, message]));
  const last = new Map(rooms.map(({ room, lastNumber }) => [room, lastNumber]));
  return seats.flatMap((seat) => [
    ...falseCopies(seat, truth),
    ...seat.live.flatMap((copies) => disorder(seat, copies, excuses)),
    ...missing(seat, last.get(seat.room) ?? 0),
  ]);
}

function falseCopies(
  { client, room, live, history }: Seat,
  truth: ReadonlyMap<string, StoredMessage>,
): string[] {
  const faults: string[] = [];
  for (const copy of [...live.flat(), ...history]) {
    const message = truth.get(`${room} ${copy.number}`);
    if (message?.text !== copy.text || message.author !== copy.author)
      faults.push(
        `${client} got ${copy.number} of ${room} as ${copy.text}, stored is ${message?.text ?? "nothing"}`,
      );
  }
  return faults;
}

/** Each number follows the one before; going back is for a takeover only, and only to what came last. */
function disorder({ client, room, after }: Seat, copies: readonly CopyRecord[], excuses: Excuses): string[] {
  const { repeatsFromMs = Number.POSITIVE_INFINITY, takeovers = 0 } = excuses;
  const faults: string[] = [];
  const firstAt = new Map<number, number>();
  let previous: number | undefined;
  let goneBack = 0;
  for (const { number, atMs } of copies) {
    const first = firstAt.get(number);
    if (first === undefined) firstAt.set(number, atMs);
    else if (first < repeatsFromMs) faults.push(`${client} got ${number} of ${room} twice`);
    if (previous !== undefined && number > previous + 1)
      faults.push(`${client} got ${number} of ${room} right after ${previous}`);
    if (previous !== undefined && number <= previous) goneBack += 1;
    if (number <= after) faults.push(`${client} got ${number} of ${room}, older than its join`);
    previous = number;
  }
  if (goneBack > takeovers) faults.push(`${client} was thrown back ${goneBack} times in ${room}`);
  return faults;
}

function missing({ client, room, after, live, history }: Seat, lastNumber: number): string[] {
  const seen = new Set([...live.flat(), ...history].map(({ number }) => number));
  const absent: number[] = [];
  for (let number = after + 1; number <= lastNumber; number++) if (!seen.has(number)) absent.push(number);
  if (absent.length === 0) return [];
  const span = `${absent[0]}…${absent.at(-1)}`;
  return [`${client} never got ${absent.length} of ${lastNumber - after} in ${room}: ${span}`];
}
