import { type Database, ids, limit, type Queries } from "./database.ts";
import { dbNowMs } from "./handover-rows.ts";
import { anyInvites, inviteMembers, type Looked, type Which, withdrawInvitations } from "./invitations.ts";
import { chunksOf } from "./membership-rows.ts";

/** How far work is that takes long: what is counted, how much of it is done, and how much there is where somebody knows. */
export type TellProgress = (what: string, done: number, all?: number) => void;

/** Who is to be invited, or no longer, when a change is committed. It goes by what holds then, so it may be done twice, and in any order. */
export interface InvitationWork extends Which {
  readonly what: "invite" | "withdraw";
  readonly through?: readonly number[];
}

/**
 * Puts off what may take long until the change is committed: while it is made nobody else can change anything, and posts to its room
 * wait. It is on record with the change.
 */
export type Afterwards = (work: InvitationWork) => void;

/** What stands on record. */
export interface LeftWork {
  readonly id: number;
  /** When others take it for left behind; whoever takes it up, or keeps it, writes another time, and it is his. */
  readonly dueMs: number;
  readonly work: InvitationWork;
}

/** Whoever is at it has so long, and longer if he says so in time; then others take it for left behind. */
const CLAIM_MS = 60_000;
const KEEP_MS = 20_000;
/** Pieces that others left behind, in one look. */
const TAKEN_UP = 20;
/** Users and groups in one list when rows may be locked by it. */
const AT_ONCE = 500;

/** The same for many users: no piece of it is long. */
export function* inPieces(
  what: InvitationWork["what"],
  users: Iterable<number>,
  through?: readonly number[],
): Generator<InvitationWork> {
  for (const some of chunksOf([...users], AT_ONCE))
    if (through === undefined) yield { what, users: some };
    else for (const groups of chunksOf(through, AT_ONCE)) yield { what, users: some, through: groups };
}

/** In the transaction of the change, so that neither is without the other. @returns what `finish` is to be given */
export async function keepWork(queries: Queries, works: Iterable<InvitationWork>): Promise<LeftWork[]> {
  const left: LeftWork[] = [];
  for (const work of works) {
    if (!(await isNeeded(queries, work))) continue;
    const { insertId } = await queries.change(
      `INSERT INTO invitation_work (due_ms, work) VALUES (${dbNowMs} + ?, ?)`,
      [CLAIM_MS, JSON.stringify(work)],
    );
    const [row] = await queries.rows<{ due_ms: number }>("SELECT due_ms FROM invitation_work WHERE id = ?", [
      insertId,
    ]);
    left.push({ id: insertId, dueMs: Number(row?.due_ms), work });
  }
  return left;
}

/** Nearly all changes end here: invitations are off unless an administrator wants them. */
async function isNeeded(queries: Queries, { what, rooms, users }: InvitationWork): Promise<boolean> {
  if (what === "invite") {
    if (rooms) return anyInvites(queries, rooms);
    return (await queries.rows("SELECT 1 FROM category WHERE invitations = 1 LIMIT 1")).length > 0;
  }
  const [column, list] = rooms ? ["room_id", rooms] : ["user_id", users ?? []];
  const found = await queries.rows(`SELECT 1 FROM invitation WHERE ${column} IN (?) LIMIT 1`, [ids(list)]);
  return found.length > 0;
}

/** Whoever wants to know of it. */
export interface Told {
  readonly onProgress?: TellProgress | undefined;
  /** Invitations behind a change could not be written; a node will do it. */
  readonly onUnfinished?: (error: unknown) => void;
}

/** What was put off, one after the other. Never throws: the change is committed, and what fails stays on record until a node does it. */
export async function finish(
  database: Database,
  left: readonly LeftWork[],
  { onProgress = () => {}, onUnfinished = () => {} }: Told = {},
): Promise<void> {
  try {
    await carryOutAll(database, left, onProgress);
  } catch (error) {
    onUnfinished(error);
  }
}

async function carryOutAll(
  database: Database,
  left: readonly LeftWork[],
  onProgress: TellProgress,
): Promise<void> {
  let looked = 0;
  for (const one of left)
    await carryOut(database, one, KEEP_MS, (more) => {
      looked += more;
      onProgress("invitations", looked);
    });
}

/**
 * What a process left behind that ended, or lost the database, between a change and its invitations. To be called every few seconds, on
 * one node or on several: each piece is taken by one. @param keepMs how often it says that it is still at it @returns pieces done
 */
export async function finishLeft(database: Database, keepMs = KEEP_MS): Promise<number> {
  type Row = { id: number; due_ms: number; work: string };
  const rows = await database.rows<Row>(
    `SELECT id, due_ms, work FROM invitation_work WHERE due_ms <= ${dbNowMs} ORDER BY due_ms, id ${limit(TAKEN_UP)}`,
  );
  let done = 0;
  for (const { id, due_ms, work } of rows) {
    const one = { id, dueMs: Number(due_ms), work: JSON.parse(work) as InvitationWork }; // as keepWork wrote it
    if (await carryOut(database, one, keepMs)) done += 1;
  }
  return done;
}

/** @returns whether it was done here: not when somebody else had taken it up, or has meanwhile */
async function carryOut(
  database: Database,
  { id, dueMs, work: { what, through, ...which } }: LeftWork,
  keepMs: number,
  tell: (more: number) => void = () => {},
): Promise<boolean> {
  let mine = dueMs;
  let keptMs = 0;
  const keep = async () => {
    mine = await claim(database, id, mine);
    keptMs = performance.now();
  };
  const looked: Looked = async (more) => {
    tell(more);
    if (performance.now() - keptMs >= keepMs) await keep();
  };
  try {
    await keep();
    await (what === "invite" ? inviteMembers : withdrawInvitations)(database, which, through, looked);
  } catch (error) {
    if (error instanceof TakenUp) return false;
    throw error;
  }
  await database.change("DELETE FROM invitation_work WHERE id = ?", [id]);
  return true;
}

/** Somebody else is at the work, or has done it. */
class TakenUp extends Error {}

/** @returns until when it is ours. @throws TakenUp */
async function claim(database: Database, id: number, dueMs: number): Promise<number> {
  const { affectedRows, insertId } = await database.change(
    `UPDATE invitation_work SET due_ms = LAST_INSERT_ID(${dbNowMs} + ?) WHERE id = ? AND due_ms = ?`,
    [CLAIM_MS, id, dueMs],
  );
  if (affectedRows === 0) throw new TakenUp();
  return insertId;
}
