import { fork } from "node:child_process";
import { join } from "node:path";
import { writeVerifierKey } from "../../src/compliance/log/note.ts";
import { makeSealer, newSigner } from "../support/archive-lab.ts";
import { fillIntake, openArchiveWorld } from "./archive-load.ts";
import type { Part, PartContext, PartResult } from "./part.ts";
import { round } from "./statistics.ts";
import type { VerifyWork } from "./verify-process.ts";

const EVENTS = 1_000_000;
const MOST_MEGABYTES = 400;

export const verify: Part = {
  name: "verify",
  about:
    "time of reading a million sealed events and hashing each row once / time of parlance compliance verify on them",
  bar: 0.25,
  run,
};

async function run(context: PartContext): Promise<PartResult> {
  const world = await openArchiveWorld();
  try {
    const signer = newSigner();
    context.say(`sealing ${EVENTS.toLocaleString("en-US")} events`);
    await fillIntake(world, EVENTS);
    const { sealer, seen } = makeSealer(world.database, signer);
    const from = performance.now();
    const { sealed } = await sealer.sealNow();
    const sealS = (performance.now() - from) / 1_000;
    await sealer.stop();
    if (sealed !== EVENTS) throw new Error(`${sealed} of ${EVENTS} were sealed: ${seen.troubles.join("; ")}`);
    const times: Record<VerifyWork["work"], number[]> = { read: [], verify: [] };
    const used: Record<VerifyWork["work"], number[]> = { read: [], verify: [] };
    let megabytes = 0;
    const key = writeVerifierKey(signer);
    // In turns, so that a machine that slows down or speeds up meanwhile is fair to both.
    for (const work of ["read", "verify", "read", "verify"] as const) {
      context.say(work === "read" ? "reading and hashing once" : "verifying");
      const done = await inProcess({ work, url: world.stack.mysqlUrl, key });
      if (done.events !== EVENTS) throw new Error(`${work} has seen ${done.events} events`);
      if (done.finding) throw new Error(`a false alarm: ${done.finding}`);
      times[work].push(done.seconds);
      used[work].push(done.microseconds / EVENTS);
      if (work === "verify") megabytes = Math.max(megabytes, done.megabytes);
    }
    const mean = (list: readonly number[]) => list.reduce((sum, one) => sum + one, 0) / list.length;
    return {
      ratio: mean(times.read) / mean(times.verify),
      broken: megabytes > MOST_MEGABYTES ? [`${round(megabytes)} MB at most, at most ${MOST_MEGABYTES}`] : [],
      figures: {
        "verified events/s": round(EVENTS / mean(times.verify)),
        "read and hashed once, events/s": round(EVENTS / mean(times.read)),
        "verify, s": times.verify.map((one) => round(one, 1)).join(" / "),
        "read, s": times.read.map((one) => round(one, 1)).join(" / "),
        "CPU µs of verify per event": round(mean(used.verify), 1),
        "CPU µs of reading and hashing once": round(mean(used.read), 1),
        "peak memory of verify, MB": round(megabytes),
        "sealed before that, events/s": round(EVENTS / sealS),
        "false alarms": 0,
      },
    };
  } finally {
    await world.close();
  }
}

export interface VerifyDone {
  readonly seconds: number;
  /** Of CPU. */
  readonly microseconds: number;
  readonly events: number;
  readonly megabytes: number;
  readonly finding: string | undefined;
}

function inProcess(work: VerifyWork): Promise<VerifyDone> {
  const child = fork(join(import.meta.dirname, "verify-process.ts"), [JSON.stringify(work)], {
    execArgv: ["--import", import.meta.resolve("tsx")],
  });
  return new Promise((resolve, reject) => {
    child.once("message", (done: VerifyDone) => resolve(done));
    child.once("exit", (code) => reject(new Error(`ended with ${code}`)));
  });
}
