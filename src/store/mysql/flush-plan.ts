import { isStory } from "../../chat/message.ts";
import { STALE } from "../../ports.ts";
import { planAttendance } from "./flush-attendance.ts";
import { recordHere, recordInOwnStream, recordInRoom, recordNode } from "./flush-record.ts";
import { type FlushContext, type FlushState, postKey } from "./flush-state.ts";
import { type Entry, type Outcomes, roomsOf, tokensOf } from "./journal-entry.ts";
import { bytes, int, text } from "./sql-values.ts";

/**
 * Decides what the transaction writes and what each entry is answered once it is committed. Entries are taken in the order in
 * which they were handed in: that is the order of a room's numbers.
 * @throws {RangeError} when a value cannot be written; the entry is found by planning fewer
 */
export function planFlush(state: FlushState, entries: readonly Entry[], context: FlushContext): void {
  const firstPosts = new Map<string, () => Outcomes["post"] | undefined>();
  const waitingTokens = new Set<string>();
  for (const entry of entries) {
    if (mustWait(state, entry, waitingTokens)) {
      // What the same dialog asked for later must not overtake it.
      for (const token of tokensOf(entry)) waitingTokens.add(token);
      state.writes.deferred.push(entry);
    } else if (entry.kind === "post") planPost(state, entry, context, firstPosts);
    else if (entry.kind === "read") planRead(state, entry, context);
    else if (entry.kind === "spooled") planSpooled(state, entry, context);
    else if (entry.kind === "alive") planAlive(state, entry, context);
    else planAttendance(state, entry, context);
  }
}

function mustWait(state: FlushState, entry: Entry, waitingTokens: ReadonlySet<string>): boolean {
  if (state.lockedRooms.size === 0 && state.lockedTokens.size === 0) return false;
  const tokens = tokensOf(entry);
  const rooms = roomsOf(entry);
  if (entry.kind === "end" || entry.kind === "adopt")
    for (const token of tokens) rooms.push(...(state.joined.get(token)?.before.keys() ?? []));
  return (
    tokens.some((token) => state.lockedTokens.has(token) || waitingTokens.has(token)) ||
    rooms.some((id) => state.lockedRooms.has(id))
  );
}

function planPost(
  { rooms, storedPosts, writes }: FlushState,
  { post, resolve }: Entry<"post">,
  context: FlushContext,
  firstPosts: Map<string, () => Outcomes["post"] | undefined>,
): void {
  const { by, text: body, rtf, alert } = post;
  const key = postKey(by.token, post.envid, post.seqid);
  const stored = storedPosts.get(key);
  const first = stored ? () => stored : firstPosts.get(key);
  if (first) {
    writes.settle.push(() => {
      const outcome = first();
      resolve(outcome === STALE || outcome === undefined ? STALE : { ...outcome, repeated: true });
    });
    return;
  }
  const room = rooms.get(post.room.id);
  let outcome: Outcomes["post"] = STALE;
  if (room && room.accessVersion === post.room.accessVersion) {
    const number = room.lastNumber + room.posts + 1;
    const atMs = context.nowMs();
    outcome = {
      roomId: room.id,
      number,
      author: by.user.uri,
      authorName: by.user.displayName,
      atMs,
      alert,
      text: body,
      rtf,
      repeated: false,
    };
    const row = `(${int(room.id)},${int(number)},${int(by.user.id)},${int(atMs)},${alert ? 1 : 0},${text(body)},${text(rtf)})`;
    // As the room is in this version: a category that is switched raises the version of its rooms.
    if (post.room.keepsHistory) writes.messages.push(row);
    else planPassing(writes, row, room.id, number, atMs);
    writes.postKeys.push(`(${bytes(by.token)},${post.envid},${post.seqid},${int(room.id)},${int(number)})`);
    room.posts += 1;
    const kind = isStory(body) ? "STORY" : "CHAT";
    recordInRoom(
      writes,
      room,
      { by, room: post.room, fact: { kind, number, alert, text: body, rtf }, atMs },
      context,
    );
  }
  firstPosts.set(key, () => outcome);
  writes.settle.push(() => resolve(outcome));
}

function planPassing(
  { passing, unkept }: FlushState["writes"],
  row: string,
  roomId: number,
  number: number,
  atMs: number,
): void {
  passing.push(row);
  const span = unkept.get(roomId);
  if (!span) unkept.set(roomId, { from: number, to: number, lastMs: atMs });
  else {
    span.to = number;
    span.lastMs = atMs;
  }
}

function planRead(
  { writes }: FlushState,
  { by, readings, resolve }: Entry<"read">,
  context: FlushContext,
): void {
  writes.settle.push(() => resolve(undefined));
  const atMs = context.nowMs();
  for (const { room, fact } of readings) recordHere(writes, { by, room, fact, atMs }, context);
}

/** Each number once, whoever hands it in and however often: the highest on record is under lock. */
function planSpooled(
  { spooled: onRecord, writes }: FlushState,
  { life, spooled, resolve, reject }: Entry<"spooled">,
  context: FlushContext,
): void {
  const before = onRecord.get(life);
  if (before === undefined) {
    writes.settle.push(() => reject(new Error(`${life} is no life that the database knows`)));
    return;
  }
  let highest = before;
  for (const { number, atMs, session, user, readings } of spooled) {
    if (number <= highest) continue;
    highest = number;
    for (const { room, fact } of readings)
      recordInOwnStream(writes, { user, session, room, fact, atMs }, context);
  }
  if (highest > before) writes.spooled.set(life, highest);
  onRecord.set(life, highest);
  writes.settle.push(() => resolve(undefined));
}

function planAlive(
  { writes }: FlushState,
  { dialogs, databaseMs, resolve }: Entry<"alive">,
  context: FlushContext,
): void {
  writes.settle.push(() => resolve(undefined));
  writes.alive = true;
  recordNode(writes, { kind: "NODE_HEARTBEAT", dialogs, databaseMs }, context);
}
