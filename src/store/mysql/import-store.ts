import { ChatError } from "../../chat/errors.ts";
import type { Actor } from "../../management/actor.ts";
import type { MembershipLine } from "../../transfer/format.ts";
import type { ImportItem, ImportPlace, ImportStore, ImportUnit, TakenBy } from "../../transfer/ports.ts";
import { concludeMemberships, deriveAffiliations } from "./affiliations.ts";
import type { Database, Queries, Value } from "./database.ts";
import { recordMemberships } from "./group-records.ts";
import { chunks, readPrincipals } from "./management-rows.ts";
import type { Concluding, MysqlManagementStore } from "./management-store.ts";
import { insertMemberships, type Membership, type MembershipSource } from "./membership-rows.ts";
import { insertRows, int, text } from "./sql-values.ts";

/** Where things are imported: the administration's transactions, with what only an import does. */
export function importStore(
  database: Database,
  store: MysqlManagementStore,
  nowMs: () => number,
): ImportStore {
  return {
    change: (actor, work) => store.changeWith(actor, (inside) => work(importUnit(inside))),

    async addMemberships(actor: Actor, lines, may, then) {
      await store.changeMemberships(
        actor,
        async (queries) => {
          const { added, all } = await addNew(queries, lines);
          return { added, derived: await deriveAffiliations(queries, all) };
        },
        async (inside, { added, derived }) => {
          const unit = importUnit(inside);
          await may(unit);
          await recordMemberships(inside, { added, removed: [] });
          await concludeMemberships(inside, derived);
          await then(unit);
        },
      );
    },

    async findRun(source) {
      const [row] = await database.rows<{ id: number; place: string }>(
        "SELECT id, place FROM import_run WHERE source = ?",
        [source],
      );
      return row && { id: row.id, place: JSON.parse(row.place) as ImportPlace }; // as savePlace wrote it
    },

    async beginRun(source, place) {
      const { insertId } = await database.change(
        "INSERT INTO import_run (source, begun_ms, place) VALUES (?, ?, ?)",
        [source, nowMs(), JSON.stringify(place)],
      );
      return insertId;
    },

    async forgetRun(source) {
      const [row] = await database.rows<{ id: number }>("SELECT id FROM import_run WHERE source = ?", [
        source,
      ]);
      if (row) await database.transaction((queries) => removeRun(queries, row.id));
    },

    async isEmpty() {
      const rows = await database.rows(
        "(SELECT id FROM room LIMIT 1) UNION ALL (SELECT id FROM category LIMIT 1)",
      );
      return rows.length === 0;
    },

    async takenBy(lines) {
      const selects: string[] = [];
      const values: Value[] = [];
      const ask = (sql: string, ...given: Value[]) => {
        selects.push(sql);
        values.push(...given);
      };
      const room = "SELECT ? AS at, 'room' AS kind, id, name, last_number - cleared_to AS messages FROM room";
      const category = "SELECT ? AS at, 'category' AS kind, id, name, 0 AS messages FROM category";
      lines.forEach((line, at) => {
        ask(`${category} WHERE name = ?`, at, line.name);
        if (line.room) {
          const { guid, domain } = line.room;
          ask(`${room} WHERE name = ? AND domain = ?`, at, line.name, domain);
          ask(`${room} WHERE guid = ? AND domain = ?`, at, guid, domain);
        } else ask(`${room} WHERE name = ?`, at, line.name);
        if (line.category !== undefined) ask(`${category} WHERE guid = ?`, at, line.category);
      });
      if (selects.length === 0) return [];
      const rows = await database.rows<TakenBy>(selects.join(" UNION ALL "), values);
      const found = new Map<string, TakenBy>();
      for (const { at, kind, id, name, messages } of rows)
        found.set(`${at} ${kind} ${id}`, {
          at: Number(at),
          kind,
          id: Number(id),
          name,
          messages: Number(messages),
        });
      return [...found.values()];
    },

    knownPrincipals: async (uris) => new Set((await readPrincipals(database, uris)).keys()),
  };
}

function importUnit({ queries, unit, version }: Concluding): ImportUnit {
  return {
    ...unit,

    async place(runId) {
      const [row] = await queries.rows<{ place: string }>(
        "SELECT place FROM import_run WHERE id = ? FOR UPDATE",
        [runId],
      );
      return row && (JSON.parse(row.place) as ImportPlace); // as savePlace wrote it
    },

    async savePlace(runId, place) {
      await queries.change("UPDATE import_run SET place = ? WHERE id = ?", [JSON.stringify(place), runId]);
    },

    async items(runId, kind, names) {
      const found = new Map<string, ImportItem>();
      for (const chunk of chunks(names)) {
        const rows = await queries.rows<{ name: string; target_id: number; opens: number }>(
          "SELECT name, target_id, opens FROM import_item WHERE run_id = ? AND kind = ? AND name IN (?)",
          [runId, kind, chunk],
        );
        for (const { name, target_id, opens } of rows) found.set(name, { id: target_id, opens: opens === 1 });
      }
      return found;
    },

    async addItem(runId, kind, name, { id, opens }) {
      await queries.change(
        "INSERT INTO import_item (run_id, kind, name, target_id, opens) VALUES (?, ?, ?, ?, ?)",
        [runId, kind, name, id, opens ? 1 : 0],
      );
    },

    async dropItem(runId, kind, name) {
      await queries.change("DELETE FROM import_item WHERE run_id = ? AND kind = ? AND name = ?", [
        runId,
        kind,
        name,
      ]);
    },

    endRun: (runId) => removeRun(queries, runId),

    async setDirectoryName(groupId, dn) {
      await queries.change(
        "INSERT INTO directory_group (group_id, dn) VALUES (?, ?) ON DUPLICATE KEY UPDATE dn = VALUES(dn)",
        [groupId, dn],
      );
    },

    async insertMessages(roomId, messages) {
      const rows = messages.map(
        ({ number, authorId, atMs, alert, text: body, rtf }) =>
          `(${int(roomId)},${int(number)},${int(authorId)},${int(atMs)},${alert ? 1 : 0},${text(body)},${text(rtf)})`,
      );
      const head = "INSERT INTO message (room_id, number, author_id, at_ms, alert, text, rtf)";
      for (const statement of insertRows(head, rows)) await queries.change(statement);
      const replaced = messages.filter((message) => message.replaced);
      if (replaced.length > 0)
        await queries.change("INSERT INTO moderated_message (room_id, number, removed, version) VALUES ?", [
          replaced.map(({ number }) => [roomId, number, 0, version]),
        ]);
    },

    async setNumbers(roomId, { lastNumber, clearedTo }) {
      await queries.change("UPDATE room SET last_number = ?, cleared_to = ? WHERE id = ?", [
        lastNumber,
        clearedTo,
        roomId,
      ]);
    },
  };
}

async function removeRun(queries: Queries, runId: number): Promise<void> {
  await queries.change("DELETE FROM import_item WHERE run_id = ?", [runId]);
  await queries.change("DELETE FROM import_run WHERE id = ?", [runId]);
}

/** Those that are not there yet. @throws {ChatError} PRINCIPAL_NOT_FOUND, BAD_REQUEST */
async function addNew(
  queries: Queries,
  lines: readonly MembershipLine[],
): Promise<{ added: Membership[]; all: Set<number> }> {
  const known = await readPrincipals(queries, [
    ...new Set(lines.flatMap(({ group, member }) => [group, member])),
  ]);
  const bySource = new Map<MembershipSource, Membership[]>([
    ["manual", []],
    ["directory", []],
  ]);
  for (const { group, member, by } of lines) {
    const [outer, inner] = [known.get(group), known.get(member)];
    const missing = outer?.kind !== "group" ? group : inner === undefined ? member : undefined;
    if (outer === undefined || inner === undefined || missing !== undefined)
      throw new ChatError("PRINCIPAL_NOT_FOUND", {
        detail: `There is no ${missing === group ? "group" : "user or group"} ${missing}.`,
      });
    if (inner.kind === "domain" || inner.id === outer.id)
      throw new ChatError("BAD_REQUEST", { detail: `${member} cannot be in ${group}.` });
    for (const source of by)
      bySource.get(source)?.push({ groupId: outer.id, memberKind: inner.kind, memberId: inner.id });
  }
  const added: Membership[] = [];
  for (const [source, wanted] of bySource) {
    const there = await existing(queries, source, wanted);
    const fresh = wanted.filter((one) => !there.has(keyOf(one)));
    await insertMemberships(queries, source, fresh);
    added.push(...fresh);
  }
  return { added, all: new Set(added.map(({ groupId }) => groupId)) };
}

const keyOf = ({ groupId, memberKind, memberId }: Membership) => `${groupId} ${memberKind} ${memberId}`;

async function existing(
  queries: Queries,
  source: MembershipSource,
  wanted: readonly Membership[],
): Promise<Set<string>> {
  const found = new Set<string>();
  for (const chunk of chunks(wanted)) {
    const rows = await queries.rows<Membership>(
      "SELECT group_id AS groupId, member_kind AS memberKind, member_id AS memberId FROM membership " +
        "WHERE source = ? AND group_id IN (?) AND member_id IN (?)",
      [
        source,
        [...new Set(chunk.map(({ groupId }) => groupId))],
        [...new Set(chunk.map(({ memberId }) => memberId))],
      ],
    );
    for (const row of rows) found.add(keyOf(row));
  }
  return found;
}
