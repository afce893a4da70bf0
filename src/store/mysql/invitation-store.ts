import type { Invitation, InvitationStore } from "../../user-ports.ts";
import { type Database, limit } from "./database.ts";

interface Row {
  user_id: number;
  number: number;
  room_id: number;
  created_ms: number;
}

const COLUMNS = "user_id, number, room_id, created_ms";

export class MysqlInvitationStore implements InvitationStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async after(userId: number, number: number, atMost: number): Promise<Invitation[]> {
    const rows = await this.#database.rows<Row>(
      `SELECT ${COLUMNS} FROM invitation WHERE user_id = ? AND number > ? ORDER BY number ${limit(atMost)}`,
      [userId, number],
    );
    return rows.map(invitationOf);
  }

  async since(ms: number, atMost: number): Promise<{ nowMs: number; invitations: Invitation[] }> {
    // The clock first: what is committed between the two is found at the next look.
    const [clock] = await this.#database.rows<{ now_ms: number }>(
      "SELECT CAST(ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS UNSIGNED) AS now_ms",
    );
    const rows = await this.#database.rows<Row>(
      `SELECT ${COLUMNS} FROM invitation WHERE created_ms >= ? ORDER BY created_ms, user_id, number ${limit(atMost)}`,
      [ms],
    );
    return { nowMs: Number(clock?.now_ms ?? 0), invitations: rows.map(invitationOf) };
  }
}

function invitationOf({ user_id, number, room_id, created_ms }: Row): Invitation {
  return { userId: user_id, number, roomId: room_id, createdMs: Number(created_ms) };
}
