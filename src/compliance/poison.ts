import type { ArchiveAdapter } from "./adapter.ts";
import { type ArchivedEvent, decodeEvent } from "./archived-event.ts";
import type { FileToWrite, HandoverRow } from "./ports.ts";

export interface Rendered {
  /** Files of all events but the poison; empty when none is left. */
  readonly files: readonly FileToWrite[];
  readonly events: readonly ArchivedEvent[];
  readonly poison: readonly { eventId: string; reason: string }[];
}

/**
 * Renders a batch; events that the format refuses are found by halving and left out. Rendering is pure, so a refusal is
 * the event's own fault and comes again each time; a full disk or a missing folder shows only when the files are written
 * and never sends anything into quarantine.
 * @throws when the batch cannot be rendered though each event alone can.
 */
export function findPoison(adapter: ArchiveAdapter, runId: string, rows: readonly HandoverRow[]): Rendered {
  const poison: { eventId: string; reason: string }[] = [];
  const events: ArchivedEvent[] = [];
  for (const row of rows) {
    try {
      events.push(decodeEvent(row));
    } catch (error) {
      poison.push({ eventId: row.eventId, reason: reasonOf(error) });
    }
  }
  try {
    return { files: events.length === 0 ? [] : adapter.render(runId, events), events, poison };
  } catch {
    const fit = halve(adapter, runId, events, poison);
    return { files: fit.length === 0 ? [] : adapter.render(runId, fit), events: fit, poison };
  }
}

/** @returns the events that can be rendered. */
function halve(
  adapter: ArchiveAdapter,
  runId: string,
  events: readonly ArchivedEvent[],
  poison: { eventId: string; reason: string }[],
): readonly ArchivedEvent[] {
  try {
    if (events.length > 0) adapter.render(runId, events);
    return events;
  } catch (error) {
    const [only] = events;
    if (events.length === 1 && only !== undefined) {
      poison.push({ eventId: only.eventId, reason: reasonOf(error) });
      return [];
    }
    const middle = Math.ceil(events.length / 2);
    const left = halve(adapter, runId, events.slice(0, middle), poison);
    return [...left, ...halve(adapter, runId, events.slice(middle), poison)];
  }
}

/** Our own errors name a field; messages of others may hold what was said. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return ["InvalidEvent", "UnfitEvent"].includes(error.name) ? error.message : error.name;
}
