import type { User } from "../../chat/user.ts";
import type { DialogRecord, DialogStore, JoinedRoom } from "../../ports.ts";
import type { DialogToken, Flow, Incarnation } from "../../sip/dialog.ts";
import { type Database, limit } from "./database.ts";
import { endpointKey } from "./sql-values.ts";
import { usersByIds } from "./user-store.ts";

/** Dialogs read in one statement. */
const PAGE = 1_000;
const TOKEN = /^[0-9a-f]{32}$/;

interface DialogRow {
  token: string;
  user_id: number;
  epid: string;
  home: string;
  epoch: number;
  issued_by: string;
  call_id: string;
  local_uri: string;
  local_tag: string;
  remote_uri: string;
  remote_tag: string;
  remote_target: string;
  route_set: string;
  local_address: string;
  edge: string;
  edge_start: string;
  conid: number;
  source: string;
  transport: Flow["transport"];
  away_since_ms: number | null;
  sipe: number;
}

/** Reads dialogs; the journal writes them. */
export class MysqlDialogStore implements DialogStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async home(token: DialogToken): Promise<Incarnation | undefined> {
    if (!TOKEN.test(token)) return undefined;
    const [row] = await this.#database.rows<{ home: string }>("SELECT home FROM dialog WHERE token = ?", [
      raw(token),
    ]);
    return row?.home as Incarnation | undefined; // only incarnations are stored there
  }

  async ofHome(home: Incarnation): Promise<{ dialog: DialogRecord; rooms: JoinedRoom[] }[]> {
    const found: { dialog: DialogRecord; rooms: JoinedRoom[] }[] = [];
    for (let after = ""; ; ) {
      const rows = await this.#page(home, after);
      const users = await usersByIds(this.#database, [...new Set(rows.map(({ user_id }) => user_id))]);
      const rooms = await this.#rooms(rows.map(({ token }) => token));
      for (const row of rows) {
        const user = users.get(row.user_id);
        if (user) found.push({ dialog: dialogOf(row, user), rooms: rooms.get(row.token) ?? [] });
      }
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return found;
      after = last.token;
    }
  }

  async away(userId: number, epid: string): Promise<DialogToken[]> {
    if (epid === "") return [];
    const rows = await this.#database.rows<{ token: string }>(
      `SELECT LOWER(HEX(token)) AS token FROM dialog WHERE user_id = ? AND endpoint = ? AND away_since_ms IS NOT NULL ORDER BY away_since_ms ${limit(PAGE)}`,
      [userId, raw(endpointKey(epid))],
    );
    return rows.map(({ token }) => token as DialogToken); // 16 bytes in hex
  }

  async rooms(token: DialogToken): Promise<JoinedRoom[]> {
    return (await this.#rooms([token])).get(token) ?? [];
  }

  async remembered(userId: number, epid: string): Promise<number[]> {
    if (epid === "") return [];
    const endpoint = raw(endpointKey(epid));
    // Rooms of a dialog that still stands count too: the client may have lost it before anybody noticed.
    const rows = await this.#database.rows<{ room_id: number }>(
      "SELECT room_id FROM remembered_room WHERE user_id = ? AND endpoint = ? AND until_ms > ? " +
        "UNION SELECT dr.room_id FROM dialog d JOIN dialog_room dr ON dr.token = d.token WHERE d.user_id = ? AND d.endpoint = ?",
      [userId, endpoint, Date.now(), userId, endpoint],
    );
    return rows.map(({ room_id }) => room_id);
  }

  #page(home: Incarnation, after: string): Promise<DialogRow[]> {
    return this.#database.rows<DialogRow>(
      "SELECT LOWER(HEX(token)) AS token, user_id, epid, home, epoch, issued_by, call_id, local_uri, local_tag, remote_uri, remote_tag, " +
        "remote_target, route_set, local_address, edge, edge_start, conid, source, transport, away_since_ms, sipe " +
        `FROM dialog WHERE home = ? AND dialog.token > ? ORDER BY dialog.token ${limit(PAGE)}`,
      [home, raw(after)],
    );
  }

  async #rooms(tokens: readonly string[]): Promise<Map<string, JoinedRoom[]>> {
    const found = new Map<string, JoinedRoom[]>();
    if (tokens.length === 0) return found;
    const rows = await this.#database.rows<{ token: string; room_id: number; mask: number; since: number }>(
      "SELECT LOWER(HEX(token)) AS token, room_id, mask, since FROM dialog_room WHERE dialog_room.token IN (?)",
      [tokens.map(raw)],
    );
    for (const { token, room_id, mask, since } of rows) {
      const room = { roomId: room_id, mask, since };
      const list = found.get(token);
      if (list) list.push(room);
      else found.set(token, [room]);
    }
    return found;
  }
}

function dialogOf(row: DialogRow, user: User): DialogRecord {
  return {
    state: {
      token: row.token as DialogToken, // 16 bytes in hex
      issuedBy: row.issued_by as Incarnation, // only incarnations are stored there
      callId: row.call_id,
      localUri: row.local_uri,
      localTag: row.local_tag,
      remoteUri: row.remote_uri,
      remoteTag: row.remote_tag,
      remoteTarget: row.remote_target,
      routeSet: row.route_set,
      localAddress: row.local_address,
    },
    user,
    epid: row.epid,
    home: row.home as Incarnation, // likewise
    epoch: row.epoch,
    flow: {
      edge: row.edge,
      edgeStart: row.edge_start,
      conid: Number(row.conid),
      source: row.source,
      transport: row.transport,
    },
    awaySinceMs: row.away_since_ms,
    isSipe: row.sipe === 1,
  };
}

function raw(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}
