import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createConnection } from "mysql2/promise";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import type { Room } from "../../src/chat/room.ts";
import type { Aor, User } from "../../src/chat/user.ts";
import type { DialogRecord, PostEntry, Recorder } from "../../src/ports.ts";
import { type DialogToken, type Incarnation, newToken } from "../../src/sip/dialog.ts";
import { migrate } from "../../src/store/mysql/migrate.ts";
import { openStores, type Stores, type StoresOptions } from "../../src/store/mysql/stores.ts";

/** A real MariaDB with the schema, and as many nodes' stores on it as a test opens. */
export interface MysqlLab {
  readonly stack: Stack;
  readonly url: string;
  open(options?: Partial<StoresOptions>): Promise<Stores>;
  stop(): Promise<void>;
}

export async function startMysqlLab(mariadbOptions: Record<string, string> = {}): Promise<MysqlLab> {
  const stack = await startStack({ parts: ["mariadb"], mariadbOptions });
  const opened: Stores[] = [];
  try {
    await migrate(stack.mysqlUrl);
  } catch (error) {
    await stack.stop();
    throw error;
  }
  return {
    stack,
    url: stack.mysqlUrl,
    open: async (options = {}) => {
      const stores = await openStores({
        url: stack.mysqlUrl,
        domain: "example.com",
        compliance: true,
        connections: 4,
        ...options,
      });
      opened.push(stores);
      return stores;
    },
    stop: async () => {
      await Promise.all(opened.map((stores) => stores.close()));
      await stack.stop();
    },
  };
}

/** Users alice and bob, and rooms of one category that allows the whole domain; names are new for each call. */
export async function newScene(
  stores: Stores,
  rooms = 1,
): Promise<{ alice: User; bob: User; rooms: Room[] }> {
  const tag = randomBytes(4).toString("hex");
  const { administration } = stores;
  await administration.addCategory({ name: `Category ${tag}`, allowed: ["example.com"] });
  const ids = await administration.addRooms(
    Array.from({ length: rooms }, (_, index) => ({
      name: `Room ${tag} ${String(index).padStart(3, "0")}`,
      category: `Category ${tag}`,
      privacy: "open" as const,
    })),
  );
  const alice = await newUser(stores, `alice-${tag}`);
  const bob = await newUser(stores, `bob-${tag}`);
  return { alice, bob, rooms: await inOrder(stores, ids) };
}

export async function newUser(stores: Stores, name: string): Promise<User> {
  const uri = `sip:${name}@example.com` as Aor; // lower case, without parameters
  await stores.administration.addUser({ uri, displayName: name, enabled: true });
  const user = await stores.users.find(uri);
  if (!user) throw new Error("the user was just added");
  return user;
}

async function inOrder(stores: Stores, ids: readonly number[]): Promise<Room[]> {
  const rooms = new Map((await stores.rooms.byIds(ids)).map((room) => [room.id, room]));
  return ids.flatMap((id) => rooms.get(id) ?? []);
}

export function recorder(user: User, epid = "epid01", token: DialogToken = newToken()): Recorder {
  return { user, token, epid };
}

let envid = 1_000_000_000n;

export function postEntry(by: Recorder, room: Room, text: string, more: Partial<PostEntry> = {}): PostEntry {
  envid += 1n;
  return {
    by,
    room,
    envid: String(envid),
    seqid: "1",
    text,
    rtf: null,
    alert: false,
    startBeforeMs: Date.now() + 60_000,
    ...more,
  };
}

export function dialogRecord(
  by: Recorder,
  home: Incarnation,
  more: Partial<DialogRecord> = {},
): DialogRecord {
  return {
    state: {
      token: by.token,
      issuedBy: home,
      callId: "call'1\\",
      localUri: "sip:pchat@example.com",
      localTag: "ours",
      remoteUri: by.user.uri,
      remoteTag: "theirs",
      remoteTarget: "sip:alice@192.0.2.7:5062;transport=tcp",
      routeSet: "<sip:peer.example.com;lr>,<sip:192.0.2.9;lr>",
      localAddress: "proxy.example.com:5060",
    },
    user: by.user,
    epid: by.epid,
    home,
    epoch: 1,
    flow: { edge: "edge1", edgeStart: "start1", conid: 7, source: "192.0.2.7:5062", transport: "tcp" },
    awaySinceMs: null,
    isSipe: false,
    ...more,
  };
}

/** Runs one statement outside of all pools. */
export async function ask<Row>(url: string, sql: string): Promise<Row[]> {
  const connection = await createConnection({ uri: url, connectTimeout: 5_000 });
  try {
    const [rows] = await connection.query({ sql, timeout: 10_000 });
    return rows as Row[]; // the test knows its columns
  } finally {
    connection.destroy();
  }
}

/** Another process that holds a journal's connection and a room's lock in the middle of a transaction; returns once it does. */
export async function startHolder(
  url: string,
  incarnation: Incarnation,
  roomId: number,
): Promise<ChildProcess> {
  const file = fileURLToPath(new URL("./journal-child.ts", import.meta.url));
  const args = ["hold", `--url=${url}`, `--incarnation=${incarnation}`, `--room=${roomId}`];
  const holder = spawn(process.execPath, ["--import", "tsx", file, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await Promise.race([
    once(holder.stdout, "data"),
    once(holder, "exit").then(() => Promise.reject(new Error("the process that should hold the lock ended"))),
  ]);
  return holder;
}
