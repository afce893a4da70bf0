import { join } from "node:path";
import { type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";
import { ArchiveChild } from "./archive-child.ts";
import { DatabaseClock, makeClocksAdjustable } from "./clocks.ts";
import { CrowdMember } from "./crowd-member.ts";
import type { ActRecord } from "./evidence.ts";
import { asked, count } from "./gather.ts";
import { MailSink } from "./mail-sink.ts";
import { mayMount, SmallDisk } from "./small-disk.ts";
import { Supervisor } from "./supervisor.ts";

const ROOMS = 20;
/** Category of every second room: what is read there is on a node's disk before it is recorded. */
const BUFFERED = "Buffered";
const MEMBERS = 24;
const ROOMS_PER_MEMBER = 4;

/** Two nodes with everything around them, people, rooms, and what starts the dead again. */
export interface ChaosPool {
  readonly lab: Lab;
  readonly supervisor: Supervisor;
  readonly archive: ArchiveChild;
  /** Under the database and under the adapter's folder; undefined unless asked for. */
  readonly disks: Readonly<Record<"mariadb" | "adapter", SmallDisk>> | undefined;
  /** Where alerts are mailed to; undefined unless asked for. */
  readonly mail: MailSink | undefined;
  /** Of MariaDB; undefined unless asked for. */
  readonly databaseClock: DatabaseClock | undefined;
  readonly rooms: readonly string[];
  /** What members and administrator did besides posts since the pool was opened. */
  readonly acts: readonly ActRecord[];
  /** The administrator gives somebody a role that he has not had in that room. Never throws. */
  changeRole(): Promise<void>;
  /** A client for each of the users, not yet signed in. */
  newMembers(which: "veterans" | "newcomers"): CrowdMember[];
  /** The life that node leads now. */
  incarnationOf(node: string): Promise<string>;
  dialogsOf(incarnation: string): Promise<number>;
  /** Transactions its journal has committed. */
  flushesOf(incarnation: string): Promise<number>;
  /** Of all streams, as the chat counts them. */
  recordedEvents(): Promise<number>;
  /** Lives that have a successor. */
  takeovers(): Promise<number>;
  close(): Promise<void>;
}

/** What some strikes need, and costs the others time. */
export interface PoolExtras {
  /** Database and adapter write to disks that can be filled. */
  readonly smallDisks?: boolean;
  readonly databaseClock?: boolean;
  readonly mail?: boolean;
}

export async function openChaosPool(extras: PoolExtras): Promise<ChaosPool> {
  makeClocksAdjustable();
  const users = Array.from({ length: MEMBERS }, (_, index) => `user${index}`);
  const names = Array.from({ length: ROOMS }, (_, index) => `Room ${index}`);
  const lab = await openLab({
    nodes: 2,
    users,
    // Rare heartbeats: one that comes while the witnesses are heard would be in one's words and not in the other's.
    settings: { compliance: { "heartbeat-interval": "10m", archive: { "checkpoint-interval": "1s" } } },
  });
  await lab.administration.addCategory({
    name: BUFFERED,
    allowed: [lab.stack.domain],
    reading: "buffered",
  });
  for (const [index, name] of names.entries())
    await lab.addRoom({ name, privacy: "open", ...(index % 2 === 0 ? {} : { category: BUFFERED }) });
  const rooms = names.map((name) => lab.room(name));
  await seatSealer(lab);
  const databaseClock = extras.databaseClock ? await DatabaseClock.of(lab.stack) : undefined;
  const mail = extras.mail ? await MailSink.of(lab) : undefined;
  const disks = extras.smallDisks && mayMount() ? await makeDisks(lab) : undefined;
  const archive = new ArchiveChild(lab.stack);
  await archive.start();
  await until("the archive's process seals", async () => {
    const [row] = await lab.sql<{ n: number }>(
      "SELECT COUNT(*) AS n FROM compliance_lease WHERE adapter = 'archive-sealer' AND expires_ms > 0",
    );
    return Number(row?.n) > 0;
  });
  await lab.stack.restart("worker");
  const supervisor = new Supervisor(lab.stack);
  const acts: ActRecord[] = [];
  let roleChanges = 0;
  const number = (sql: string) => count(lab, sql);
  return {
    lab,
    supervisor,
    archive,
    disks,
    mail,
    databaseClock,
    rooms,
    acts,
    async changeRole() {
      const change = roleChanges++;
      const role = change < MEMBERS * ROOMS ? "member" : "manager";
      if (change >= 2 * MEMBERS * ROOMS) return; // everybody has every role
      const room = rooms[change % ROOMS] ?? "";
      const user = users[Math.floor(change / ROOMS) % MEMBERS] ?? "";
      const text = JSON.stringify({ [role]: [lab.address(user)] });
      const by = { who: "administrator:local", session: "", limit: 0 };
      const act: ActRecord = { kind: "ROLE_CHANGED", room, text, ...by, answer: "none", shown: [] };
      acts.push(act);
      const done = await lab.administration.addRole(room, lab.address(user), role).catch(() => undefined);
      act.answer = done ? 200 : 503;
    },
    newMembers: (which) =>
      users.flatMap((user, index) => {
        if ((index % 2 === 0) !== (which === "veterans")) return [];
        const own = Array.from(
          { length: ROOMS_PER_MEMBER },
          (_, step) => rooms[(index + step * 7) % ROOMS] ?? "",
        );
        const otherRooms = rooms.filter((room) => !own.includes(room));
        return [new CrowdMember(lab, user, { rooms: own, otherRooms }, acts)];
      }),
    async incarnationOf(node) {
      const [row] = await asked<{ incarnation: string }>(
        lab,
        `SELECT incarnation FROM incarnation WHERE node = '${node}' ORDER BY epoch DESC LIMIT 1`,
      );
      return row?.incarnation ?? "";
    },
    dialogsOf: (incarnation) => number(`SELECT COUNT(*) AS n FROM dialog WHERE home = '${incarnation}'`),
    flushesOf: (incarnation) =>
      number(`SELECT flushes AS n FROM incarnation WHERE incarnation = '${incarnation}'`),
    recordedEvents: () =>
      number("SELECT (SELECT SUM(last_event) FROM room) + (SELECT SUM(read_events) FROM incarnation) AS n"),
    takeovers: () => number("SELECT COUNT(*) AS n FROM incarnation WHERE successor IS NOT NULL"),
    async close() {
      await supervisor.stop();
      await archive.kill();
      await mail?.kill();
      for (const disk of Object.values(disks ?? {})) {
        disk.empty();
        disk.remove();
      }
      await lab.close();
    },
  };
}

/** The sealer that is struck shall be the one that seals: the stock worker's, which began, takes over when that one dies. */
async function seatSealer({ stack, sql }: Lab): Promise<void> {
  await stack.kill("worker", "SIGKILL");
  await sql("UPDATE compliance_lease SET expires_ms = 0 WHERE adapter = 'archive-sealer'");
}

const DATABASE_MB = 320;
const ADAPTER_MB = 48;

/** Before anybody has signed in: the database and the worker are away for a moment. */
async function makeDisks({ stack }: Lab) {
  await stack.kill("mariadb", "SIGKILL");
  const disks = {
    mariadb: SmallDisk.under(join(stack.stateDir, "mariadb"), DATABASE_MB),
    adapter: SmallDisk.under(join(stack.stateDir, "compliance"), ADAPTER_MB),
  };
  await stack.restart("mariadb");
  await until("both nodes are there still", () => ["n1", "n2"].every((name) => name in stack.pids()));
  return disks;
}
