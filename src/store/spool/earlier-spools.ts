import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Lives, SpoolJournal } from "../../reading-ports.ts";
import { formatIncarnation, type Incarnation } from "../../sip/dialog.ts";
import { decodeFile } from "./spool-line.ts";

/** `taken`: by whoever records it, see `recordEarlier`. */
const NAME = /^([a-z][a-z0-9]*)-([0-9]{1,10})\.([0-9]{1,10})\.spool(?:\.taken)?$/;
const BATCH = 250;

interface EarlierPorts {
  readonly folder: string;
  readonly node: string;
  readonly life: Incarnation;
  /** Identifies the database. */
  readonly store: string;
  readonly journal: SpoolJournal;
  readonly lives: Lives;
  readonly onRecorded: (life: Incarnation, answers: number) => void;
  /** A file that stays, for somebody to look at. */
  readonly onAside: (file: string, why: string) => void;
}

interface NamedFile {
  readonly name: string;
  readonly epoch: number;
  readonly index: number;
}

/**
 * Records what earlier lives of this node left in their spools. A life that is only paused may still write: the file gets another
 * name before it is read, and whoever writes looks for the old name before he answers.
 */
export async function recordEarlier(ports: EarlierPorts): Promise<void> {
  const files = await filesOf(ports);
  for (const epoch of new Set(files.map((file) => file.epoch))) {
    const life = formatIncarnation(ports.node, epoch);
    if (life === ports.life) continue;
    const hasEnded = await ports.lives.hasEnded(life);
    if (hasEnded === false) continue;
    // In their order: what has a lower number than what is on record counts as on record.
    for (const { name } of files.filter((file) => file.epoch === epoch)) {
      if (hasEnded === undefined) await putAside(ports, name, "unknown", "the database knows no such life");
      else if (!(await recordFile(ports, life, name))) break; // another process is at it
    }
  }
}

/** What bears this life's name before it has written anything is another database's, or of a life that this one has forgotten. */
export async function putAsideNamesakes(
  ports: Pick<EarlierPorts, "folder" | "node" | "life" | "onAside">,
): Promise<void> {
  for (const { name, epoch } of await filesOf(ports))
    if (formatIncarnation(ports.node, epoch) === ports.life)
      await putAside(ports, name, "unknown", "it was there before the life whose name it bears");
}

/** By life, and in the order in which they were written. */
async function filesOf({ folder, node }: Pick<EarlierPorts, "folder" | "node">): Promise<NamedFile[]> {
  const names = await readdir(folder).catch(orIfMissing<string[]>([]));
  const files: NamedFile[] = [];
  for (const name of names) {
    const [, owner, epoch, index] = NAME.exec(name) ?? [];
    if (owner === node) files.push({ name, epoch: Number(epoch), index: Number(index) });
  }
  return files.sort((a, b) => a.epoch - b.epoch || a.index - b.index);
}

/** @returns false when the file is gone */
async function recordFile(ports: EarlierPorts, life: Incarnation, name: string): Promise<boolean> {
  const { folder, journal, store } = ports;
  const taken = name.endsWith(".taken") ? name : `${name}.taken`;
  const path = join(folder, taken);
  try {
    if (taken !== name) await rename(join(folder, name), path);
  } catch (error) {
    return orIfMissing(false)(error);
  }
  const bytes = await readFile(path).catch(orIfMissing<undefined>(undefined));
  if (bytes === undefined) return false;
  const { header, spooled, damaged } = decodeFile(bytes);
  if (header && (header.store !== store || header.life !== life)) {
    await putAside(ports, taken, "unknown", "it is of another database");
    return true;
  }
  for (let at = 0; at < spooled.length; at += BATCH)
    await journal.spooled(life, spooled.slice(at, at + BATCH));
  if (damaged) await putAside(ports, taken, "damaged", "a line in it is not as it was written");
  else await rm(path, { force: true });
  if (spooled.length > 0) ports.onRecorded(life, spooled.length);
  return true;
}

async function putAside(
  { folder, onAside }: Pick<EarlierPorts, "folder" | "onAside">,
  name: string,
  what: "unknown" | "damaged",
  why: string,
): Promise<void> {
  const kept = join(folder, `${name.replace(/\.taken$/, "")}.${what}-${Date.now()}`);
  await rename(join(folder, name), kept);
  onAside(kept, why);
}

function orIfMissing<Instead>(instead: Instead): (error: unknown) => Instead {
  return (error) => {
    // Errors of node:fs carry a code.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return instead;
    throw error;
  };
}
