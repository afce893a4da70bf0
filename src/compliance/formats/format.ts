import type { ArchivedEvent } from "../archived-event.ts";

export interface RenderOptions {
  /** One file per room instead of one per batch (Lync's OneChatRoomPerOutputFile). */
  readonly filePerRoom: boolean;
}

export interface RenderedPart {
  readonly extension: string;
  readonly bytes: Buffer;
  readonly events: number;
  /** Rooms in the file, each once. */
  readonly roomIds: readonly number[];
}

export interface RenderedBatch {
  readonly parts: readonly RenderedPart[];
  /** One JSON text per event or field that the format has no place for. */
  readonly unmapped: readonly string[];
  /** Names of fields that are not, or not exactly, in the parts; sorted. */
  readonly lossyFields: readonly string[];
}

/** An event that the format refuses; the message names a field, never its value. */
export class UnfitEvent extends Error {
  constructor(field: string) {
    super(`cannot be expressed: ${field}`);
    this.name = "UnfitEvent";
  }
}

/** A pure function of the events: the same events give the same bytes on every machine. */
export interface ArchiveFormat {
  readonly name: string;
  /** Rises when the same events would give other bytes. */
  readonly version: number;
  /** @throws UnfitEvent or InvalidEvent when one of the events is at fault. */
  render(events: readonly ArchivedEvent[], options: RenderOptions): RenderedBatch;
}
