import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { signalAll } from "../../plugin/stack/owned-pid.ts";
import { findFreePort } from "../../plugin/stack/ports.ts";
import { locate, startProcess, stopProcess } from "../../plugin/stack/process.ts";
import { cpuBetween, cpuMicroseconds } from "./cpu.ts";
import { ImcSink, imcMembers } from "./imc-members.ts";
import { type Round, roundOf } from "./round.ts";

const ROOM = { name: "room", host: "127.0.0.1" };

/** A running Kamailio with its conference module and one room. */
export interface ImcReference {
  readonly sink: ImcSink;
  /** `posters` members post, each again when its post was answered, for `ms`. @throws Error when copies are missing afterwards */
  run(posters: number, body: string, ms: number): Promise<Round>;
  stop(): Promise<void>;
}

/** Starts it with `count` members on UDP sockets of their own. */
export async function startImc(count: number): Promise<ImcReference> {
  const dir = mkdtempSync(join(tmpdir(), "parlance-imc-"));
  const port = await findFreePort({ udp: true });
  const members = imcMembers(count);
  writeTables(join(dir, "db"), members);
  const config = join(dir, "imc.cfg");
  cpSync(join(import.meta.dirname, "imc.cfg"), config);
  const server = { host: ROOM.host, port };
  const sink = await ImcSink.open(members, server);
  const kamailio = await startProcess({
    name: "imc",
    command: locate("kamailio", "kamailio"),
    args: [
      ...["-f", config, "-A", `IMC_LISTEN=udp:${ROOM.host}:${port}`, "-A", `IMC_DB="text://${dir}/db"`],
      ...["-P", join(dir, "pid"), "-Y", dir, "-w", dir, "-x", "tlsf", "-X", "tlsf", "-m", "2048", "-M", "32"],
      ...["-DD", "-E"],
    ],
    logFile: join(dir, "imc.log"),
    runDir: dir,
    readyTimeoutMs: 20_000,
    stopTimeoutMs: 10_000,
    parentDeathSignal: "TERM",
    // A post that reaches everybody; what comes before the room is loaded is not answered or refused.
    answers: async () => {
      const before = sink.copies;
      if ((await sink.post(0, roomUri(port), "is anybody there?", 500)) !== 200) return false;
      await pause(200);
      return sink.copies - before === count - 1;
    },
  }).catch((error: unknown) => {
    sink.close();
    throw error;
  });
  return {
    sink,
    run: (posters, body, ms) => run(sink, kamailio.pid, roomUri(port), count, posters, body, ms),
    stop: async () => {
      sink.close();
      signalAll(kamailio, "SIGKILL"); // it would write its 500 members back first
      await stopProcess(kamailio, dir, "once");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function run(
  sink: ImcSink,
  pid: number,
  room: string,
  count: number,
  posters: number,
  body: string,
  ms: number,
): Promise<Round> {
  const pids = { kamailio: pid, generator: process.pid };
  const before = {
    copies: sink.copies,
    posts: sink.posts,
    cpu: cpuMicroseconds(pids),
    at: performance.now(),
  };
  const until = before.at + ms;
  const poster = async (index: number) => {
    while (performance.now() < until) {
      const status = await sink.post(index, room, body);
      if (status !== 200) throw new Error(`imc answered ${status} to a post`);
    }
  };
  const posting = Promise.all(Array.from({ length: posters }, (_, index) => poster(index)));
  await Promise.race([posting, pause(ms)]);
  await pause(Math.max(0, until - performance.now()));
  const measured = roundOf(
    sink.copies - before.copies,
    performance.now() - before.at,
    cpuBetween(before.cpu, cpuMicroseconds(pids)),
  );
  await posting;
  // The sender gets no copy of its own post.
  const due = () => (sink.posts - before.posts) * (count - 1);
  for (let wait = 0; wait < 100 && sink.copies - before.copies < due(); wait++) await pause(50);
  const missing = due() - (sink.copies - before.copies);
  if (missing !== 0) throw new Error(`imc: ${missing} copies are missing`);
  return measured;
}

function roomUri(port: number): string {
  return `sip:${ROOM.name}@${ROOM.host}:${port}`;
}

/** db_text: a header line with the columns, then one line a row, ":" between the values. */
function writeTables(dir: string, members: readonly { name: string; host: string }[]): void {
  mkdirSync(dir, { recursive: true });
  const table = (name: string, columns: string, rows: readonly string[]) =>
    writeFileSync(join(dir, name), `${columns}\n${rows.map((row) => `${row}\n`).join("")}`);
  table("version", "id(int,auto) table_name(string) table_version(int)", [
    "1:imc_rooms:1",
    "2:imc_members:1",
  ]);
  table("imc_rooms", "id(int,auto) name(string) domain(string) flag(int)", [`1:${ROOM.name}:${ROOM.host}:0`]);
  table(
    "imc_members",
    "id(int,auto) username(string) domain(string) room(string) flag(int)",
    members.map(({ name, host }, index) => `${index + 1}:${name}:${host}:sip\\:${ROOM.name}@${ROOM.host}:0`),
  );
}
