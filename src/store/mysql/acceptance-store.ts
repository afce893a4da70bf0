import { NO_ROOM } from "../../chat/compliance-event.ts";
import {
  type Acceptance,
  EVENT_MISSING,
  GAP_ACCEPTED,
  type Range,
  readAcceptance,
} from "../../compliance/acceptance.ts";
import type { AcceptanceStore, Answerable } from "../../compliance/acceptor.ts";
import { ARCHIVE_STREAM } from "../../compliance/log/rotation.ts";
import type { Lease } from "../../compliance/ports.ts";
import { type ArchiveEvent, type EventPlace, recordArchiveEvent, recordAt } from "./archive-events.ts";
import { ofKinds } from "./archive-rows.ts";
import { ComplianceLeases } from "./compliance-lease.ts";
import type { Database, Queries } from "./database.ts";
import { roomUri } from "./room-rows.ts";

/** What was accepted as missing or different, as far as that is sealed. */
export async function readAcceptances(queries: Pick<Queries, "rows">): Promise<Acceptance[]> {
  const { sql, values } = ofKinds([GAP_ACCEPTED]);
  const rows = await queries.rows<{ body: Buffer | null }>(
    "SELECT c.body FROM archive_stream s JOIN archive_leaf l ON l.stream_id = s.id JOIN archive_content c ON c.seq = l.seq " +
      `WHERE s.name = ? AND ${sql} ORDER BY l.stream_seq`,
    [ARCHIVE_STREAM, ...values],
  );
  return rows.map(({ body }) => body && readAcceptance(body)).filter((one) => one != null);
}

/** Puts on the record what is missing of a stream. Whoever does it holds the lease of those who compare. */
export class MysqlAcceptance implements AcceptanceStore {
  readonly #database: Database;
  readonly #leases: ComplianceLeases;

  constructor(database: Database) {
    this.#database = database;
    this.#leases = new ComplianceLeases(database);
  }

  /** Events only go forward: whoever reads in that order meets each of them. */
  async stillMissing(stream: string, ranges: readonly Range[]): Promise<number[]> {
    const there = new Set<number>();
    for (const table of ["compliance_outbox", "archive_intake"]) {
      const rows = await this.#database.rows<{ stream_seq: number }>(
        `SELECT stream_seq FROM ${table} WHERE stream = ?`,
        [stream],
      );
      for (const { stream_seq } of rows) there.add(Number(stream_seq));
    }
    const [head] = await this.#database.rows<{ last_seq: number }>(
      "SELECT last_seq FROM archive_stream WHERE name = ?",
      [stream],
    );
    const sealed = Number(head?.last_seq ?? 0);
    const numbers: number[] = [];
    for (const [first, last] of ranges)
      for (let number = Math.max(first, sealed + 1); number <= last; number++)
        if (!there.has(number)) numbers.push(number);
    return numbers;
  }

  async recordMissing(
    lease: Lease,
    stream: string,
    numbers: readonly number[],
    { reason, ...by }: Answerable,
  ): Promise<string[]> {
    const room = await this.#roomOf(stream);
    const places = numbers.map((streamSeq) => ({ stream, streamSeq, room }));
    const event: ArchiveEvent = { ...by, kind: EVENT_MISSING, detail: { reason } };
    return this.#leases.under(lease, (queries) => recordAt(queries, event, places));
  }

  recordAccepted(acceptance: Acceptance, { actor, node, atMs }: Answerable): Promise<string> {
    const { altered, missing, reason, stream, unreadable, unrecorded, vanished } = acceptance;
    const detail = {
      altered: altered.map(({ digest, number }) => ({ digest, number })),
      ...{ missing, reason, stream, unreadable, unrecorded, vanished },
    };
    return recordArchiveEvent(this.#database, { kind: GAP_ACCEPTED, detail, actor, node, atMs });
  }

  /** A room that is gone has its number left. */
  async #roomOf(stream: string): Promise<EventPlace["room"]> {
    const id = /^room:(\d{1,10})$/.exec(stream)?.[1];
    if (id === undefined) return NO_ROOM;
    const [row] = await this.#database.rows<{ domain: string; guid: string; name: string }>(
      "SELECT domain, guid, name FROM room WHERE id = ?",
      [Number(id)],
    );
    return { id: Number(id), uri: row ? roomUri(row.domain, row.guid) : "", name: row?.name ?? "" };
  }
}
