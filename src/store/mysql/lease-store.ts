import type { LeaseStore } from "../../ports.ts";
import type { Lives } from "../../reading-ports.ts";
import { formatIncarnation, type Incarnation } from "../../sip/dialog.ts";
import { type Database, limit, type Queries } from "./database.ts";
import { journalLockName } from "./journal-connection.ts";
import type { NodeRecords } from "./node-records.ts";
import { StoreError, troubleOf } from "./store-error.ts";

/** A lease without renewal lasts this long, in the database's clock. */
const LEASE_MS = 8_000;
const LEASE = `INTERVAL ${LEASE_MS / 1_000} SECOND`;
/** Node names as they stand in a Contact, where "-" ends them. */
const NODE = /^[a-z][a-z0-9]{0,62}$/;
const HAS_DIALOGS = "EXISTS (SELECT 1 FROM dialog d WHERE d.home = l.incarnation)";
const MAX_BEGINNINGS = 10;
const MOVED_AT_ONCE = 2_000;

export class MysqlLeaseStore implements LeaseStore, Lives {
  readonly #database: Database;
  readonly #records: NodeRecords;

  constructor(database: Database, records: NodeRecords) {
    this.#database = database;
    this.#records = records;
  }

  /** @throws {RangeError} for a node name that cannot stand in a Contact */
  async begin(node: string): Promise<Incarnation> {
    if (!NODE.test(node))
      throw new RangeError("A node's name is a letter and then letters and digits, lower case, 63 at most");
    for (let attempt = 1; ; attempt++) {
      try {
        const [me, event] = await this.#database.transaction(async (queries) => {
          const incarnation = await beginIn(queries, node);
          return [incarnation, await this.#records.started(queries, incarnation)] as const;
        });
        this.#records.announce(event);
        await lapseEarlierLives(this.#database, node, me);
        return me;
      } catch (error) {
        // Two processes of one name began at once: the next number is free.
        const taken = error instanceof StoreError && troubleOf(error) === "duplicate";
        if (!taken || attempt === MAX_BEGINNINGS) throw error;
      }
    }
  }

  async renew(me: Incarnation): Promise<boolean> {
    const { affectedRows } = await this.#database.change(
      `UPDATE node_lease SET expires_at = NOW(3) + ${LEASE} WHERE incarnation = ?`,
      [me],
    );
    return affectedRows === 1;
  }

  async lapsed(): Promise<Incarnation[]> {
    return incarnations(
      await this.#database.rows(
        `SELECT l.incarnation FROM node_lease l WHERE l.expires_at <= NOW(3) AND ${UNFINISHED} ORDER BY l.expires_at`,
      ),
    );
  }

  async take(dead: Incarnation, me: Incarnation): Promise<boolean> {
    if (dead === me) return false;
    let event: string | undefined;
    const taken = await this.#database.transaction(async (queries) => {
      // Who has lapsed too must not gather dialogs: it may be taken over itself before it knows.
      const [mine] = await queries.rows(
        "SELECT incarnation FROM node_lease WHERE incarnation = ? AND expires_at > NOW(3) FOR UPDATE",
        [me],
      );
      if (!mine) return false;
      const lease = await lockLease(queries, dead);
      if (!lease) return isSuccessor(queries, dead, me); // the answer may have been lost, not the commit
      if (!lease.lapsed) return false;
      await queries.change("DELETE FROM node_lease WHERE incarnation = ?", [dead]);
      await endJournal(queries, dead);
      // Waits for a transaction that the dead node had begun: it is committed or rolled back from here on.
      await queries.change("UPDATE incarnation SET successor = ? WHERE incarnation = ?", [me, dead]);
      event = await this.#stop(queries, dead, "server-lost", lease.lastSeenMs);
      await moveDialogs(queries, dead, me);
      // Should this node die before it has restored them, the next one must still know how far they had been served.
      await queries.change(
        "INSERT INTO delivery_progress (incarnation, room_id, number) SELECT ?, d.room_id, d.number FROM delivery_progress d WHERE d.incarnation = ? " +
          "ON DUPLICATE KEY UPDATE number = LEAST(delivery_progress.number, VALUES(number))",
        [me, dead],
      );
      return true;
    });
    if (taken) this.#records.announce(event);
    return taken;
  }

  async release(me: Incarnation): Promise<void> {
    const event = await this.#database.transaction(async (queries) => {
      const lease = await lockLease(queries, me);
      if (!lease) return undefined;
      await queries.change(
        "UPDATE node_lease SET expires_at = NOW(3) - INTERVAL 1 SECOND WHERE incarnation = ?",
        [me],
      );
      return this.#stop(queries, me, "stopped", lease.lastSeenMs);
    });
    this.#records.announce(event);
  }

  async living(): Promise<Incarnation[]> {
    return incarnations(
      await this.#database.rows(
        "SELECT incarnation FROM node_lease WHERE expires_at > NOW(3) ORDER BY incarnation",
      ),
    );
  }

  async hasEnded(life: Incarnation): Promise<boolean | undefined> {
    const [row] = await this.#database.rows<{ ended: number }>(
      "SELECT stopped = 1 OR successor IS NOT NULL AS ended FROM incarnation WHERE incarnation = ?",
      [life],
    );
    return row && Number(row.ended) === 1;
  }

  /** The clock that leases are kept by, milliseconds. */
  async databaseMs(): Promise<number> {
    const [row] = await this.#database.rows<{ ms: number }>(
      "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED) AS ms",
    );
    return Number(row?.ms ?? 0);
  }

  /** The last word of a life, once. Waits for the journal's transaction under way; none follows. */
  async #stop(
    queries: Queries,
    incarnation: Incarnation,
    reason: "stopped" | "server-lost",
    lastSeenMs: number,
  ): Promise<string | undefined> {
    const { affectedRows } = await queries.change(
      "UPDATE incarnation SET stopped = 1 WHERE incarnation = ? AND stopped = 0",
      [incarnation],
    );
    return affectedRows === 1 ? this.#records.stopped(queries, incarnation, reason, lastSeenMs) : undefined;
  }
}

/** There is something to take over: dialogs, or a stream without its last word. */
const UNFINISHED = `(${HAS_DIALOGS} OR EXISTS (SELECT 1 FROM incarnation i WHERE i.incarnation = l.incarnation AND i.stopped = 0))`;

/** Under its lock. @returns undefined when somebody has taken it over */
async function lockLease(
  queries: Queries,
  incarnation: Incarnation,
): Promise<{ readonly lapsed: boolean; readonly lastSeenMs: number } | undefined> {
  const [row] = await queries.rows<{ lapsed: number; expires_ms: number }>(
    "SELECT expires_at <= NOW(3) AS lapsed, CAST(UNIX_TIMESTAMP(expires_at) * 1000 AS UNSIGNED) AS expires_ms " +
      "FROM node_lease WHERE incarnation = ? FOR UPDATE",
    [incarnation],
  );
  return row && { lapsed: Number(row.lapsed) === 1, lastSeenMs: Number(row.expires_ms) - LEASE_MS };
}

async function isSuccessor(queries: Queries, dead: Incarnation, me: Incarnation): Promise<boolean> {
  const found = await queries.rows("SELECT 1 FROM incarnation WHERE incarnation = ? AND successor = ?", [
    dead,
    me,
  ]);
  return found.length > 0;
}

async function beginIn(queries: Queries, node: string): Promise<Incarnation> {
  const [last] = await queries.rows<{ epoch: number | null }>(
    "SELECT MAX(epoch) AS epoch FROM incarnation WHERE node = ?",
    [node],
  );
  const epoch = (last?.epoch ?? 0) + 1;
  const incarnation = formatIncarnation(node, epoch);
  await queries.change("INSERT INTO incarnation (incarnation, node, epoch) VALUES (?, ?, ?)", [
    incarnation,
    node,
    epoch,
  ]);
  await queries.change(`INSERT INTO node_lease (incarnation, expires_at) VALUES (?, NOW(3) + ${LEASE})`, [
    incarnation,
  ]);
  return incarnation;
}

/**
 * A killed node that is started again need not wait for its own lease: the lock of its journal's connection is free, so the
 * process is gone. One that is only paused still holds it.
 */
async function lapseEarlierLives(queries: Queries, node: string, me: Incarnation): Promise<void> {
  const [at] = await queries.rows<{ name: string }>("SELECT DATABASE() AS name");
  const earlier = await queries.rows<{ incarnation: string }>(
    "SELECT l.incarnation FROM node_lease l JOIN incarnation i ON i.incarnation = l.incarnation " +
      `WHERE i.node = ? AND l.incarnation <> ? AND ${HAS_DIALOGS}`,
    [node, me],
  );
  for (const { incarnation } of earlier) {
    await queries.change(
      "UPDATE node_lease SET expires_at = NOW(3) - INTERVAL 1 SECOND WHERE incarnation = ? AND IS_USED_LOCK(?) IS NULL",
      [incarnation, journalLockName(at?.name ?? "", incarnation)],
    );
  }
}

/** In portions, so that no statement takes long; in one transaction all the same. */
async function moveDialogs(queries: Queries, dead: Incarnation, me: Incarnation): Promise<void> {
  for (;;) {
    const { affectedRows } = await queries.change(
      `UPDATE dialog SET home = ?, epoch = epoch + 1 WHERE home = ? ORDER BY token ${limit(MOVED_AT_ONCE)}`,
      [me, dead],
    );
    if (affectedRows < MOVED_AT_ONCE) return;
  }
}

/** A node that was only paused may hold locks: its journal's connection ends, and what it had not committed with it. */
async function endJournal(queries: Queries, dead: Incarnation): Promise<void> {
  const [at] = await queries.rows<{ name: string }>("SELECT DATABASE() AS name");
  const [lock] = await queries.rows<{ id: number | null }>("SELECT IS_USED_LOCK(?) AS id", [
    journalLockName(at?.name ?? "", dead),
  ]);
  if (lock === undefined || lock.id === null) return;
  try {
    await queries.change("KILL ?", [Number(lock.id)]);
  } catch (error) {
    if (!(error instanceof StoreError) || error.errno !== 1094) throw error; // 1094: gone meanwhile
  }
}

function incarnations(rows: { incarnation?: string }[]): Incarnation[] {
  return rows.map(({ incarnation }) => incarnation as Incarnation); // only incarnations are stored there
}
