import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import type { EndpointOptions, SignInOptions } from "../../plugin/client/endpoint-options.ts";
import { isReached } from "../../plugin/stack/edge-link.ts";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Part, Stack } from "../../plugin/stack/stack-options.ts";
import { saveSubscribers } from "../../plugin/stack/subscribers.ts";
import type { Privacy, RoomType } from "../../src/chat/room.ts";
import { type Administration, openAdministration } from "../../src/store/mysql/administration.ts";
import { Database, PATIENT_MS, type Value } from "../../src/store/mysql/database.ts";
import { sipStream } from "./sip-lines.ts";
import { until } from "./until.ts";

/** Generous: the machine may be busy, and nothing here measures speed. */
export const LAB_TIMEOUT_MS = 20_000;

/** A room as a test wants it; people by their short names. */
export interface LabRoom {
  readonly name: string;
  readonly description?: string;
  /** Closed unless given. */
  readonly privacy?: Privacy;
  readonly type?: RoomType;
  readonly members?: readonly string[];
  readonly managers?: readonly string[];
  readonly presenters?: readonly string[];
  /** Of the category "Lab", whose scope is the whole domain, unless given. */
  readonly category?: string;
}

/** Sections of parlance.yaml that a test may want to be different. */
export type LabSettings = Readonly<
  Partial<Record<"alerts" | "chat" | "compliance" | "directory" | "log", Record<string, unknown>>>
>;

export interface LabOptions {
  readonly nodes?: number;
  /** Short names: "alice" is sip:alice@example.com, allowed to chat. */
  readonly users: readonly string[];
  /** Known to the proxy and to Parlance, but not allowed to chat. */
  readonly notAllowed?: readonly string[];
  readonly rooms?: readonly LabRoom[];
  readonly settings?: LabSettings;
  /** Everything unless given. */
  readonly parts?: readonly Part[];
  /** Addresses whose P-Asserted-Identity Kamailio believes. */
  readonly peers?: readonly string[];
}

export type LabEndpointOptions = Partial<EndpointOptions>;

/** A real stack with people and rooms in it. */
export interface Lab {
  readonly stack: Stack;
  readonly administration: Administration;
  /** A client of that user, not yet signed in. TCP unless the options say otherwise. */
  endpoint(user: string, options?: LabEndpointOptions): XccosEndpoint;
  signedIn(user: string, options?: LabEndpointOptions, plan?: SignInOptions): Promise<XccosEndpoint>;
  /** "sip:alice@example.com" */
  address(user: string): string;
  password(user: string): string;
  /** URI of a room made by this lab. */
  room(name: string): string;
  addRoom(room: LabRoom): Promise<string>;
  sql<Row extends object>(query: string, values?: readonly Value[]): Promise<Row[]>;
  /** What was recorded of a room, in the order of its stream; with the reading, which has streams of its own. */
  recorded(room: string): Promise<RecordedEvent[]>;
  /** What was administered of a room, or without one of everything else, in the order of its stream. */
  administered(room?: string): Promise<RecordedEvent[]>;
  /** Changes parlance.yaml of a node and starts that node again. */
  configure(node: string, settings: LabSettings): Promise<void>;
  /** Starts a process again and returns when a request gets through to a node. */
  restart(name: string): Promise<void>;
  log(name: string): string;
  /** Signs everybody off and fails when any client was sent what no client may be sent. */
  clearAway(): Promise<void>;
  close(): Promise<void>;
}

/** The parts of a canonical compliance body that tests look at. */
export interface RecordedEvent {
  readonly kind: string;
  readonly stream: string;
  readonly streamSeq: number;
  readonly actor: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

const CATEGORY = "Lab";

/** Starts the servers, the people and the rooms. Close it in any case. */
export async function openLab(options: LabOptions): Promise<Lab> {
  const { nodes = 1, users, notAllowed = [], rooms = [], settings, parts, peers = [] } = options;
  const stack = await startStack({ nodes, peers, ...(parts ? { parts } : {}) });
  const database = new Database({ url: stack.mysqlUrl, connections: 2, statementMs: PATIENT_MS });
  const lab = labOn(stack, database, openAdministration(database, stack.domain));
  try {
    for (const node of settings ? Object.keys(stack.configFiles) : [])
      await lab.configure(node, settings ?? {});
    await populate(lab, users, notAllowed);
    for (const room of rooms) await lab.addRoom(room);
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

async function populate(lab: Lab, users: readonly string[], notAllowed: readonly string[]): Promise<void> {
  const { administration, stack } = lab;
  await saveSubscribers(
    stack.edgeMysqlUrl,
    [...users, ...notAllowed].map((username) => ({
      username,
      domain: stack.domain,
      password: lab.password(username),
    })),
  );
  const people = [
    ...users.map((user) => [user, true] as const),
    ...notAllowed.map((user) => [user, false] as const),
  ];
  for (const [user, enabled] of people)
    await administration.addUser({ uri: lab.address(user), displayName: displayName(user), enabled });
  await administration.addDomainPrincipal(stack.domain);
  await administration.addCategory({ name: CATEGORY, allowed: [stack.domain] });
}

/** "alice" → "Alice". */
export function displayName(user: string): string {
  return user.slice(0, 1).toUpperCase() + user.slice(1);
}

function labOn(stack: Stack, database: Database, administration: Administration): Lab {
  const uris = new Map<string, string>();
  const events = async (room: string | undefined): Promise<RecordedEvent[]> => {
    const id = room === undefined ? 0 : (await administration.findRoom(room)).id;
    const columns = "stream, stream_seq, body";
    const rows = await database.rows<{ body: Buffer }>(
      `SELECT ${columns} FROM compliance_outbox WHERE room_id = ? UNION SELECT ${columns} FROM compliance_handover WHERE room_id = ? ORDER BY stream, stream_seq`,
      [id, id],
    );
    return rows.map(({ body }) => recordedEvent(JSON.parse(body.toString("utf8"))));
  };
  let endpoints: XccosEndpoint[] = [];
  const lab: Lab = {
    stack,
    administration,
    address: (user) => `sip:${user}@${stack.domain}`,
    password: (user) => `${user}'s secret`,
    endpoint(user, options = {}) {
      const tls = options.transport === "tls";
      const made = new XccosEndpoint({
        host: "127.0.0.1",
        port: tls ? stack.ports.tls : stack.ports.sip,
        address: lab.address(user),
        displayName: displayName(user),
        password: lab.password(user),
        timeoutMs: LAB_TIMEOUT_MS,
        ...(tls ? { anyCertificate: true } : {}),
        ...options,
      });
      endpoints.push(made);
      return made;
    },
    async signedIn(user, options = {}, plan = {}) {
      const endpoint = lab.endpoint(user, options);
      await endpoint.signIn(plan);
      return endpoint;
    },
    room(name) {
      const uri = uris.get(name);
      if (uri === undefined) throw new Error(`this lab has no room ${name}`);
      return uri;
    },
    async addRoom({ members = [], managers = [], presenters = [], category = CATEGORY, ...room }) {
      const { uri } = await administration.addRoom({ ...room, category });
      const roles = { member: members, manager: managers, presenter: presenters } as const;
      for (const role of ["member", "manager", "presenter"] as const)
        for (const user of roles[role]) await administration.addRole(uri, lab.address(user), role);
      uris.set(room.name, uri);
      return uri;
    },
    sql: (query, values = []) => database.rows(query, values),
    recorded: async (room) => (await events(room)).filter((event) => !isAdministrative(event)),
    administered: async (room) =>
      (await events(room)).filter((event) => isAdministrative(event) && !event.stream.startsWith("read:")),
    async configure(node, settings) {
      const file = stack.configFiles[node];
      if (file === undefined) throw new Error(`no node ${node}`);
      const config = parse(readFileSync(file, "utf8")) as Record<string, object | undefined>; // written by the stack
      for (const [section, values] of Object.entries(settings))
        config[section] = { ...config[section], ...values };
      writeFileSync(file, stringify(config));
      await stack.restart(node);
      await untilServed(stack);
    },
    async restart(name) {
      await stack.restart(name);
      await untilServed(stack);
    },
    log: (name) => readFileSync(join(stack.stateDir, "log", `${name}.log`), "utf8"),
    async clearAway() {
      const used = endpoints;
      endpoints = [];
      await Promise.allSettled(used.map((endpoint) => endpoint.signOff()));
      for (const endpoint of used) assert.deepEqual(endpoint.violations, [], endpoint.address);
    },
    async close() {
      for (const endpoint of endpoints) endpoint.crash();
      await database.close();
      await stack.stop();
    },
  };
  return lab;
}

/** A node answers as soon as it runs; Kamailio finds it again a little later, each node for itself, and answers 503 until then. */
async function untilServed(stack: Stack): Promise<void> {
  const phone = await sipStream("127.0.0.1", stack.ports.sip);
  const address = `sip:served@${stack.domain}`;
  try {
    await saveSubscribers(stack.edgeMysqlUrl, [
      { username: "served", domain: stack.domain, password: "served" },
    ]);
    await until("a node answers through Kamailio", async () => {
      const callId = randomUUID();
      const request = {
        method: "OPTIONS",
        uri: stack.poolUri,
        from: `<${address}>;tag=1`,
        to: `<${stack.poolUri}>`,
      };
      const account = { username: `served@${stack.domain}`, password: "served" };
      return (await phone.askAs(account, { ...request, callId, cseq: 1 })).status === 200;
    });
    await until("requests reach every node that runs", () => isReached(stack.ports.http));
  } finally {
    phone.end();
  }
}

function isAdministrative({ kind }: RecordedEvent): boolean {
  return kind.includes("_");
}

function recordedEvent(body: {
  kind: string;
  stream: string;
  streamSeq: number;
  actor: { uri: string };
  detail: Record<string, unknown>;
}): RecordedEvent {
  const { kind, stream, streamSeq, actor, detail } = body;
  return { kind, stream, streamSeq, actor: actor.uri, detail };
}
