import {
  type ApplyOptions,
  type DirectoryChange,
  type DirectorySnapshot,
  type DirectoryStore,
  DirectoryTrouble,
  TooManyRemovals,
  type Turn,
} from "../../directory/ports.ts";
import type { Actor } from "../../management/actor.ts";
import { concludeMemberships, countAffiliations, deriveAffiliations } from "./affiliations.ts";
import type { Database, Queries } from "./database.ts";
import {
  type SavedUsers,
  saveDirectoryGroups,
  saveDirectoryMemberships,
  saveDirectoryUsers,
} from "./directory-rows.ts";
import { recordMemberships } from "./group-records.ts";
import { dbNowMs } from "./handover-rows.ts";
import { finish, inPieces, keepWork, type LeftWork } from "./management-afterwards.ts";
import type { MysqlManagementStore } from "./management-store.ts";

/** Of the column. */
const MOST_TROUBLE = 500;
const NAME = "ldap";
/** As recorded. */
const DIRECTORY: Actor = { kind: "administrator", name: "directory" };

/** The directory's groups, and whose turn it is to read them. */
export class MysqlDirectoryStore implements DirectoryStore {
  readonly #database: Database;
  readonly #management: MysqlManagementStore;

  constructor(database: Database, management: MysqlManagementStore) {
    this.#database = database;
    this.#management = management;
  }

  async servedDomains(): Promise<ReadonlySet<string>> {
    const rows = await this.#database.rows<{ uri: string }>(
      "SELECT uri FROM principal WHERE kind = 'domain'",
    );
    return new Set(rows.map(({ uri }) => uri));
  }

  async takeTurn(holder: string, leaseMs: number, atOnce = false): Promise<Turn | undefined> {
    const [waiting] = await this.#database.rows<{ free: number }>(
      `SELECT expires_ms <= ${dbNowMs} AND (due_ms <= ${dbNowMs} OR ?) AS free FROM directory_turn WHERE name = ?`,
      [atOnce, NAME],
    );
    if (Number(waiting?.free) !== 1) return undefined; // mostly so: nobody waits for a lock
    return this.#database.transaction(async (queries) => {
      const [row] = await queries.rows<{ epoch: number; trouble: string; free: number }>(
        `SELECT epoch, trouble, expires_ms <= ${dbNowMs} AND (due_ms <= ${dbNowMs} OR ?) AS free FROM directory_turn WHERE name = ? FOR UPDATE`,
        [atOnce, NAME],
      );
      if (!row || Number(row.free) !== 1) return undefined;
      const epoch = Number(row.epoch) + 1;
      await queries.change(
        `UPDATE directory_turn SET holder = ?, epoch = ?, expires_ms = ${dbNowMs} + ? WHERE name = ?`,
        [holder, epoch, leaseMs, NAME],
      );
      return { holder, epoch, trouble: row.trouble };
    });
  }

  async renewTurn({ epoch }: Turn, leaseMs: number): Promise<boolean> {
    const { affectedRows } = await this.#database.change(
      `UPDATE directory_turn SET expires_ms = ${dbNowMs} + ? WHERE name = ? AND epoch = ?`,
      [leaseMs, NAME, epoch],
    );
    return affectedRows === 1;
  }

  async endTurn({ epoch }: Turn, waitMs: number, trouble: string): Promise<void> {
    await this.#database.change(
      `UPDATE directory_turn SET expires_ms = 0, due_ms = ${dbNowMs} + ?, trouble = ?, ` +
        `succeeded_ms = CASE WHEN ? = '' THEN ${dbNowMs} ELSE succeeded_ms END WHERE name = ? AND epoch = ?`,
      [waitMs, [...trouble].slice(0, MOST_TROUBLE).join(""), trouble, NAME, epoch],
    );
  }

  async apply(
    turn: Turn | undefined,
    snapshot: DirectorySnapshot,
    options: ApplyOptions,
  ): Promise<DirectoryChange> {
    if (!turn && !options.dryRun) throw new DirectoryTrouble("only a dry run needs no turn");
    // Not in the transaction: somebody who signs in for the first time must not wait for all that follows.
    const left: LeftWork[] = [];
    const saved = options.dryRun
      ? undefined
      : await saveDirectoryUsers(
          (work) => this.#database.transaction(work),
          snapshot.users,
          options,
          // Rooms may have their whole domain as a member.
          async (queries, ids) => void left.push(...(await keepWork(queries, inPieces("invite", ids)))),
        );
    const change = await this.#management.changeMemberships(
      DIRECTORY,
      async (queries) => {
        if (turn) await requireTurn(queries, turn);
        const users =
          saved ??
          (await saveDirectoryUsers(
            (work) => work(queries),
            snapshot.users,
            options,
            async () => {},
          ));
        return { users, ...(await applyIn(queries, snapshot, users, options)) };
      },
      async (concluding, { users, groups, changed, derived, before }) => {
        await recordMemberships(concluding, changed);
        const { gained, lost, rooms } = await concludeMemberships(concluding, derived);
        return {
          usersCreated: users.created.length,
          usersChanged: users.changed,
          groupsAdded: groups.added,
          groupsGone: groups.gone.length,
          gained,
          lost,
          before,
          rooms: rooms.length,
        };
      },
      options.dryRun,
    );
    await finish(this.#database, left, { onProgress: options.onProgress });
    return change;
  }
}

async function applyIn(
  queries: Queries,
  snapshot: DirectorySnapshot,
  users: SavedUsers,
  { maxRemoval, force = false, onProgress }: ApplyOptions,
) {
  const before = await countAffiliations(queries);
  const groups = await saveDirectoryGroups(queries, snapshot.groups);
  const known = { users: users.ids, groups };
  const changed = await saveDirectoryMemberships(queries, snapshot.groups, known, onProgress);
  const concerned = new Set([...changed.added, ...changed.removed].map(({ groupId }) => groupId));
  const derived = await deriveAffiliations(queries, concerned, onProgress);
  // One may always go, or small pools would have to be asked each time; but not the last one.
  const mayGo = Math.max(Math.floor((before * maxRemoval) / 100), before > 1 ? 1 : 0);
  if (derived.lost > mayGo && !force) throw new TooManyRemovals(derived.lost, before, maxRemoval);
  return { before, groups, changed, derived };
}

/** What was read under a turn that another one has now is older than what that one reads. */
async function requireTurn(queries: Queries, { epoch }: Turn): Promise<void> {
  const [row] = await queries.rows<{ epoch: number }>(
    "SELECT epoch FROM directory_turn WHERE name = ? FOR UPDATE",
    [NAME],
  );
  if (Number(row?.epoch) !== epoch) throw new DirectoryTrouble("another node reads the directory by now");
}
