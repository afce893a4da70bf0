import { createHash } from "node:crypto";
import type { Lab } from "./lab.ts";

/** A captured event, as its canonical body has it. */
export interface CapturedEvent {
  readonly eventId: string;
  readonly stream: string;
  readonly streamSeq: number;
  readonly kind: string;
  readonly at: number;
  readonly node: string;
  readonly session: string;
  readonly actor: { readonly id: number; readonly uri: string };
  readonly room: { readonly id: number; readonly uri: string; readonly name: string };
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Everything that was captured and has not been handed out to an adapter yet, by stream and number. */
export async function captured(lab: Pick<Lab, "sql">): Promise<CapturedEvent[]> {
  const columns = "stream, stream_seq, body";
  const rows = await lab.sql<{ body: Buffer }>(
    `SELECT ${columns} FROM compliance_outbox UNION SELECT ${columns} FROM compliance_handover ORDER BY stream, stream_seq`,
  );
  return rows.map(({ body }) => JSON.parse(body.toString("utf8")));
}

/** One line for each stream whose numbers are not 1, 2, 3, … */
export function gaps(events: readonly CapturedEvent[]): string[] {
  const numbers = new Map<string, number[]>();
  for (const { stream, streamSeq } of events)
    numbers.set(stream, [...(numbers.get(stream) ?? []), streamSeq]);
  return [...numbers].flatMap(([stream, found]) => {
    const wrong = found.sort((a, b) => a - b).findIndex((number, index) => number !== index + 1);
    return wrong === -1 ? [] : [`${stream} has ${found[wrong]} where ${wrong + 1} belongs`];
  });
}

/** Digest of a dialog's token, as events bear it. */
export function sessionOf(token: string): string {
  return createHash("sha256").update(token).digest("hex").slice(0, 16);
}

/**
 * Comings and goings, checked one against the other and against who is there now. Every JOIN has one PART or a dialog that is in the
 * room still; every LOGIN one LOGOUT or a dialog that lives. A dialog that was replaced goes on as its successor.
 * @returns one line for each fault
 */
export async function unbalanced(lab: Pick<Lab, "sql">, events: readonly CapturedEvent[]): Promise<string[]> {
  const faults: string[] = [];
  const dialogs = new Set<string>();
  for (const { token } of await lab.sql<{ token: string }>("SELECT LOWER(HEX(token)) AS token FROM dialog"))
    dialogs.add(sessionOf(token));
  const here = new Set<string>();
  type Seat = { token: string; room_id: number };
  for (const { token, room_id } of await lab.sql<Seat>(
    "SELECT LOWER(HEX(token)) AS token, room_id FROM dialog_room",
  ))
    here.add(`${room_id} ${sessionOf(token)}`);

  const logins = events.filter(({ kind }) => kind === "LOGIN").map(({ session }) => session);
  const logouts = events.filter(({ kind }) => kind === "LOGOUT");
  const successors = new Map(
    logouts.flatMap(({ session, detail }) =>
      detail.reason === "replaced" ? [[session, String(detail.successor)] as const] : [],
    ),
  );
  for (const session of new Set([...logins, ...logouts.map((event) => event.session)])) {
    const begun = logins.filter((other) => other === session).length;
    const ended = logouts.filter((event) => event.session === session).length;
    if (begun !== 1 || ended !== (dialogs.has(session) ? 0 : 1))
      faults.push(
        `session ${session}: ${begun} LOGIN, ${ended} LOGOUT, ${dialogs.has(session) ? "alive" : "gone"}`,
      );
  }

  const open = new Set<string>();
  const heirs = (session: string): string[] => {
    const next = successors.get(session);
    return next === undefined ? [session] : [session, ...heirs(next)];
  };
  for (const { kind, room, session, detail, stream, streamSeq } of events) {
    const where = `${stream} ${streamSeq}`;
    if (kind === "JOIN") {
      if (open.has(`${room.id} ${session}`)) faults.push(`${where}: JOIN of who is in the room`);
      open.add(`${room.id} ${session}`);
    }
    if (kind !== "PART") continue;
    const entry =
      [`${room.id} ${session}`].find((own) => open.has(own)) ??
      [...open].find((other) => {
        const [at, who = ""] = other.split(" ");
        return at === String(room.id) && heirs(who).includes(session);
      });
    if (entry === undefined) faults.push(`${where}: PART (${detail.reason}) of who is not in the room`);
    else open.delete(entry);
  }
  for (const entry of open) {
    const [at, who = ""] = entry.split(" ");
    if (!heirs(who).some((session) => here.has(`${at} ${session}`)))
      faults.push(`room:${at}: JOIN of ${who} has no PART, and nobody is there`);
  }
  return faults;
}
