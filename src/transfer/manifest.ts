import { createHash } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { z } from "zod";
import { FORMAT, type Manifest, manifestSchema, type Part, VERSION } from "./format.ts";
import { TransferError } from "./transfer-error.ts";

export const MANIFEST = "manifest.json";

/** What `sha256sum` prints for the parts, hashed again: `sha256sum *.jsonl | sha256sum` gives the same. */
export function hashOfParts(parts: readonly Part[]): string {
  const lines = parts.map(({ file, sha256 }) => `${sha256}  ${file}\n`);
  return createHash("sha256").update(lines.join("")).digest("hex");
}

/** @throws {TransferError} */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, MANIFEST);
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new TransferError(
      error.code === "ENOENT"
        ? `${file} does not exist: this is no finished export`
        : `${file} cannot be read (${error.code ?? error.message})`,
    );
  });
  const value = parsed(text, file, 1);
  const about = value as { format?: unknown; version?: unknown } | null; // only looked at
  if (typeof about !== "object" || about?.format !== FORMAT)
    throw new TransferError(`${file} is of something else than an export of Parlance`);
  if (about.version !== VERSION)
    throw new TransferError(
      `${file} is of version ${String(about.version)} of the format, this program reads version ${VERSION}`,
    );
  const manifest = checked(manifestSchema, value, file, 1);
  if (hashOfParts(manifest.parts) !== manifest.sha256)
    throw new TransferError(`${file} was altered: the hash over all parts is not that of the parts it names`);
  return manifest;
}

/** @throws {TransferError} */
export function parsed(text: string, file: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TransferError(`${file}, line ${line}: this is no JSON`);
  }
}

/** @throws {TransferError} naming the field */
export function checked<T>(schema: z.ZodType<T>, value: unknown, file: string, line: number): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.join(".") ?? "";
  throw new TransferError(
    `${file}, line ${line}: ${field === "" ? "" : `"${field}": `}${issue?.message ?? "is not understood"}`,
  );
}

/** Under its name only when all of it is on the disk. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const handle = await open(temporary, "w", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Names of files are on the disk when their folder is. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
