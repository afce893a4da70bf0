import type { Database } from "./database.ts";

export interface PoolStatus {
  readonly nodes: readonly {
    readonly incarnation: string;
    readonly leaseMs: number;
    readonly dialogs: number;
    readonly away: number;
  }[];
  readonly users: number;
  readonly rooms: number;
  /** Events that the worker has not moved yet, counted up to 100,000. */
  readonly outbox: number;
  readonly oldestOutboxMs: number | null;
  /** Events that the adapter has not delivered yet, counted up to 100,000. */
  readonly handover: number;
  /** Put aside, and not accepted by anybody. */
  readonly quarantined: number;
}

const COUNT_TO = 100_000;

/** What an administrator wants to know first. */
export async function poolStatus(database: Database, nowMs: number): Promise<PoolStatus> {
  type NodeRow = { incarnation: string; lease_ms: number; dialogs: number; away: number | null };
  const nodes = await database.rows<NodeRow>(
    "SELECT i.incarnation, TIMESTAMPDIFF(MICROSECOND, NOW(3), i.expires_at) DIV 1000 AS lease_ms, COUNT(d.token) AS dialogs, " +
      "COUNT(d.away_since_ms) AS away FROM node_lease i LEFT JOIN dialog d ON d.home = i.incarnation " +
      "WHERE i.expires_at > NOW(3) GROUP BY i.incarnation, i.expires_at ORDER BY i.incarnation",
  );
  const count = async (sql: string): Promise<number> => {
    const [row] = await database.rows<{ n: number }>(
      `SELECT COUNT(*) AS n FROM (${sql} LIMIT ${COUNT_TO}) AS counted`,
    );
    return row?.n ?? 0;
  };
  const [oldest] = await database.rows<{ at_ms: number | null }>(
    "SELECT MIN(at_ms) AS at_ms FROM compliance_outbox",
  );
  return {
    nodes: nodes.map((row) => ({
      incarnation: row.incarnation,
      leaseMs: row.lease_ms,
      dialogs: row.dialogs,
      away: row.away ?? 0,
    })),
    users: await count("SELECT id FROM principal WHERE kind = 'user'"),
    rooms: await count("SELECT id FROM room"),
    outbox: await count("SELECT event_id FROM compliance_outbox"),
    oldestOutboxMs: oldest?.at_ms ? nowMs - oldest.at_ms : null,
    handover: await count("SELECT event_id FROM compliance_handover"),
    quarantined: await count("SELECT event_id FROM compliance_quarantine WHERE accepted_ms IS NULL"),
  };
}
