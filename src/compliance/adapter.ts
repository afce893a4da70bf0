import { canonicalJson } from "../chat/compliance-event.ts";
import type { ArchivedEvent } from "./archived-event.ts";
import { MANIFEST_NAME, manifestBytes, type RunManifest } from "./delivery.ts";
import { type RunExtras, withExtras } from "./extras.ts";
import type { ArchiveFormat, RenderOptions } from "./formats/format.ts";
import { sha256Hex } from "./log/hashes.ts";
import type { ArchiveFolder, FileToWrite, HeldLease } from "./ports.ts";

/** Turns batches into files of one format in one folder (Lync's AdapterType, AdapterName, AdapterOutputDirectory). */
export interface ArchiveAdapter {
  readonly name: string;
  /** Of everything that decides the bytes: format, its version, its options. */
  readonly configHash: string;
  readonly folder: ArchiveFolder;
  /** All files of a run, the manifest last. Pure. @throws when one of the events is at fault. */
  render(runId: string, events: readonly ArchivedEvent[]): FileToWrite[];
  /** With what goes beside them. @throws when that cannot be had just now, which is no event's fault */
  complete(
    files: readonly FileToWrite[],
    events: readonly ArchivedEvent[],
    lease: HeldLease,
  ): Promise<readonly FileToWrite[]>;
}

export function makeAdapter(
  name: string,
  format: ArchiveFormat,
  options: RenderOptions,
  folder: ArchiveFolder,
  extras?: RunExtras,
): ArchiveAdapter {
  const about = { format: format.name, version: format.version, options };
  const { roomDetails = false, userDetails = false, transform } = extras ?? {};
  const beside = { roomDetails, userDetails, transform: transform?.words ?? null };
  const configHash = sha256Hex(canonicalJson(extras ? { ...about, beside } : about));
  return {
    name,
    configHash,
    folder,
    render: (runId, events) => render(name, format, options, configHash, runId, events),
    complete: async (files, events, lease) => (extras ? withExtras(files, events, extras, lease) : files),
  };
}

/**
 * `<first event>-<last event>-<hash>`: the same batch under the same settings has the same name, and no other one has it: events that
 * were put aside and are tried again may be the first and the last of a run that was delivered without them.
 */
export function runName(configHash: string, eventIds: readonly string[]): string {
  return `${eventIds[0]}-${eventIds.at(-1)}-${sha256Hex([configHash, ...eventIds].join(" ")).slice(0, 8)}`;
}

function render(
  adapter: string,
  format: ArchiveFormat,
  options: RenderOptions,
  configHash: string,
  runId: string,
  events: readonly ArchivedEvent[],
): FileToWrite[] {
  const { parts, unmapped, lossyFields } = format.render(events, options);
  const files: FileToWrite[] = [];
  const listed: RunManifest["files"][number][] = [];
  const add = (name: string, bytes: Buffer, about: Record<string, unknown>) => {
    files.push({ name, bytes });
    listed.push({ path: name, bytes: bytes.length, sha256: sha256Hex(bytes), ...about });
  };
  parts.forEach((part, index) => {
    const name = `part-${String(index + 1).padStart(4, "0")}.${part.extension}`;
    add(name, part.bytes, { events: part.events, roomIds: part.roomIds });
  });
  if (unmapped.length > 0) {
    add("unmapped.jsonl", Buffer.from(`${unmapped.join("\n")}\n`), { events: unmapped.length });
  }
  const manifest = {
    format: format.name,
    formatVersion: format.version,
    adapter,
    configHash,
    runId,
    eventCount: events.length,
    countsByKind: countKinds(events),
    unmappedCount: unmapped.length,
    lossyFields,
    files: listed,
    timeZone: "UTC",
  } satisfies RunManifest & Record<string, unknown>;
  // No time of writing: the same batch must give the same bytes.
  files.push({ name: MANIFEST_NAME, bytes: manifestBytes(manifest) });
  return files;
}

function countKinds(events: readonly ArchivedEvent[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { kind } of events) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([left], [right]) => (left < right ? -1 : 1)));
}
