import { type Lab, openLab } from "../support/lab.ts";
import { ArchiveChild } from "./archive-child.ts";
import { CrowdMember } from "./crowd-member.ts";
import { count } from "./gather.ts";
import { Supervisor } from "./supervisor.ts";

const ROOMS = 20;
const MEMBERS = 24;
const ROOMS_PER_MEMBER = 4;

/** Two nodes with everything around them, people, rooms, and what starts the dead again. */
export interface ChaosPool {
  readonly lab: Lab;
  readonly supervisor: Supervisor;
  readonly archive: ArchiveChild;
  readonly rooms: readonly string[];
  /** A client for each of the users, not yet signed in. */
  newMembers(which: "veterans" | "newcomers"): CrowdMember[];
  /** The life that node leads now. */
  incarnationOf(node: string): Promise<string>;
  dialogsOf(incarnation: string): Promise<number>;
  /** Transactions its journal has committed. */
  flushesOf(incarnation: string): Promise<number>;
  /** Lives that have a successor. */
  takeovers(): Promise<number>;
  close(): Promise<void>;
}

export async function openChaosPool(): Promise<ChaosPool> {
  const users = Array.from({ length: MEMBERS }, (_, index) => `user${index}`);
  const names = Array.from({ length: ROOMS }, (_, index) => `Room ${index}`);
  const lab = await openLab({
    nodes: 2,
    users,
    rooms: names.map((name) => ({ name, privacy: "open" as const })),
  });
  const rooms = names.map((name) => lab.room(name));
  const archive = new ArchiveChild(lab.stack);
  await archive.start();
  const supervisor = new Supervisor(lab.stack);
  const number = (sql: string) => count(lab, sql);
  return {
    lab,
    supervisor,
    archive,
    rooms,
    newMembers: (which) =>
      users.flatMap((user, index) => {
        if ((index % 2 === 0) !== (which === "veterans")) return [];
        const own = Array.from(
          { length: ROOMS_PER_MEMBER },
          (_, step) => rooms[(index + step * 7) % ROOMS] ?? "",
        );
        return [new CrowdMember(lab, user, own)];
      }),
    async incarnationOf(node) {
      const [row] = await lab.sql<{ incarnation: string }>(
        "SELECT incarnation FROM incarnation WHERE node = ? ORDER BY epoch DESC LIMIT 1",
        [node],
      );
      return row?.incarnation ?? "";
    },
    dialogsOf: (incarnation) => number(`SELECT COUNT(*) AS n FROM dialog WHERE home = '${incarnation}'`),
    flushesOf: (incarnation) =>
      number(`SELECT flushes AS n FROM incarnation WHERE incarnation = '${incarnation}'`),
    takeovers: () => number("SELECT COUNT(*) AS n FROM incarnation WHERE successor IS NOT NULL"),
    async close() {
      await supervisor.stop();
      await archive.kill();
      await lab.close();
    },
  };
}
