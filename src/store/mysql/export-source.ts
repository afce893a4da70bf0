import type {
  GroupLine,
  MembershipLine,
  RoomLine,
  Selection,
  StoredLine,
  UserLine,
} from "../../transfer/format.ts";
import type { ExportSource, RoomHistory, RoomKey } from "../../transfer/ports.ts";
import { type Database, ids, limit, type Value } from "./database.ts";
import { readCategories, readList } from "./management-rows.ts";
import type { MysqlManagementStore } from "./management-store.ts";
import { roomUri } from "./room-rows.ts";

const PAGE = 2_000;
const ROOMS = 200;
/** Roles in one answer; a room with more is read alone. */
const ROLES = 20_000;
const LOOKED_THROUGH = 50_000;
/** Bytes of text in one answer, about; what comes next is guessed from what came last. */
const MESSAGE_BYTES = 4_000_000;
const MOST_MESSAGES = 2_000;
const FEWEST_MESSAGES = 25;
const ALL = 2_000_000;

const word = (value: number | null) => (value === null ? null : value === 1);

interface PrincipalRow {
  uri: string;
  display_name: string;
  email: string | null;
  enabled: number | null;
  may_create: number | null;
  administrator: number;
  dn: string | null;
}

interface RoomKeyRow {
  id: number;
  domain: string;
  guid: string;
}

/**
 * Reads what is exported by keys, in short statements: no transaction is open, and nothing of the chat waits.
 * @param changes where it is recorded
 */
export function exportSource(database: Database, changes: MysqlManagementStore): ExportSource {
  let atOnce = 500;
  const principals = (kind: "user" | "group" | "domain", after: string) =>
    database.rows<PrincipalRow>(
      "SELECT p.uri, p.display_name, p.email, p.enabled, p.may_create, p.administrator, d.dn FROM principal p " +
        `LEFT JOIN directory_group d ON d.group_id = p.id WHERE p.kind = ? AND p.uri > ? ORDER BY p.uri ${limit(PAGE)}`,
      [kind, after],
    );
  return {
    record: (actor, fact) => changes.change(actor, async (unit) => unit.record(fact)),

    async policies() {
      const rows = await database.rows<{ name: "enable-persistent-chat" | "create-rooms"; value: string }>(
        "SELECT name, value FROM setting WHERE name IN ('enable-persistent-chat', 'create-rooms') ORDER BY name",
      );
      return rows.map(({ name, value }) => ({ type: "policy", name, on: value === "1" }));
    },

    domains: async () => (await principals("domain", "")).map(({ uri }) => ({ type: "domain", uri })),

    users: async (after) =>
      (await principals("user", after)).map(
        ({ uri, display_name, email, enabled, may_create, administrator }): UserLine => ({
          type: "user",
          uri,
          name: display_name,
          email,
          chat: word(enabled),
          createRooms: word(may_create),
          administrator: administrator === 1,
        }),
      ),

    groups: async (after) =>
      (await principals("group", after)).map(
        ({ uri, display_name, administrator, dn }): GroupLine => ({
          type: "group",
          uri,
          name: display_name,
          administrator: administrator === 1,
          dn,
        }),
      ),

    async memberships(group, after) {
      const rows = await database.rows<{ uri: string; sources: string }>(
        "SELECT p.uri, GROUP_CONCAT(m.source ORDER BY CAST(m.source AS CHAR)) AS sources FROM principal g " +
          "JOIN membership m ON m.group_id = g.id JOIN principal p ON p.id = m.member_id AND p.uri > ? " +
          `WHERE g.uri = ? GROUP BY p.uri ORDER BY p.uri ${limit(PAGE)}`,
        [after, group],
      );
      return rows.map(({ uri, sources }) => ({
        type: "membership",
        group,
        member: uri,
        by: sources.split(",") as MembershipLine["by"], // the column's own words
      }));
    },

    async addIns() {
      const rows = await database.rows<{ name: string; url: string }>(
        "SELECT name, url FROM add_in ORDER BY name, id",
      );
      return rows.map(({ name, url }) => ({ type: "addIn", name, url }));
    },

    async categories({ categories }) {
      const all = (await readCategories(database)).filter(
        ({ name }) => !categories || categories.includes(name),
      );
      all.sort((a, b) => (a.guid < b.guid ? -1 : 1));
      const lines = [];
      for (const { id, guid, name, description, invitations, fileUpload, chatHistory, reading } of all) {
        const listed = await readList<string>(database, { table: "category_scope", id }, ALL);
        const having = (scope: string) => listed.filter((one) => one.word === scope).map(({ uri }) => uri);
        lines.push({
          type: "category" as const,
          guid,
          name,
          description,
          invitations,
          fileUpload,
          chatHistory,
          reading,
          allowed: having("allowed"),
          denied: having("denied"),
          creators: having("creator"),
        });
      }
      return lines;
    },

    async rooms(selection, after) {
      const withHistory = selection.level === "all" || selection.level === "content";
      type Row = RoomKeyRow &
        Pick<RoomLine, "name" | "description" | "privacy"> &
        Record<"type" | "category" | "category_guid", string> &
        Record<"invitations" | "disabled" | "created_ms", number> & { add_in: string | null };
      const rows = await database.rows<Row>(
        "SELECT r.id, r.domain, r.guid, r.name, r.description, r.privacy, r.type, r.invitations, r.disabled, r.created_ms, " +
          "c.name AS category, c.guid AS category_guid, ai.name AS add_in FROM room r JOIN category c ON c.id = r.category_id " +
          `LEFT JOIN add_in ai ON ai.id = r.add_in_id WHERE ${chosen(selection).sql} AND ${BEHIND} ORDER BY r.guid, r.domain ${limit(ROOMS)}`,
        [...chosen(selection).values, ...behind(after)],
      );
      const having = await readRoles(
        database,
        rows.map(({ id }) => id),
      );
      return rows.map(
        (row): RoomLine => ({
          type: "room",
          uri: roomUri(row.domain, row.guid),
          name: row.name,
          description: row.description,
          category: { guid: row.category_guid, name: row.category },
          privacy: row.privacy,
          auditorium: row.type === "auditorium",
          invitations: row.invitations === 1,
          addIn: row.add_in,
          disabled: row.disabled === 1,
          createdMs: Number(row.created_ms),
          withHistory,
          members: having.get(`member ${row.id}`) ?? [],
          managers: having.get(`manager ${row.id}`) ?? [],
          presenters: having.get(`presenter ${row.id}`) ?? [],
        }),
      );
    },

    async histories(selection, after) {
      const rows = await database.rows<RoomKeyRow & Record<"last_number" | "cleared_to", number>>(
        "SELECT r.id, r.domain, r.guid, r.last_number, r.cleared_to FROM room r JOIN category c ON c.id = r.category_id " +
          `WHERE ${chosen(selection).sql} AND ${BEHIND} ORDER BY r.guid, r.domain ${limit(ROOMS)}`,
        [...chosen(selection).values, ...behind(after)],
      );
      return rows.map(({ id, domain, guid, last_number, cleared_to }) => ({
        id,
        uri: roomUri(domain, guid),
        lastNumber: last_number,
        clearedTo: cleared_to,
      }));
    },

    async messages({ id, lastNumber }: RoomHistory, { fromMs, untilMs }, after) {
      type Row = Record<"number" | "at_ms" | "alert", number> & {
        uri: string | null;
        text: string;
        rtf: string | null;
        replaced: number | null;
      };
      if (after >= lastNumber) return [];
      const times = `${fromMs === null ? "" : "AND m.at_ms >= ? "}${untilMs === null ? "" : "AND m.at_ms < ? "}`;
      let rows: Row[] = [];
      // Where few messages are of the time asked for, so many are looked through at once that no statement takes long.
      const step = times === "" ? lastNumber : LOOKED_THROUGH;
      for (let from = after; rows.length === 0 && from < lastNumber; from += step)
        rows = await database.rows<Row>(
          "SELECT m.number, m.at_ms, m.alert, m.text, m.rtf, p.uri, mm.number AS replaced FROM message m FORCE INDEX (PRIMARY) " +
            "LEFT JOIN principal p ON p.id = m.author_id " +
            "LEFT JOIN moderated_message mm ON mm.room_id = m.room_id AND mm.number = m.number AND mm.removed = 0 " +
            `WHERE m.room_id = ? AND m.number > ? AND m.number <= ? ${times}ORDER BY m.number ${limit(atOnce)}`,
          [id, from, Math.min(from + step, lastNumber), ...[fromMs, untilMs].filter((ms) => ms !== null)],
        );
      const size = rows.reduce((sum, { text, rtf }) => sum + text.length + (rtf?.length ?? 0), 0);
      if (rows.length === atOnce) {
        const fits = Math.floor((MESSAGE_BYTES / Math.max(1, size)) * rows.length);
        atOnce = Math.min(MOST_MESSAGES, Math.max(FEWEST_MESSAGES, fits));
      }
      return rows.map(
        ({ number, at_ms, alert, text, rtf, uri, replaced }): StoredLine => ({
          type: "message",
          number,
          atMs: at_ms,
          author: uri ?? "",
          alert: alert === 1,
          replaced: replaced !== null,
          text,
          rtf,
        }),
      );
    },

    async messageCount(selection) {
      const [row] = await database.rows<{ n: number | null }>(
        "SELECT SUM(r.last_number - r.cleared_to) AS n FROM room r JOIN category c ON c.id = r.category_id " +
          `WHERE ${chosen(selection).sql}`,
        chosen(selection).values,
      );
      return Number(row?.n ?? 0);
    },
  };
}

/** Addresses by `<role> <room>`, in their order. */
async function readRoles(database: Database, roomIds: readonly number[]): Promise<Map<string, string[]>> {
  const having = new Map<string, string[]>();
  const counts = await database.rows<{ room_id: number; n: number }>(
    "SELECT room_id, COUNT(*) AS n FROM room_role WHERE room_id IN (?) GROUP BY room_id",
    [ids(roomIds)],
  );
  const portions: number[][] = [];
  let roles = ROLES;
  for (const { room_id, n } of counts) {
    const last = portions.at(-1);
    if (last && roles + Number(n) <= ROLES) last.push(room_id);
    else {
      portions.push([room_id]);
      roles = 0;
    }
    roles += Number(n);
  }
  for (const portion of portions) {
    const rows = await database.rows<{ room_id: number; role: string; uri: string }>(
      "SELECT rr.room_id, rr.role, p.uri FROM room_role rr JOIN principal p ON p.id = rr.principal_id " +
        "WHERE rr.room_id IN (?) ORDER BY p.uri",
      [portion],
    );
    for (const { room_id, role, uri } of rows) {
      const list = having.get(`${role} ${room_id}`);
      if (list) list.push(uri);
      else having.set(`${role} ${room_id}`, [uri]);
    }
  }
  return having;
}

const BEHIND = "(r.guid > ? OR (r.guid = ? AND r.domain > ?))";

function behind({ guid, domain }: RoomKey): Value[] {
  return [guid, guid, domain];
}

function chosen({ categories, withoutDisabled }: Selection): { sql: string; values: Value[] } {
  const sql = [
    "TRUE",
    ...(categories ? ["c.name IN (?)"] : []),
    ...(withoutDisabled ? ["r.disabled = 0"] : []),
  ];
  return { sql: sql.join(" AND "), values: categories ? [categories] : [] };
}
