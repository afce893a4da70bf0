import { type Acceptance, EVENT_MISSING } from "../../compliance/acceptance.ts";
import { DELIVERY_STREAM } from "../../compliance/delivery.ts";
import { readLeaf } from "../../compliance/log/leaf.ts";
import { ARCHIVE_STREAM } from "../../compliance/log/rotation.ts";
import type { Lease } from "../../compliance/ports.ts";
import type {
  ArchivedFact,
  Books,
  ChatMessage,
  Compared,
  Difference,
  Reconciliation,
  SealedHead,
  StreamCount,
} from "../../compliance/reconcile/ports.ts";
import { readAcceptances } from "./acceptance-store.ts";
import { ComplianceLeases } from "./compliance-lease.ts";
import { type Database, limit, type Value } from "./database.ts";
import { differencesOf } from "./differences.ts";
import { ownStream } from "./flush-record.ts";
import { dbNowMs, inChunks } from "./handover-rows.ts";
import { ADMINISTRATION_STREAM } from "./management-records.ts";

const LEASE = "reconciler";
const perStatement = 1_000;
const KEPT_RESULTS = 1_000;
/** The second one: somebody has accepted that the last event is lost. */
const lastOfRoom = new Set(["ROOM_DELETED", EVENT_MISSING]);

/** The chat's books and the archive's. */
export class MysqlBooks implements Books {
  readonly #database: Database;
  readonly #leases: ComplianceLeases;

  constructor(database: Database) {
    this.#database = database;
    this.#leases = new ComplianceLeases(database);
  }

  takeLease(holder: string, leaseMs: number): Promise<Lease | undefined> {
    return this.#leases.take(LEASE, holder, leaseMs);
  }

  renewLease(lease: Lease, leaseMs: number): Promise<void> {
    return this.#leases.renew(lease, leaseMs);
  }

  releaseLease(lease: Lease): Promise<void> {
    return this.#leases.release(lease);
  }

  async sinceLast(): Promise<number | undefined> {
    const [row] = await this.#database.rows<{ since: number }>(
      `SELECT CAST(${dbNowMs} AS SIGNED) - CAST(at_ms AS SIGNED) AS since FROM compliance_reconciliation ORDER BY id DESC LIMIT 1`,
    );
    return row && Number(row.since);
  }

  async roomCounts(after: number, rows: number): Promise<StreamCount[]> {
    const found = await this.#database.rows<{ id: number; last_event: number; before_archive: number }>(
      `SELECT id, last_event, before_archive FROM room WHERE id > ? ORDER BY id ${limit(rows)}`,
      [after],
    );
    return found.map(({ id, last_event, before_archive }) => ({
      stream: `room:${id}`,
      committed: Number(last_event),
      roomId: id,
      ended: false,
      beforeArchive: before_archive,
    }));
  }

  async otherCounts(): Promise<StreamCount[]> {
    const lives = await this.#database.rows<{ incarnation: string; read_events: number; stopped: number }>(
      "SELECT i.incarnation, i.read_events, i.stopped FROM incarnation i LEFT JOIN compliance_compared c " +
        "ON c.stream = CONCAT('read:', i.incarnation) WHERE COALESCE(c.closed, 0) = 0",
    );
    const counters = await this.#database.rows<{ name: string; value: number }>(
      "SELECT name, value FROM counter WHERE name IN (?)",
      [[ADMINISTRATION_STREAM, ARCHIVE_STREAM, DELIVERY_STREAM]],
    );
    return [
      ...lives.map(({ incarnation, read_events, stopped }) => ({
        stream: ownStream(incarnation),
        committed: Number(read_events),
        roomId: undefined,
        ended: Number(stopped) === 1,
      })),
      ...counters.map(({ name, value }) => ({
        stream: name,
        committed: Number(value),
        roomId: undefined,
        ended: false,
      })),
    ];
  }

  async pending(most: number): Promise<{ stream: string; streamSeq: number }[] | undefined> {
    const found: { stream: string; streamSeq: number }[] = [];
    // In the order in which events go.
    for (const table of ["compliance_outbox", "archive_intake"]) {
      const rows = await this.#database.rows<{ stream: string; stream_seq: number }>(
        `SELECT stream, stream_seq FROM ${table} ${limit(most + 1)}`,
      );
      for (const { stream, stream_seq } of rows) found.push({ stream, streamSeq: Number(stream_seq) });
    }
    return found.length > most ? undefined : found;
  }

  async heads(streams: readonly string[]): Promise<Map<string, SealedHead>> {
    const found = new Map<string, SealedHead>();
    for (const names of inChunks(streams, perStatement)) {
      const rows = await this.#database.rows<{ id: number; name: Buffer; last_seq: number }>(
        "SELECT id, name, last_seq FROM archive_stream WHERE name IN (?)",
        [names],
      );
      for (const { id, name, last_seq } of rows)
        found.set(name.toString("latin1"), { streamId: Number(id), lastSeq: Number(last_seq) });
    }
    return found;
  }

  async orphanStreams(rows: number): Promise<{ stream: string; lastSeq: number; saysDeleted: boolean }[]> {
    const found = await this.#database.rows<{ name: Buffer; last_seq: number; leaf: Buffer | null }>(
      "SELECT s.name, s.last_seq, l.leaf FROM archive_stream s LEFT JOIN compliance_compared c ON c.stream = s.name " +
        "LEFT JOIN room r ON r.id = CAST(SUBSTRING(s.name, 6) AS UNSIGNED) " +
        "LEFT JOIN archive_leaf l ON l.stream_id = s.id AND l.stream_seq = s.last_seq " +
        `WHERE s.name LIKE 'room:%' AND r.id IS NULL AND COALESCE(c.closed, 0) = 0 ${limit(rows)}`,
    );
    return found.map(({ name, last_seq, leaf }) => ({
      stream: name.toString("latin1"),
      lastSeq: Number(last_seq),
      saysDeleted: leaf !== null && lastOfRoom.has(readLeaf(leaf)?.kind ?? ""),
    }));
  }

  async compared(streams: readonly string[]): Promise<Map<string, Compared>> {
    const found = new Map<string, Compared>();
    for (const names of inChunks(streams, perStatement)) {
      const rows = await this.#database.rows<ComparedColumns>(
        "SELECT stream, event_seq, number, messages, digest FROM compliance_compared WHERE stream IN (?)",
        [names],
      );
      for (const { stream, event_seq, number, messages, digest } of rows)
        found.set(stream.toString("latin1"), {
          eventSeq: Number(event_seq),
          number: Number(number),
          messages: Number(messages),
          digest,
        });
    }
    return found;
  }

  accepted(): Promise<Acceptance[]> {
    return readAcceptances(this.#database);
  }

  async archived(streamId: number, after: number, rows: number): Promise<ArchivedFact[]> {
    const found = await this.#database.rows<{ stream_seq: number; body: Buffer | null }>(
      "SELECT l.stream_seq, c.body FROM archive_leaf l LEFT JOIN archive_content c ON c.seq = l.seq " +
        `WHERE l.stream_id = ? AND l.stream_seq > ? ORDER BY l.stream_seq ${limit(rows)}`,
      [streamId, after],
    );
    return found.map(({ stream_seq, body }) => ({ streamSeq: Number(stream_seq), body }));
  }

  async messages(
    roomId: number,
    numbers: readonly number[],
  ): Promise<{ kept: ChatMessage[]; unkept: ReadonlySet<number> }> {
    const found: ChatMessage[] = [];
    for (const some of inChunks(numbers, perStatement)) {
      const rows = await this.#database.rows<MessageColumns>(
        "SELECT number, author_id, at_ms, alert, text, rtf FROM message WHERE room_id = ? AND number IN (?)",
        [roomId, some],
      );
      for (const { number, author_id, at_ms, alert, text, rtf } of rows)
        found.push({ number, authorId: author_id, atMs: Number(at_ms), alert: alert === 1, text, rtf });
    }
    return { kept: found, unkept: await this.#unkept(roomId, numbers) };
  }

  async #unkept(roomId: number, numbers: readonly number[]): Promise<ReadonlySet<number>> {
    const spans = await this.#database.rows<{ from_number: number; to_number: number }>(
      "SELECT from_number, to_number FROM unkept_span WHERE room_id = ? AND to_number >= ? AND from_number <= ?",
      [roomId, Math.min(...numbers, Number.MAX_SAFE_INTEGER), Math.max(...numbers, 0)],
    );
    const isUnkept = (number: number) =>
      spans.some(({ from_number, to_number }) => from_number <= number && number <= to_number);
    return new Set(numbers.filter(isUnkept));
  }

  async room(
    roomId: number,
  ): Promise<{ lastNumber: number; lastEvent: number; isFilling: boolean } | undefined> {
    const [row] = await this.#database.rows<{ last_number: number; last_event: number; filling: number }>(
      "SELECT last_number, last_event, EXISTS (SELECT 1 FROM import_item i WHERE i.kind = 'room' AND i.target_id = room.id) AS filling " +
        "FROM room WHERE id = ?",
      [roomId],
    );
    return (
      row && {
        lastNumber: row.last_number,
        lastEvent: Number(row.last_event),
        isFilling: Number(row.filling) === 1,
      }
    );
  }

  async saveCompared(lease: Lease, stream: string, compared: Compared): Promise<void> {
    const { eventSeq, number, messages, digest } = compared;
    await this.#leases.under(lease, (queries) =>
      queries.change(
        "INSERT INTO compliance_compared (stream, event_seq, number, messages, digest) VALUES (?, ?, ?, ?, ?) " +
          "ON DUPLICATE KEY UPDATE event_seq = VALUES(event_seq), number = VALUES(number), " +
          "messages = VALUES(messages), digest = VALUES(digest)",
        [stream, eventSeq, number, messages, digest],
      ),
    );
  }

  async close(lease: Lease, streams: readonly string[]): Promise<void> {
    await this.#leases.under(lease, async (queries) => {
      for (const some of inChunks(streams, perStatement))
        await queries.change(
          "INSERT INTO compliance_compared (stream, event_seq, number, messages, digest, closed) VALUES ? " +
            "ON DUPLICATE KEY UPDATE closed = 1",
          [some.map((stream) => [stream, 0, 0, 0, Buffer.alloc(32), 1])],
        );
    });
  }

  async differences(): Promise<(Difference & { readonly sinceMs: number })[]> {
    return differencesOf(this.#database);
  }

  async conclude(lease: Lease, result: Reconciliation, differences: readonly Difference[]): Promise<void> {
    await this.#leases.under(lease, async (queries) => {
      const since = new Map(
        (await differencesOf(queries)).map((known) => [
          `${known.what} ${known.stream} ${known.first}`,
          known.sinceMs,
        ]),
      );
      const [clock] = await queries.rows<{ now_ms: number }>(`SELECT ${dbNowMs} AS now_ms`);
      const nowMs = Number(clock?.now_ms ?? 0);
      await queries.change("DELETE FROM compliance_difference");
      const rows = differences.map(({ what, stream, first, last }): Value[] => {
        return [what, stream, first, last, since.get(`${what} ${stream} ${first}`) ?? nowMs];
      });
      for (const some of inChunks(rows, perStatement))
        await queries.change(
          "INSERT INTO compliance_difference (what, stream, first, last, since_ms) VALUES ? " +
            "ON DUPLICATE KEY UPDATE last = VALUES(last)",
          [some],
        );
      const { tookMs, whole, streams, committed, sealed, pending, rooms, messages, postponed } = result;
      const { insertId } = await queries.change(
        "INSERT INTO compliance_reconciliation (at_ms, took_ms, whole, streams, committed, sealed, pending, rooms, messages, " +
          "differences, postponed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
          nowMs,
          tookMs,
          whole,
          streams,
          committed,
          sealed,
          pending,
          rooms,
          messages,
          differences.length,
          postponed,
        ],
      );
      await queries.change("DELETE FROM compliance_reconciliation WHERE id <= ?", [
        Math.max(0, insertId - KEPT_RESULTS),
      ]);
    });
  }
}

interface ComparedColumns {
  readonly stream: Buffer;
  readonly event_seq: number;
  readonly number: number;
  readonly messages: number;
  readonly digest: Buffer;
}

interface MessageColumns {
  readonly number: number;
  readonly author_id: number;
  readonly at_ms: number;
  readonly alert: number;
  readonly text: string;
  readonly rtf: string | null;
}
