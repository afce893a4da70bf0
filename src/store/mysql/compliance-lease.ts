import { type Lease, LeaseLost } from "../../compliance/ports.ts";
import type { Database, Queries } from "./database.ts";
import { dbNowMs } from "./handover-rows.ts";

/** Who may write as an adapter, or as the sealer. Every write under a lease first locks the lease's row and compares its epoch. */
export class ComplianceLeases {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @returns undefined while another holder's lease runs */
  async take(adapter: string, holder: string, leaseMs: number): Promise<Lease | undefined> {
    await this.#database.change(
      "INSERT INTO compliance_lease (adapter, holder, epoch, expires_ms) VALUES (?, '', 0, 0) " +
        "ON DUPLICATE KEY UPDATE adapter = adapter",
      [adapter],
    );
    return this.#database.transaction(async (queries) => {
      const [row] = await queries.rows<{ epoch: number; free: number }>(
        `SELECT epoch, expires_ms <= ${dbNowMs} AS free FROM compliance_lease WHERE adapter = ? FOR UPDATE`,
        [adapter],
      );
      if (row === undefined || Number(row.free) !== 1) return undefined;
      const epoch = Number(row.epoch) + 1;
      await queries.change(
        `UPDATE compliance_lease SET holder = ?, epoch = ?, expires_ms = ${dbNowMs} + ? WHERE adapter = ?`,
        [holder, epoch, leaseMs, adapter],
      );
      return { adapter, holder, epoch };
    });
  }

  /** @throws LeaseLost */
  async renew(lease: Lease, leaseMs: number): Promise<void> {
    await this.under(lease, (queries) => renewIn(queries, lease, leaseMs));
  }

  async release({ adapter, epoch }: Lease): Promise<void> {
    await this.#database.change(
      "UPDATE compliance_lease SET expires_ms = 0 WHERE adapter = ? AND epoch = ?",
      [adapter, epoch],
    );
  }

  /** One transaction. @throws LeaseLost before anything is written */
  under<Result>(lease: Lease, work: (queries: Queries) => Promise<Result>): Promise<Result> {
    return this.#database.transaction(async (queries) => {
      const [row] = await queries.rows<{ epoch: number }>(
        "SELECT epoch FROM compliance_lease WHERE adapter = ? FOR UPDATE",
        [lease.adapter],
      );
      if (Number(row?.epoch) !== lease.epoch) throw new LeaseLost(lease);
      return work(queries);
    });
  }
}

/** Within `under`. */
export async function renewIn(queries: Queries, { adapter }: Lease, leaseMs: number): Promise<void> {
  await queries.change(`UPDATE compliance_lease SET expires_ms = ${dbNowMs} + ? WHERE adapter = ?`, [
    leaseMs,
    adapter,
  ]);
}
