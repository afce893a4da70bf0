import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseDownFlags } from "../flags.mjs";
import { runCommand } from "./command.ts";
import { OperatorError } from "./operator-error.ts";
import type { OwnedPid } from "./owned-pid.ts";
import { forgetPid, readLivingPids, readPids, starterName } from "./pid-files.ts";
import { stopProcess } from "./process.ts";
import { stateDirOf } from "./repository.ts";
import { removeSocketDir } from "./state.ts";

await runCommand(async () => {
  const flags = parseDownFlags(process.argv.slice(2));
  const stateDir = stateDirOf(flags.stateDir);
  if (flags.stateDir !== undefined && !existsSync(stateDir)) {
    throw new OperatorError(`There is no state folder ${stateDir}: give the one plugin/up was started with.`);
  }
  const runDir = join(stateDir, "run");
  const living = inStopOrder(readLivingPids(runDir));
  if (living.length === 0) process.stdout.write(`Nothing runs from ${stateDir}.\n`);
  for (const owned of living) {
    const from = performance.now();
    await stopProcess(owned, runDir);
    const elapsed = `${Math.round(performance.now() - from)} ms`.padStart(10);
    process.stdout.write(`  ${`${owned.name} (process ${owned.pid}) ended`.padEnd(56)} ${elapsed}\n`);
  }
  for (const owned of readPids(runDir)) forgetPid(runDir, owned.name);
  if (living.length > 0)
    process.stdout.write(`Nothing of it is left running; the data stays in ${stateDir}.\n`);
  removeSocketDir(stateDir);
  rmSync(join(stateDir, "ready.json"), { force: true });
});

/** The starting process first, it ends its servers itself and in order; then what was started last. */
function inStopOrder(living: readonly OwnedPid[]): OwnedPid[] {
  const servers = living.filter((owned) => owned.name !== starterName).reverse();
  return [...living.filter((owned) => owned.name === starterName), ...servers];
}
