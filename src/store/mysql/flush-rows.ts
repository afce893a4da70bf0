import type { DialogRecord } from "../../ports.ts";
import type { FlushContext, FlushState, FlushWrites, RoomState } from "./flush-state.ts";
import { dbNowMs } from "./handover-rows.ts";
import { bytes, endpointKey, idLists, insertRows, int, MAX_STATEMENT_CHARS, text } from "./sql-values.ts";

/** Post keys and remembered rooms outlive their dialog by this. */
const KEPT_MS = 24 * 3_600_000;

/** The statements that write a planned flush, COMMIT excluded. Empty when there is nothing to write. */
export function statementsOf(state: FlushState, context: FlushContext): string[] {
  const { writes } = state;
  const statements = [
    ...insertRows(
      "INSERT INTO message (room_id, number, author_id, at_ms, alert, text, rtf)",
      writes.messages,
    ),
    ...insertRows(
      "INSERT INTO passing_message (room_id, number, author_id, at_ms, alert, text, rtf)",
      writes.passing,
    ),
    ...[...writes.unkept].map(unkeptSpan),
    ...insertRows("INSERT INTO post_key (token, envid, seqid, room_id, number)", writes.postKeys),
    ...insertRows(
      "INSERT INTO compliance_outbox (event_id, stream, stream_seq, kind, at_ms, room_id, body)",
      writes.events,
    ),
    ...roomUpdates(state.rooms.values()),
    ...dialogStatements(state, context.nowMs()),
  ];
  for (const [life, number] of writes.spooled)
    statements.push(`UPDATE incarnation SET spooled = ${int(number)} WHERE incarnation = ${text(life)}`);
  if (writes.readEvents > 0)
    statements.push(
      `UPDATE incarnation SET read_events = ${int(context.readEvents + writes.readEvents)}${writes.alive ? `, heartbeat_ms = ${dbNowMs}` : ""} WHERE incarnation = ${text(context.incarnation)}`,
    );
  return statements;
}

/** Groups statements into packets that are well below the server's limit. */
export function packets(statements: readonly string[]): string[][] {
  const grouped: string[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const statement of statements) {
    if (length + statement.length > MAX_STATEMENT_CHARS) {
      grouped.push([]);
      length = 0;
    }
    grouped.at(-1)?.push(statement);
    length += statement.length;
  }
  return grouped;
}

/** The rows are locked, so that counting up is exact; rooms that count up alike share a statement. */
function roomUpdates(rooms: Iterable<RoomState>): string[] {
  const alike = new Map<string, number[]>();
  for (const { id, posts, events } of rooms) {
    if (posts === 0 && events === 0) continue;
    const change = `last_number = last_number + ${int(posts)}, last_event = last_event + ${int(events)}`;
    const list = alike.get(change);
    if (list) list.push(id);
    else alike.set(change, [id]);
  }
  return [...alike].flatMap(([change, ids]) =>
    idLists(ids).map((list) => `UPDATE room FORCE INDEX (PRIMARY) SET ${change} WHERE id IN (${list})`),
  );
}

/** Goes on where the room's last span ended, or begins one. */
function unkeptSpan([roomId, { from, to, lastMs }]: [
  number,
  { readonly from: number; readonly to: number; readonly lastMs: number },
]): string {
  return (
    "INSERT INTO unkept_span (room_id, from_number, to_number, last_ms) " +
    `SELECT ${int(roomId)}, COALESCE(MAX(s.from_number), ${int(from)}), ${int(to)}, ${int(lastMs)} FROM unkept_span s ` +
    `WHERE s.room_id = ${int(roomId)} AND s.to_number = ${int(from - 1)} ` +
    `ON DUPLICATE KEY UPDATE to_number = ${int(to)}, last_ms = ${int(lastMs)}`
  );
}

function dialogStatements({ joined, writes }: FlushState, nowMs: number): string[] {
  const statements: string[] = [];
  const left: string[] = [];
  const entered: string[] = [];
  for (const [token, { before, after }] of joined) {
    const gone = [...before.keys()].filter((id) => !after.has(id));
    if (gone.length > 0) left.push(`(token = ${bytes(token)} AND room_id IN (${gone.map(int).join(",")}))`);
    for (const [id, { mask, since }] of after)
      if (!before.has(id)) entered.push(`(${bytes(token)},${int(id)},${int(mask)},${int(since)})`);
  }
  if (left.length > 0) statements.push(`DELETE FROM dialog_room WHERE ${left.join(" OR ")}`);
  if (writes.endedDialogs.size > 0) {
    const tokens = [...writes.endedDialogs];
    statements.push(`DELETE FROM dialog WHERE token IN (${tokens.map(bytes).join(",")})`);
    const rows = tokens.map((token) => `(${bytes(token)},${int(nowMs + KEPT_MS)})`);
    statements.push(...insertRows("REPLACE INTO ended_dialog (token, until_ms)", rows));
  }
  statements.push(...insertRows(INSERT_DIALOG, [...writes.openedDialogs.values()].map(dialogRow)));
  for (const [token, { flow, awaySinceMs, epoch }] of writes.movedDialogs) {
    statements.push(
      `UPDATE dialog SET edge = ${text(flow.edge)}, edge_start = ${text(flow.edgeStart)}, conid = ${int(flow.conid)}, ` +
        `source = ${text(flow.source)}, transport = ${text(flow.transport)}, ` +
        `epoch = ${int(epoch)}, away_since_ms = ${awaySinceMs === null ? "NULL" : int(awaySinceMs)} WHERE token = ${bytes(token)}`,
    );
  }
  statements.push(...insertRows("INSERT INTO dialog_room (token, room_id, mask, since)", entered));
  return [...statements, ...rememberedStatements(writes, nowMs)];
}

function rememberedStatements({ remembered }: FlushWrites, nowMs: number): string[] {
  if (remembered.size === 0) return [];
  const lists = [...remembered.values()];
  const endpoints = lists.map(
    ({ userId, endpoint }) => `(user_id = ${int(userId)} AND endpoint = ${bytes(endpoint)})`,
  );
  const rows = lists.flatMap(({ userId, endpoint, rooms }) =>
    rooms.map((id) => `(${int(userId)},${bytes(endpoint)},${int(id)},${int(nowMs + KEPT_MS)})`),
  );
  return [
    `DELETE FROM remembered_room WHERE ${endpoints.join(" OR ")}`,
    ...insertRows("INSERT INTO remembered_room (user_id, endpoint, room_id, until_ms)", rows),
  ];
}

const INSERT_DIALOG =
  "INSERT INTO dialog (token, user_id, endpoint, epid, home, epoch, issued_by, call_id, local_uri, local_tag, remote_uri, " +
  "remote_tag, remote_target, route_set, local_address, edge, edge_start, conid, source, transport, away_since_ms, sipe)";

function dialogRow({ state, user, epid, home, epoch, flow, awaySinceMs, isSipe }: DialogRecord): string {
  const endpoint = endpointKey(epid === "" ? state.remoteTarget : epid);
  const values = [bytes(state.token), int(user.id), bytes(endpoint), text(epid), text(home), int(epoch)];
  values.push(text(state.issuedBy), text(state.callId), text(state.localUri), text(state.localTag));
  values.push(
    text(state.remoteUri),
    text(state.remoteTag),
    text(state.remoteTarget),
    text(state.routeSet),
    text(state.localAddress),
  );
  values.push(
    text(flow.edge),
    text(flow.edgeStart),
    int(flow.conid),
    text(flow.source),
    text(flow.transport),
  );
  values.push(awaySinceMs === null ? "NULL" : int(awaySinceMs), isSipe ? "1" : "0");
  return `(${values.join(",")})`;
}
