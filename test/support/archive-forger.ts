import { canonicalJson, NO_ROOM } from "../../src/chat/compliance-event.ts";
import { writeCheckpoint } from "../../src/compliance/log/checkpoint.ts";
import { takeApart } from "../../src/compliance/log/content.ts";
import { Frontier, type KeptNode } from "../../src/compliance/log/frontier.ts";
import { leafHash } from "../../src/compliance/log/hashes.ts";
import { makeSalts, readLeaf, writeLeaf } from "../../src/compliance/log/leaf.ts";
import { type Signer, signNote } from "../../src/compliance/log/note.ts";
import { type PurgeDetail, RETENTION_PURGE } from "../../src/compliance/log/purge.ts";
import { ARCHIVE_STREAM } from "../../src/compliance/log/rotation.ts";
import { writeLine } from "../../src/compliance/verify/export-format.ts";
import type { StoredLeaf } from "../../src/compliance/verify/ports.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import type { Queries, Value } from "../../src/store/mysql/database.ts";

/** What somebody with all rights in the database can do, and who knows how the archive is made. */
export interface Forgery {
  /** First event that is written anew; all behind it are too, so that every link and hash is right again. */
  readonly from: number;
  /** Events of the new log from there on, out of those of the old one. */
  readonly events: (
    old: readonly StoredLeaf[],
  ) => readonly { readonly body: Buffer; readonly like: StoredLeaf }[];
  /** The stolen key: checkpoints are signed anew. Without it they stay as they are. */
  readonly signer?: Signer;
}

export async function readAll(queries: Queries): Promise<StoredLeaf[]> {
  const reader = new MysqlArchiveReader(queries);
  const all: StoredLeaf[] = [];
  for await (const leaves of reader.leaves(0, await reader.size())) all.push(...leaves);
  return all;
}

/** Replaces the content of one event and everything of it that can be calculated. */
export async function reseal(queries: Queries, seq: number, change: (body: string) => string): Promise<void> {
  const old = (await readAll(queries))[seq];
  const said = old && readLeaf(old.leaf);
  if (!old?.body || !said) throw new Error("no such event");
  const body = Buffer.from(change(old.body.toString()));
  const row = { ...old, kind: said.kind, atMs: said.at, roomId: said.room, body };
  const content = takeApart(row);
  const salts = makeSalts(content.parts.length);
  const prev = said.streamPrev === null ? null : Buffer.from(said.streamPrev, "hex");
  const leaf = Buffer.from(writeLeaf({ seq, streamPrev: prev }, content, salts), "latin1");
  await queries.change("UPDATE archive_leaf SET leaf = ?, leaf_hash = ? WHERE seq = ?", [
    leaf,
    leafHash(leaf),
    seq,
  ]);
  await queries.change("UPDATE archive_content SET body = ?, salts = ? WHERE seq = ?", [body, salts, seq]);
}

/** Writes the log anew from some event on. */
export async function rewrite(queries: Queries, { from, events, signer }: Forgery): Promise<void> {
  const old = await readAll(queries);
  const ids = new Map(
    (await queries.rows<{ id: number; name: Buffer }>("SELECT id, name FROM archive_stream")).map(
      ({ id, name }) => [name.toString(), id],
    ),
  );
  const heads = new Map<string, { streamSeq: number; hash: Buffer }>();
  const nodes: KeptNode[] = [];
  const frontier = new Frontier();
  const roots: Buffer[] = [frontier.root()];
  const rows: Value[][] = [];
  const contents: Value[][] = [];
  const add = (hash: Buffer) => {
    frontier.append(hash, (node) => nodes.push(node));
    roots.push(frontier.root());
  };
  for (const { stream, streamSeq, hash } of old.slice(0, from)) {
    heads.set(stream, { streamSeq, hash });
    add(hash);
  }
  for (const { body: text, like } of events(old.slice(from))) {
    const said = readLeaf(like.leaf);
    if (!said) throw new Error("not a leaf");
    const head = heads.get(like.stream);
    const streamSeq = (head?.streamSeq ?? 0) + 1;
    const body = Buffer.from(text.toString().replace(/"streamSeq":\d+/, `"streamSeq":${streamSeq}`));
    const seq = frontier.size;
    const { eventId, stream } = like;
    const content = takeApart({
      eventId,
      stream,
      streamSeq,
      kind: said.kind,
      atMs: said.at,
      roomId: said.room,
      body,
    });
    const salts = makeSalts(content.parts.length);
    const leaf = Buffer.from(writeLeaf({ seq, streamPrev: head?.hash ?? null }, content, salts), "latin1");
    const hash = leafHash(leaf);
    rows.push([seq, Buffer.from(eventId, "hex"), ids.get(stream) ?? 0, streamSeq, hash, leaf]);
    contents.push([seq, salts, body]);
    heads.set(stream, { streamSeq, hash });
    add(hash);
  }
  for (const table of ["archive_leaf", "archive_content"])
    await queries.change(`DELETE FROM ${table} WHERE seq >= ?`, [from]);
  for (let at = 0; at < rows.length; at += 500) {
    await queries.change(
      "INSERT INTO archive_leaf (seq, event_id, stream_id, stream_seq, leaf_hash, leaf) VALUES ?",
      [rows.slice(at, at + 500)],
    );
    await queries.change("INSERT INTO archive_content (seq, salts, body) VALUES ?", [
      contents.slice(at, at + 500),
    ]);
  }
  await queries.change("DELETE FROM archive_node");
  if (nodes.length > 0)
    await queries.change("INSERT INTO archive_node (level, idx, hash) VALUES ?", [
      nodes.map(({ level, index, hash }) => [level, index, hash]),
    ]);
  await queries.change("DELETE FROM archive_stream WHERE name NOT IN (?)", [["", ...heads.keys()]]);
  for (const [name, { streamSeq, hash }] of heads)
    await queries.change("UPDATE archive_stream SET last_seq = ?, last_leaf = ? WHERE name = ?", [
      streamSeq,
      hash,
      name,
    ]);
  if (!signer) return;
  const sizes = await queries.rows<{ size: number }>("SELECT size FROM archive_checkpoint WHERE size > ?", [
    from,
  ]);
  for (const { size } of sizes) {
    const root = roots[size];
    if (!root) await queries.change("DELETE FROM archive_checkpoint WHERE size = ?", [size]);
    else
      await queries.change("UPDATE archive_checkpoint SET root = ?, note = ? WHERE size = ?", [
        root,
        await signNote(writeCheckpoint({ origin: signer.name, size, root }), signer),
        size,
      ]);
  }
}

/** A purge, in the archive's own stream. */
export function purgeBody(streamSeq: number, detail: Pick<PurgeDetail, "ranges">): string {
  return canonicalJson({
    actor: { email: null, id: 0, name: "root", uri: "administrator:root" },
    at: 1,
    detail: { policy: "P", ...detail },
    eventId: "0c".repeat(16),
    kind: RETENTION_PURGE,
    node: "n1",
    room: NO_ROOM,
    session: "",
    stream: ARCHIVE_STREAM,
    streamSeq,
    v: 1,
  });
}

/** A line of an export that tells of a purge nobody sealed. */
export function purgeLine(at: number, detail: Pick<PurgeDetail, "ranges">): string {
  const body = Buffer.from(purgeBody(1, detail));
  const eventId = "0c".repeat(16);
  const row = {
    eventId,
    stream: ARCHIVE_STREAM,
    streamSeq: 1,
    kind: RETENTION_PURGE,
    atMs: 1,
    roomId: 0,
    body,
  };
  const content = takeApart(row);
  const salts = makeSalts(content.parts.length);
  const leaf = Buffer.from(writeLeaf({ seq: at, streamPrev: null }, content, salts), "latin1");
  return writeLine({
    seq: at,
    eventId,
    stream: ARCHIVE_STREAM,
    streamSeq: 1,
    hash: leafHash(leaf),
    leaf,
    salts,
    body,
  });
}

/** Appends an event as the sealer would, for whoever cannot sign. */
export async function append(
  queries: Queries,
  stream: string,
  kind: string,
  event: (streamSeq: number) => string,
): Promise<void> {
  const seq = (await readAll(queries)).length;
  const [head] = await queries.rows<{ id: number; last_seq: number; last_leaf: Buffer }>(
    "SELECT id, last_seq, last_leaf FROM archive_stream WHERE name = ?",
    [stream],
  );
  if (!head) throw new Error("no such stream");
  const streamSeq = Number(head.last_seq) + 1;
  const body = Buffer.from(event(streamSeq));
  const eventId: string = JSON.parse(body.toString()).eventId;
  const content = takeApart({
    eventId,
    stream,
    streamSeq,
    kind,
    atMs: JSON.parse(body.toString()).at,
    roomId: 0,
    body,
  });
  const salts = makeSalts(content.parts.length);
  const leaf = Buffer.from(writeLeaf({ seq, streamPrev: head.last_leaf }, content, salts), "latin1");
  await queries.change(
    "INSERT INTO archive_leaf (seq, event_id, stream_id, stream_seq, leaf_hash, leaf) VALUES (?, ?, ?, ?, ?, ?)",
    [seq, Buffer.from(eventId, "hex"), head.id, streamSeq, leafHash(leaf), leaf],
  );
  await queries.change("INSERT INTO archive_content (seq, salts, body) VALUES (?, ?, ?)", [seq, salts, body]);
  await queries.change("UPDATE archive_stream SET last_seq = ?, last_leaf = ? WHERE id = ?", [
    streamSeq,
    leafHash(leaf),
    head.id,
  ]);
}
