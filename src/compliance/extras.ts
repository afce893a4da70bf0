import type { ArchivedEvent } from "./archived-event.ts";
import { manifestBytes, readManifest } from "./delivery.ts";
import { detailsXml } from "./formats/details-xml.ts";
import { sha256Hex } from "./log/hashes.ts";
import type { DetailsSource, FileToWrite, HeldLease } from "./ports.ts";

/** What goes beside the files of a run and does not depend on its events alone. */
export interface RunExtras {
  /** Lync's AddChatRoomDetails. */
  readonly roomDetails: boolean;
  /** Lync's AddUserDetails. */
  readonly userDetails: boolean;
  readonly details: DetailsSource;
  /** Lync's CustomConfiguration: another form of each part; the words say which one. */
  readonly transform: { readonly words: readonly string[]; run(part: Buffer): Promise<Buffer> } | undefined;
}

const PART = /^part-(\d+)\.xml$/;

/** @param files those of a run, the manifest last @returns the same with the extras, named in the manifest */
export async function withExtras(
  files: readonly FileToWrite[],
  events: readonly ArchivedEvent[],
  extras: RunExtras,
  lease: HeldLease,
): Promise<FileToWrite[]> {
  const more: FileToWrite[] = [];
  for (const { name, bytes } of files) {
    const [, number] = PART.exec(name) ?? [];
    if (number === undefined || !extras.transform) continue;
    await lease.keep();
    more.push(namedByHash(`transformed-${number}`, await extras.transform.run(bytes)));
  }
  if (extras.roomDetails || extras.userDetails) {
    const idsOf = (id: (event: ArchivedEvent) => number) =>
      [...new Set(events.map(id))].sort((a, b) => a - b);
    const rooms = extras.roomDetails ? await extras.details.rooms(idsOf(({ room }) => room.id)) : null;
    const users = extras.userDetails ? await extras.details.users(idsOf(({ actor }) => actor.id)) : null;
    more.push(namedByHash("details-0001", detailsXml(rooms, users)));
  }
  const manifest = files.at(-1);
  if (!manifest || more.length === 0) return [...files];
  const about = readManifest(manifest.bytes);
  const listed = more.map(({ name, bytes }) => ({
    path: name,
    bytes: bytes.length,
    sha256: sha256Hex(bytes),
  }));
  const named = {
    name: manifest.name,
    bytes: manifestBytes({ ...about, files: [...about.files, ...listed] }),
  };
  return [...files.slice(0, -1), ...more, named];
}

/** The next attempt may give other bytes, and whoever else may still be writing this run writes his own file: a manifest names one of them. */
function namedByHash(name: string, bytes: Buffer): FileToWrite {
  return { name: `${name}-${sha256Hex(bytes).slice(0, 8)}.xml`, bytes };
}
