import type { AddIn } from "../../chat/add-in.ts";
import type { Category } from "../../chat/category.ts";
import { NO_ROOM } from "../../chat/compliance-event.ts";
import { ChatError } from "../../chat/errors.ts";
import type { FilteredMessage } from "../../chat/message-filter.ts";
import type { Role } from "../../chat/principal.ts";
import type { Access } from "../../chat/role.ts";
import type { Room } from "../../chat/room.ts";
import { sessionOf } from "../../chat/session-digest.ts";
import type { User } from "../../chat/user.ts";
import { type Actor, eventActor } from "../../management/actor.ts";
import type {
  Changed,
  ChangeStore,
  FoundPrincipals,
  ListPart,
  ManagementStore,
  ManagementUnit,
  RoleList,
  RoomAudit,
  RoomName,
  SettingStore,
  Span,
} from "../../management/ports.ts";
import type { ComplianceWaker } from "../../ports.ts";
import { type Database, limit, type Queries } from "./database.ts";
import { eventIds } from "./event-ids.ts";
import {
  type Afterwards,
  finish,
  type InvitationWork,
  keepWork,
  type LeftWork,
  type TellProgress,
  type Told,
} from "./management-afterwards.ts";
import { messagePart, readNumbers, readSpan } from "./management-messages.ts";
import { addInPart, categoryPart, peoplePart } from "./management-others.ts";
import { ManagementRecords, type Recorded, type RecordsContext } from "./management-records.ts";
import { roomPart } from "./management-rooms.ts";
import { findRoom, readCategories, readList } from "./management-rows.ts";
import { lockMemberships } from "./membership-rows.ts";
import { readEligible } from "./principal-scope.ts";
import { rehearsable } from "./rehearsal.ts";
import { readCategoryAccess } from "./room-access.ts";
import { readAudit } from "./room-audit.ts";
import { readSettings, settingPart } from "./setting-rows.ts";
import { principalsNow } from "./user-store.ts";

export interface ManagementStoreOptions extends Told {
  /** Off: nothing is recorded for the archive. */
  readonly compliance: boolean;
  /** As recorded. */
  readonly node: string;
  readonly nowMs: () => number;
  readonly waker?: ComplianceWaker;
  /** Every change is made, and undone in the end: what it answers or refuses is what it would be. */
  readonly rehearsal?: boolean;
  /** What a change records, once it is made; also of a rehearsal, and while nothing goes to the archive. */
  readonly onRecorded?: (facts: readonly Recorded[]) => void;
  /** Something was changed and is committed. */
  readonly onChanged?: () => void;
}

/** Changes of one node that may wait for each other; beyond it they are refused, so that a rush of them stays their own. */
const MAX_WAITING = 100;

interface Done<Result> {
  readonly result: Result;
  /** Ids of the recorded events. */
  readonly events: readonly string[];
  readonly told: boolean;
  readonly facts: readonly Recorded[];
  readonly left: readonly LeftWork[];
}

/** A transaction that changes something, for whoever needs statements of its own in it. */
export interface Concluding {
  readonly queries: Queries;
  readonly unit: ManagementUnit;
  readonly afterwards: Afterwards;
  /** Number of this change. */
  readonly version: number;
}

/** One administrator at a time in the whole pool: each transaction holds the counter of changes from its beginning to its end. */
export class MysqlManagementStore implements ManagementStore, ChangeStore, SettingStore {
  readonly #database: Database;
  readonly #options: ManagementStoreOptions;
  readonly #records: RecordsContext;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(database: Database, options: ManagementStoreOptions) {
    this.#database = database;
    this.#options = options;
    const { compliance, node, nowMs } = options;
    this.#records = { compliance, node, nowMs, nextEventId: eventIds(nowMs) };
  }

  /** @throws {ChatError} OVERLOADED when too many wait already */
  change<Result>(actor: Actor, work: (unit: ManagementUnit) => Promise<Result>): Promise<Result> {
    return this.changeWith(actor, ({ unit }) => work(unit));
  }

  /** As `change`, with statements of its own. */
  async changeWith<Result>(actor: Actor, work: (inside: Concluding) => Promise<Result>): Promise<Result> {
    if (this.#waiting >= MAX_WAITING) throw new ChatError("OVERLOADED");
    // Those that wait for the same lock must not hold a connection each: reading goes on meanwhile.
    this.#waiting += 1;
    const committed = this.#tail.then(() => this.#commit(actor, work));
    this.#tail = committed.then(
      () => this.#done(),
      () => this.#done(),
    );
    const { result, left } = await committed;
    await finish(this.#database, left, this.#options);
    return result;
  }

  #done(): void {
    this.#waiting -= 1;
  }

  /**
   * As `change`, for what takes its time: `prepare` runs in the same transaction before it, while rooms may be administered, but
   * memberships may not. With `undo`, and in a rehearsal, nothing of it stays.
   */
  async changeMemberships<Prepared, Result>(
    actor: Actor,
    prepare: (queries: Queries, tell: TellProgress) => Promise<Prepared>,
    conclude: (concluding: Concluding, prepared: Prepared) => Promise<Result>,
    undo = false,
  ): Promise<Result> {
    const { onProgress = () => {} } = this.#options;
    const { result, left } = await this.#inOne(async (queries) => {
      await lockMemberships(queries);
      const prepared = await prepare(queries, onProgress);
      return this.#changing(queries, actor, (inside) => conclude(inside, prepared));
    }, undo || this.#options.rehearsal);
    await finish(this.#database, left, this.#options);
    return result;
  }

  #commit<Result>(
    actor: Actor,
    work: (inside: Concluding) => Promise<Result>,
  ): Promise<{ result: Result; left: readonly LeftWork[] }> {
    return this.#inOne((queries) => this.#changing(queries, actor, work), this.#options.rehearsal);
  }

  async #inOne<Result>(
    work: (queries: Queries) => Promise<Done<Result>>,
    undo = false,
  ): Promise<{ result: Result; left: readonly LeftWork[] }> {
    const { result, events, told, facts, left } = await rehearsable(this.#database, undo, work);
    this.#options.onRecorded?.(facts);
    if (undo) return { result, left: [] };
    if (events.length > 0) this.#options.waker?.announce(events);
    if (told) this.#options.onChanged?.();
    return { result, left };
  }

  async #changing<Result>(
    queries: Queries,
    actor: Actor,
    work: (inside: Concluding) => Promise<Result>,
  ): Promise<Done<Result>> {
    const version = await beginChange(queries);
    const records = new ManagementRecords(this.#records);
    const changed = new Map<string, Changed>();
    const works: InvitationWork[] = [];
    const afterwards: Afterwards = (work) => void works.push(work);
    const by = eventActor(actor);
    const session = actor.kind === "user" ? sessionOf(actor.token) : "";
    const unit: ManagementUnit = {
      ...roomPart(queries, records, { by: by.uri, nowMs: this.#options.nowMs }, afterwards),
      ...categoryPart(queries),
      ...addInPart(queries),
      ...peoplePart(queries, afterwards),
      ...messagePart(queries, version),
      ...settingPart(queries),
      record: (fact, room = NO_ROOM) => records.add({ by, session, room, fact }),
      changed: (what) => changed.set(JSON.stringify(what), what),
    };
    const result = await work({ queries, unit, afterwards, version });
    await logChanges(queries, version, [...changed.values()], this.#options.nowMs());
    const events = await records.write(queries);
    const left = await keepWork(queries, works);
    return { result, events, told: changed.size > 0, facts: records.all, left };
  }

  findRoom(name: RoomName): Promise<Room | "several" | undefined> {
    return findRoom(this.#database, name);
  }

  audit(roomId: number): Promise<RoomAudit> {
    return readAudit(this.#database, roomId);
  }

  numbers(roomId: number): Promise<{ readonly first: number; readonly last: number }> {
    return readNumbers(this.#database, roomId);
  }

  lookThrough(roomId: number, span: Span): Promise<FilteredMessage[]> {
    return readSpan(this.#database, roomId, span);
  }

  categories(): Promise<Category[]> {
    return readCategories(this.#database);
  }

  async categoryAccess(categoryIds: readonly number[], user: User): Promise<Access[]> {
    const principalIds = await principalsNow(this.#database, user);
    return readCategoryAccess(this.#database, categoryIds, { ...user, principalIds });
  }

  addIns(): Promise<AddIn[]> {
    return this.#database.rows<AddIn>("SELECT id, name, url FROM add_in ORDER BY name");
  }

  roles(roomId: number, roles: readonly Role[], { limit: atMost, after }: ListPart): Promise<RoleList[]> {
    return Promise.all(
      roles.map(async (role) => {
        const list = { table: "room_role", id: roomId, word: role, after } as const;
        const listed = await readList<Role>(this.#database, list, atMost + 1);
        return { role, listed: listed.slice(0, atMost), more: listed.length > atMost };
      }),
    );
  }

  eligible(
    categoryId: number,
    text: string,
    amongMembersOf: number | undefined,
    atMost: number,
  ): Promise<FoundPrincipals> {
    return readEligible(this.#database, categoryId, text, amongMembersOf, atMost);
  }

  settings(): Promise<ReadonlyMap<string, string>> {
    return readSettings(this.#database);
  }

  async latest(): Promise<number> {
    const [row] = await this.#database.rows<{ value: number }>(
      "SELECT value FROM counter WHERE name = 'changes'",
    );
    return Number(row?.value ?? 0);
  }

  async since(
    version: number,
    atMost: number,
  ): Promise<{ readonly version: number; readonly changed: Changed }[]> {
    const rows = await this.#database.rows<ChangeRow & { version: number }>(
      `SELECT version, kind, id FROM change_log WHERE version > ? ORDER BY version ${limit(atMost)}`,
      [version],
    );
    return rows.map((row) => ({ version: Number(row.version), changed: changedOf(row) }));
  }

  async recent(ms: number, atMost: number): Promise<Changed[]> {
    const rows = await this.#database.rows<ChangeRow>(
      `SELECT kind, id FROM change_log WHERE at_ms > ? ${limit(atMost)}`,
      [this.#options.nowMs() - ms],
    );
    return rows.map(changedOf);
  }
}

interface ChangeRow {
  kind: Changed["kind"];
  id: number;
}

function changedOf({ kind, id }: ChangeRow): Changed {
  return kind === "everybody" || kind === "settings" ? { kind } : { kind, id };
}

/** Takes the lock that all changes share. @returns the number of this change: the order of numbers is the order of commits */
export async function beginChange(queries: Queries): Promise<number> {
  const { insertId } = await queries.change(
    "UPDATE counter SET value = LAST_INSERT_ID(value + 1) WHERE name = 'changes'",
  );
  return insertId;
}

export async function logChanges(
  queries: Queries,
  version: number,
  changed: readonly Changed[],
  nowMs: number,
): Promise<void> {
  if (changed.length === 0) return;
  await queries.change("INSERT INTO change_log (version, kind, id, at_ms) VALUES ?", [
    changed.map((what) => [version, what.kind, "id" in what ? what.id : 0, nowMs]),
  ]);
}
