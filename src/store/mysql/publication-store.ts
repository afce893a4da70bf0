import { ChatError } from "../../chat/errors.ts";
import type { Publication, PublicationChange, PublicationKey } from "../../chat/publication.ts";
import type { PublicationStore, Published } from "../../user-ports.ts";
import { type Database, ids, type Queries } from "./database.ts";

/** Instances of one user, and as many that are remembered as removed. */
const MAX_INSTANCES = 500;
/** Bytes of an instance's attributes. */
const AROUND_CONTENT_BYTES = 200;
/** Users asked for in one statement. */
const BATCH = 1_000;

interface Row {
  category: string;
  instance: number;
  container: number;
  version: number;
  expire_type: string;
  published_ms: number;
  revision: number;
  content: string | null;
}

const COLUMNS = "category, instance, container, version, expire_type, published_ms, revision, content";

export class MysqlPublicationStore implements PublicationStore {
  readonly #database: Database;
  readonly #nowMs: () => number;

  constructor(database: Database, nowMs: () => number) {
    this.#database = database;
    this.#nowMs = nowMs;
  }

  async find(userId: number, after: number): Promise<{ revision: number; publications: Publication[] }> {
    const rows = await this.#database.rows<Row>(
      `SELECT ${COLUMNS} FROM publication WHERE user_id = ? AND revision > ? ORDER BY category, instance, container`,
      [userId, after],
    );
    return {
      revision: Math.max(after, ...rows.map(({ revision }) => revision)),
      publications: rows.filter(({ content }) => after > 0 || content !== null).map(publicationOf),
    };
  }

  publish(userId: number, changes: readonly PublicationChange[], maxBytes: number): Promise<Published> {
    return this.#database.transaction(async (queries) => {
      const revision = (await lockRevision(queries, userId)) + 1;
      const standing = await standingOf(queries, userId);
      const conflicts: { index: number; current: number }[] = [];
      const changed = new Map<string, Row>();
      for (const [index, change] of changes.entries()) {
        const key = keyOf(change);
        const known = standing.get(key);
        const current = known && known.content !== null ? known.version : 0;
        if (change.version !== current) conflicts.push({ index, current });
        if (change.version !== current || (change.content === null && current === 0)) continue;
        const row = rowOf(change, (known?.version ?? 0) + 1, revision, this.#nowMs());
        standing.set(key, row);
        changed.set(key, row);
      }
      if (conflicts.length > 0) return { done: false, conflicts };
      requireRoom([...standing.values()], maxBytes);
      await save(queries, userId, [...changed.values()], revision);
      await forgetOldest(queries, userId, [...standing.values()]);
      return { done: true, publications: [...changed.values()].map(publicationOf) };
    });
  }

  async revisions(userIds: readonly number[]): Promise<Map<number, number>> {
    const found = new Map<number, number>();
    for (let from = 0; from < userIds.length; from += BATCH) {
      const rows = await this.#database.rows<{ user_id: number; revision: number }>(
        "SELECT user_id, revision FROM publication_revision WHERE user_id IN (?)",
        [ids(userIds.slice(from, from + BATCH))],
      );
      for (const { user_id, revision } of rows) found.set(user_id, revision);
    }
    return found;
  }
}

async function lockRevision(queries: Queries, userId: number): Promise<number> {
  await queries.change(
    "INSERT INTO publication_revision (user_id, revision) VALUES (?, 0) ON DUPLICATE KEY UPDATE user_id = publication_revision.user_id",
    [userId],
  );
  const [row] = await queries.rows<{ revision: number }>(
    "SELECT revision FROM publication_revision WHERE user_id = ? FOR UPDATE",
    [userId],
  );
  return row?.revision ?? 0;
}

async function standingOf(queries: Queries, userId: number): Promise<Map<string, Row>> {
  const rows = await queries.rows<Row>(`SELECT ${COLUMNS} FROM publication WHERE user_id = ?`, [userId]);
  return new Map(rows.map((row) => [keyOf(row), row]));
}

async function save(queries: Queries, userId: number, rows: readonly Row[], revision: number): Promise<void> {
  if (rows.length === 0) return;
  await queries.change(`REPLACE INTO publication (user_id, ${COLUMNS}) VALUES ?`, [
    rows.map((row) => [
      userId,
      row.category,
      row.instance,
      row.container,
      row.version,
      row.expire_type,
      row.published_ms,
      row.revision,
      row.content,
    ]),
  ]);
  await queries.change("UPDATE publication_revision SET revision = ? WHERE user_id = ?", [revision, userId]);
}

/** @throws {ChatError} LIMIT_EXCEEDED */
function requireRoom(rows: readonly Row[], maxBytes: number): void {
  const live = rows.filter(({ content }) => content !== null);
  const bytes = live.reduce(
    (sum, { content }) => sum + Buffer.byteLength(content ?? "") + AROUND_CONTENT_BYTES,
    0,
  );
  if (live.length > MAX_INSTANCES || bytes > maxBytes) throw new ChatError("LIMIT_EXCEEDED");
}

/** Removed ones stay for their version's sake: a computer that was away must not overwrite what came after. But not for ever. */
async function forgetOldest(queries: Queries, userId: number, rows: readonly Row[]): Promise<void> {
  const removed = rows.filter(({ content }) => content === null);
  const forgotten = removed.sort((a, b) => b.revision - a.revision).slice(MAX_INSTANCES);
  if (forgotten.length === 0) return;
  await queries.change(
    "DELETE FROM publication WHERE user_id = ? AND content IS NULL AND (category, instance, container) IN (?)",
    [userId, forgotten.map(({ category, instance, container }) => [category, instance, container])],
  );
}

function keyOf({ category, instance, container }: PublicationKey): string {
  return `${category} ${instance} ${container}`;
}

function rowOf(change: PublicationChange, version: number, revision: number, nowMs: number): Row {
  const { category, instance, container, expireType, content } = change;
  return {
    category,
    instance,
    container,
    version,
    expire_type: expireType,
    published_ms: nowMs,
    revision,
    content,
  };
}

function publicationOf(row: Row): Publication {
  const { category, instance, container, version, content } = row;
  const publishedMs = Number(row.published_ms);
  return { category, instance, container, version, expireType: row.expire_type, publishedMs, content };
}
