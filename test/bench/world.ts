import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { isLinked } from "../../plugin/stack/edge-link.ts";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import { saveSubscribers } from "../../plugin/stack/subscribers.ts";
import { type Administration, openAdministration } from "../../src/store/mysql/administration.ts";
import { Database, type Value } from "../../src/store/mysql/database.ts";

const CATEGORY = "Benches";
/** Accounts in one statement. */
const ACCOUNTS_AT_ONCE = 1_000;

export interface WorldRoom {
  readonly id: number;
  readonly uri: string;
}

export interface WorldUser {
  readonly name: string;
  readonly address: string;
  readonly password: string;
}

export interface WorldOptions {
  /** Off: the node records nothing. On unless given. */
  readonly compliance?: boolean;
  /** Nothing moves the outbox on without the worker; it runs unless this is false. */
  readonly worker?: boolean;
  readonly mariadb?: Readonly<Record<string, string>>;
  /** SIGUSR1 opens the node's inspector on a free loopback port. */
  readonly inspectable?: boolean;
}

/** The whole system, built, with real servers and nobody in it yet. */
export interface World {
  readonly stack: Stack;
  readonly administration: Administration;
  addUsers(names: readonly string[]): Promise<WorldUser[]>;
  /** One closed room per list; the numbers are places in `users`, who become its members. */
  addRooms(
    prefix: string,
    users: readonly WorldUser[],
    members: readonly (readonly number[])[],
  ): Promise<WorldRoom[]>;
  sql<Row extends object>(query: string, values?: readonly Value[]): Promise<Row[]>;
  /** Rows of the outbox, at most a million. */
  outboxRows(): Promise<number>;
  log(name: string): string;
  /** Every server by name, and this process as "generator". */
  pids(): Record<string, number>;
  close(): Promise<void>;
}

/** Starts the servers on the build in dist/. */
export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const { compliance = true, worker = true, inspectable = false } = options;
  const before = process.env.NODE_OPTIONS;
  if (inspectable) process.env.NODE_OPTIONS = `${before ?? ""} --inspect-port=0`.trim();
  const stack = await startStack({
    fromSources: false,
    mariadbOptions: { "innodb-buffer-pool-size": "1G", "innodb-log-file-size": "512M", ...options.mariadb },
    parts: ["mariadb", "redis", "nodes", "kamailio", ...(worker ? (["worker"] as const) : [])],
  }).finally(() => {
    if (!inspectable) return;
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  });
  const database = new Database({ url: stack.mysqlUrl, connections: 4 });
  const world = worldOn(stack, database);
  try {
    if (!compliance) await switchComplianceOff(stack);
    await world.administration.addDomainPrincipal(stack.domain);
    await world.administration.addCategory({ name: CATEGORY, allowed: [stack.domain] });
    return world;
  } catch (error) {
    await world.close();
    throw error;
  }
}

function worldOn(stack: Stack, database: Database): World {
  const administration = openAdministration(database, stack.domain);
  const principals = new Map<string, number>();
  return {
    stack,
    administration,
    async addUsers(names) {
      const users = names.map((name) => ({
        name,
        address: `sip:${name}@${stack.domain}`,
        password: `${name}-secret`,
      }));
      for (let at = 0; at < users.length; at += ACCOUNTS_AT_ONCE) {
        const some = users.slice(at, at + ACCOUNTS_AT_ONCE);
        await saveSubscribers(
          stack.edgeMysqlUrl,
          some.map(({ name, password }) => ({ username: name, domain: stack.domain, password })),
        );
      }
      const added = await administration.addUsers(
        users.map(({ name, address }) => ({ uri: address, displayName: `User ${name}`, enabled: true })),
      );
      users.forEach(({ address }, index) => {
        principals.set(address, added[index] ?? 0);
      });
      return users;
    },
    async addRooms(prefix, users, members) {
      const ids = await administration.addRooms(
        members.map((_, index) => ({ name: `${prefix} ${index}`, category: CATEGORY })),
      );
      await administration.addRoles(
        ids.flatMap((roomId, index) =>
          (members[index] ?? []).map((place) => ({
            roomId,
            principalId: principals.get(users[place]?.address ?? "") ?? 0,
            role: "member" as const,
          })),
        ),
      );
      const rows = await database.rows<{ id: number; guid: string }>(
        "SELECT id, guid FROM room WHERE id IN (?)",
        [ids],
      );
      const guids = new Map(rows.map(({ id, guid }) => [id, guid]));
      return ids.map((id) => ({ id, uri: `ma-chan://${stack.domain}/${guids.get(id)}` }));
    },
    sql: (query, values = []) => database.rows(query, values),
    async outboxRows() {
      const [row] = await database.rows<{ n: number }>(
        "SELECT COUNT(*) AS n FROM (SELECT 1 FROM compliance_outbox LIMIT 1000000) AS some",
      );
      return Number(row?.n ?? 0);
    },
    log: (name) => readFileSync(join(stack.stateDir, "log", `${name}.log`), "utf8"),
    pids: () => ({ ...stack.pids(), generator: process.pid }),
    async close() {
      await database.close();
      await stack.stop();
    },
  };
}

/** As an operator does it: in parlance.yaml, and a restart. */
async function switchComplianceOff(stack: Stack): Promise<void> {
  for (const [node, file] of Object.entries(stack.configFiles)) {
    const config = parse(readFileSync(file, "utf8")) as Record<string, object | undefined>; // written by the stack
    config.compliance = { ...config.compliance, enabled: false };
    writeFileSync(file, stringify(config), { mode: 0o600 });
    await stack.restart(node);
  }
  // Kamailio looks for a node that was gone every few seconds; until then its requests get no answer.
  for (let wait = 0; wait < 300 && !isLinked(stack.ports.link); wait++) await pause(100);
}
