import type { Answerable } from "../../compliance/acceptor.ts";
import { ASIDE_ACCEPTED, type PutAside, type Quarantine, whyNotAgain } from "../../compliance/quarantine.ts";
import { recordArchiveEventIn } from "./archive-events.ts";
import { type Database, limit, type Queries } from "./database.ts";
import { columns, dbNowMs, idBytes, idText, inChunks } from "./handover-rows.ts";

interface Row {
  event_id: Buffer;
  body_sha256: Buffer;
  stream: string;
  stream_seq: number;
  kind: string;
  at_ms: number;
  reason: string;
  quarantined_ms: number;
  accepted_ms: number | null;
  accepted_by: string | null;
  accepted_why: string | null;
}

/** A transaction's, and those of one recorded event, which must not grow with the trouble. */
const perTransaction = 500;
const ONE = "event_id = ? AND body_sha256 = ?";

/** What was put aside, for whoever settles it. */
export class MysqlQuarantine implements Quarantine {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async list(which: "open" | "all" | { readonly eventId: string }, atMost: number): Promise<PutAside[]> {
    const one = typeof which === "string" ? undefined : which.eventId;
    const where = one ? "WHERE event_id = ?" : which === "open" ? "WHERE accepted_ms IS NULL" : "";
    const rows = await this.#database.rows<Row>(
      "SELECT event_id, body_sha256, stream, stream_seq, kind, at_ms, reason, quarantined_ms, accepted_ms, accepted_by, accepted_why " +
        `FROM compliance_quarantine ${where} ORDER BY event_id, body_sha256 ${limit(atMost)}`,
      one ? [idBytes(one)] : [],
    );
    return rows.map(asideOf);
  }

  retry(events: readonly PutAside[]): Promise<PutAside[]> {
    return this.#each(events, async (queries, event) => {
      if (whyNotAgain(event)) return false;
      // Two bodies under one id are never delivered both.
      const waiting = await queries.rows("SELECT 1 FROM compliance_handover WHERE event_id = ?", [
        idBytes(event.eventId),
      ]);
      if (waiting.length > 0) return false;
      await queries.change(
        `INSERT INTO compliance_handover (${columns}) SELECT ${columns} FROM compliance_quarantine WHERE ${ONE}`,
        key(event),
      );
      await queries.change(`DELETE FROM compliance_quarantine WHERE ${ONE}`, key(event));
      return true;
    });
  }

  accept(events: readonly PutAside[], { actor, node, atMs, reason }: Answerable): Promise<PutAside[]> {
    return this.#each(
      events,
      async (queries, event) => {
        const { affectedRows } = await queries.change(
          `UPDATE compliance_quarantine SET accepted_ms = ${dbNowMs}, accepted_by = ?, accepted_why = ? WHERE ${ONE} AND accepted_ms IS NULL`,
          [actor.uri.slice(0, 255), reason, ...key(event)],
        );
        return affectedRows > 0;
      },
      async (queries, accepted) => {
        const detail = {
          events: accepted.map(({ bodySha256, eventId, kind, stream, streamSeq, reason: why }) => ({
            ...{ bodySha256, eventId, kind, stream, streamSeq, why },
          })),
          reason,
        };
        await recordArchiveEventIn(queries, { kind: ASIDE_ACCEPTED, detail, actor, node, atMs });
      },
    );
  }

  /** One event after the other, each only if it is still there. @param work whether it was done @param then what was done, in the same transaction */
  async #each(
    events: readonly PutAside[],
    work: (queries: Queries, event: PutAside) => Promise<boolean>,
    then: (queries: Queries, done: readonly PutAside[]) => Promise<void> = async () => {},
  ): Promise<PutAside[]> {
    const all: PutAside[] = [];
    for (const chunk of inChunks(events, perTransaction)) {
      const some = await this.#database.transaction(async (queries) => {
        const done: PutAside[] = [];
        for (const event of chunk) {
          const found = await queries.rows(
            `SELECT 1 FROM compliance_quarantine WHERE ${ONE} FOR UPDATE`,
            key(event),
          );
          if (found.length > 0 && (await work(queries, event))) done.push(event);
        }
        if (done.length > 0) await then(queries, done);
        return done;
      });
      all.push(...some);
    }
    return all;
  }
}

function key({ eventId, bodySha256 }: PutAside): [Buffer, Buffer] {
  return [idBytes(eventId), Buffer.from(bodySha256, "hex")];
}

function asideOf(row: Row): PutAside {
  const { event_id, body_sha256, stream, kind, reason, accepted_ms, accepted_by, accepted_why } = row;
  return {
    eventId: idText(event_id),
    bodySha256: body_sha256.toString("hex"),
    stream,
    streamSeq: Number(row.stream_seq),
    kind,
    atMs: Number(row.at_ms),
    reason,
    quarantinedMs: Number(row.quarantined_ms),
    accepted:
      accepted_ms === null
        ? undefined
        : { atMs: Number(accepted_ms), by: accepted_by ?? "", why: accepted_why ?? "" },
  };
}
