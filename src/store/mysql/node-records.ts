import { canonicalBody, NO_ROOM, type NodeFact, nodeActor } from "../../chat/compliance-event.ts";
import type { ComplianceWaker } from "../../ports.ts";
import type { Queries } from "./database.ts";
import { eventIds } from "./event-ids.ts";
import { ownStream } from "./flush-record.ts";
import { dbNowMs } from "./handover-rows.ts";

export interface NodeRecordsOptions {
  /** Off: nothing is recorded. */
  readonly compliance: boolean;
  readonly nowMs: () => number;
  readonly waker?: ComplianceWaker;
}

/** The first and the last word of a node's life, which the leases' transactions write beside the journal. */
export class NodeRecords {
  readonly #options: NodeRecordsOptions;
  readonly #nextEventId: () => string;

  constructor(options: NodeRecordsOptions) {
    this.#options = options;
    this.#nextEventId = eventIds(options.nowMs);
  }

  /** Of a life that begins in this transaction. @returns the event's id, when there is one */
  started(queries: Queries, incarnation: string): Promise<string | undefined> {
    return this.#next(queries, incarnation, () => ({ kind: "NODE_START", incarnation }));
  }

  /** Of a life whose row is under lock and that writes nothing any more. */
  stopped(
    queries: Queries,
    incarnation: string,
    reason: "stopped" | "server-lost",
    lastSeenMs: number,
  ): Promise<string | undefined> {
    return this.#next(queries, incarnation, (last) => ({ kind: "NODE_STOP", reason, last, lastSeenMs }));
  }

  /** The transaction is committed. */
  announce(eventId: string | undefined): void {
    if (eventId !== undefined) this.#options.waker?.announce([eventId]);
  }

  async #next(
    queries: Queries,
    incarnation: string,
    saying: (streamSeq: number) => NodeFact,
  ): Promise<string | undefined> {
    if (!this.#options.compliance) return undefined;
    await queries.change(
      `UPDATE incarnation SET read_events = read_events + 1, heartbeat_ms = ${dbNowMs} WHERE incarnation = ?`,
      [incarnation],
    );
    const [row] = await queries.rows<{ node: string; read_events: number }>(
      "SELECT node, read_events FROM incarnation WHERE incarnation = ?",
      [incarnation],
    );
    if (!row) throw new Error(`${incarnation} has no row`);
    const [eventId, streamSeq, atMs] = [
      this.#nextEventId(),
      Number(row.read_events),
      this.#options.nowMs(),
    ] as const;
    const stream = ownStream(incarnation);
    const fact = saying(streamSeq);
    const body = canonicalBody({
      ...{ eventId, stream, streamSeq, atMs, node: row.node, fact },
      ...{ session: "", user: nodeActor(row.node), room: NO_ROOM },
    });
    await queries.change(
      "INSERT INTO compliance_outbox (event_id, stream, stream_seq, kind, at_ms, room_id, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
      [Buffer.from(eventId, "hex"), stream, streamSeq, fact.kind, atMs, NO_ROOM.id, body],
    );
    return eventId;
  }
}
