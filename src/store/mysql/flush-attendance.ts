import { ChatError } from "../../chat/errors.ts";
import { sessionOf } from "../../chat/session-digest.ts";
import { STALE } from "../../ports.ts";
import { recordHere, recordInRoom } from "./flush-record.ts";
import type { DialogHead, FlushContext, FlushState, JoinedRow } from "./flush-state.ts";
import type { Entry } from "./journal-entry.ts";
import { endpointKey } from "./sql-values.ts";

type Attendance = Exclude<Entry, Entry<"post" | "read" | "spooled" | "alive">>;

/** Who comes, goes, and goes on with whose rooms: changes of dialogs and of the rooms they are in. */
export function planAttendance(state: FlushState, entry: Attendance, context: FlushContext): void {
  switch (entry.kind) {
    case "open":
      return planOpen(state, entry, context);
    case "join":
      return planJoin(state, entry, context);
    case "part":
      return planPart(state, entry, context);
    case "flow":
      return planFlow(state, entry);
    case "end":
      return planEnd(state, entry, context);
    case "adopt":
      return planAdopt(state, entry, context);
    default:
      entry satisfies never;
  }
}

function planOpen(
  { dialogs, writes }: FlushState,
  { dialog, resolve }: Entry<"open">,
  context: FlushContext,
): void {
  const { state, user, epid, home, flow, awaySinceMs } = dialog;
  const endpoint = endpointKey(epid === "" ? state.remoteTarget : epid);
  dialogs.set(state.token, { userId: user.id, endpoint, home, away: awaySinceMs !== null });
  writes.openedDialogs.set(state.token, dialog);
  const { source, transport } = flow;
  const fact = { kind: "LOGIN", epid, source, transport } as const;
  recordHere(writes, { by: { user, token: state.token, epid }, fact, atMs: context.nowMs() }, context);
  writes.settle.push(() => resolve(undefined));
}

function planJoin(
  state: FlushState,
  { by, rooms, resolve, reject }: Entry<"join">,
  context: FlushContext,
): void {
  const joined = state.dialogs.has(by.token) ? state.joined.get(by.token) : undefined;
  if (!joined) {
    // The dialog ended or was adopted while this was on its way: nobody is left to be in the room.
    state.writes.settle.push(() => reject(new ChatError("NOT_JOINED")));
    return;
  }
  const answers = rooms.map(({ room, mask }) => {
    const locked = state.rooms.get(room.id);
    if (!locked || locked.accessVersion !== room.accessVersion) return STALE;
    const since = locked.lastNumber + locked.posts;
    if (!joined.after.has(room.id)) {
      joined.after.set(room.id, { mask, since });
      recordInRoom(
        state.writes,
        locked,
        { by, room, fact: { kind: "JOIN" }, atMs: context.nowMs() },
        context,
      );
    }
    return since;
  });
  state.writes.settle.push(() => resolve(answers));
}

function planPart(
  state: FlushState,
  { by, rooms, reason, resolve }: Entry<"part">,
  context: FlushContext,
): void {
  const joined = state.joined.get(by.token);
  for (const room of rooms) {
    if (!joined?.after.delete(room.id)) continue;
    const locked = state.rooms.get(room.id);
    if (locked)
      recordInRoom(
        state.writes,
        locked,
        { by, room, fact: { kind: "PART", reason }, atMs: context.nowMs() },
        context,
      );
  }
  state.writes.settle.push(() => resolve(undefined));
}

function planFlow({ dialogs, writes }: FlushState, { token, now, resolve }: Entry<"flow">): void {
  writes.settle.push(() => resolve(undefined));
  const head = dialogs.get(token);
  if (!head) return;
  dialogs.set(token, { ...head, away: now.awaySinceMs !== null });
  const opened = writes.openedDialogs.get(token);
  if (opened) writes.openedDialogs.set(token, { ...opened, ...now });
  else writes.movedDialogs.set(token, now);
}

function planEnd(state: FlushState, entry: Entry<"end">, context: FlushContext): void {
  const { by, home, reason, remember, resolve } = entry;
  const head = state.dialogs.get(by.token);
  const ours = head !== undefined && head.home === home;
  state.writes.settle.push(() => resolve(ours));
  if (!ours) return;
  const rooms = takeRooms(state, by.token);
  for (const id of rooms.keys()) {
    const room = state.rooms.get(id);
    if (room)
      recordInRoom(
        state.writes,
        room,
        { by, room, fact: { kind: "PART", reason }, atMs: context.nowMs() },
        context,
      );
  }
  const fact = { kind: "LOGOUT", reason, successor: null } as const;
  recordHere(state.writes, { by, fact, atMs: context.nowMs() }, context);
  const { userId, endpoint } = head;
  // A dialog without rooms says nothing about where its endpoint was; a client that signed off wants to be forgotten.
  if (!remember || rooms.size > 0)
    state.writes.remembered.set(`${userId}:${endpoint}`, {
      userId,
      endpoint,
      rooms: remember ? [...rooms.keys()] : [],
    });
  forgetDialog(state, by.token);
}

function planAdopt(state: FlushState, { by, from, resolve }: Entry<"adopt">, context: FlushContext): void {
  const old = state.dialogs.get(from);
  const mine = state.dialogs.get(by.token);
  const joined = state.joined.get(by.token);
  if (!mine || !joined || from === by.token || !mayAdopt(old, mine)) {
    state.writes.settle.push(() => resolve(undefined));
    return;
  }
  const before = { ...by, token: from };
  const atMs = context.nowMs();
  for (const [roomId, { mask }] of takeRooms(state, from)) {
    const room = state.rooms.get(roomId);
    if (!room) continue;
    // Entered by both: each entry on record has its own end.
    if (joined.after.has(roomId))
      recordInRoom(
        state.writes,
        room,
        { by: before, room, fact: { kind: "PART", reason: "connection-lost" }, atMs },
        context,
      );
    else joined.after.set(roomId, { mask, since: room.lastNumber + room.posts });
  }
  const fact = { kind: "LOGOUT", reason: "replaced", successor: sessionOf(by.token) } as const;
  recordHere(state.writes, { by: before, fact, atMs }, context);
  forgetDialog(state, from);
  state.writes.settle.push(() => resolve(undefined));
}

/** Only what the same endpoint left behind, and only while its connection is closed. */
function mayAdopt(old: DialogHead | undefined, mine: DialogHead): boolean {
  return old?.away === true && old.userId === mine.userId && old.endpoint === mine.endpoint;
}

function takeRooms(state: FlushState, token: string): Map<number, JoinedRow> {
  const joined = state.joined.get(token);
  const rooms = new Map(joined?.after);
  joined?.after.clear();
  return rooms;
}

function forgetDialog({ dialogs, writes }: FlushState, token: string): void {
  dialogs.delete(token);
  writes.movedDialogs.delete(token);
  // A dialog that opened in this very transaction has no row yet, but perhaps posts.
  writes.openedDialogs.delete(token);
  writes.endedDialogs.add(token);
}
