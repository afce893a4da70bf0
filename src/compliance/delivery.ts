import { sha256Hex } from "./log/hashes.ts";

/** A run of the adapter has ended, and what it brought stands in its folder. */
export const DELIVERY = "DELIVERY";
/** Where that stands. Not in the archive's own stream: it grows with every run, and that one is read as a whole. */
export const DELIVERY_STREAM = "delivery";

export interface DeliveredFile {
  readonly name: string;
  readonly bytes: number;
  /** Hexadecimal, as in the manifest. */
  readonly sha256: string;
}

/** What a run has brought: enough to find later that one of its files is gone or another one. */
export interface Delivery {
  readonly adapter: string;
  readonly runId: string;
  readonly configHash: string;
  readonly events: number;
  /** Ids of the first and the last of them. */
  readonly first: string;
  readonly last: string;
  readonly countsByKind: Readonly<Record<string, number>>;
  readonly unmapped: number;
  /** The manifest last. */
  readonly files: readonly DeliveredFile[];
  readonly node: string;
  readonly atMs: number;
}

/** The manifest of a run, as far as it tells of the delivery. */
export interface RunManifest {
  readonly configHash: string;
  readonly eventCount: number;
  readonly countsByKind: Readonly<Record<string, number>>;
  readonly unmappedCount: number;
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
}

export const MANIFEST_NAME = "manifest.json";

/** @param bytes as adapter.ts writes it @throws for anything else */
export function readManifest(bytes: Uint8Array): RunManifest {
  return JSON.parse(Buffer.from(bytes).toString("utf8"));
}

export function manifestBytes(manifest: RunManifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
}

/** @param manifest its bytes, as they are in the folder @param eventIds of what is in the files, ascending */
export function deliveryOf(
  manifest: Uint8Array,
  eventIds: readonly string[],
  about: Pick<Delivery, "adapter" | "runId" | "node" | "atMs">,
): Delivery {
  const { configHash, eventCount, countsByKind, unmappedCount, files } = readManifest(manifest);
  const sheet = {
    name: MANIFEST_NAME,
    bytes: manifest.length,
    sha256: sha256Hex(manifest),
  };
  return {
    ...about,
    configHash,
    events: eventCount,
    first: eventIds[0] ?? "",
    last: eventIds.at(-1) ?? "",
    countsByKind,
    unmapped: unmappedCount,
    files: [...files.map(({ path, bytes, sha256 }) => ({ name: path, bytes, sha256 })), sheet],
  };
}
