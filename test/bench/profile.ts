import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Inspector } from "./inspector.ts";
import type { PartContext } from "./part.ts";
import type { World } from "./world.ts";

/** Runs the work; with `--profile DIR` the node's CPU profile of that time is written to DIR/NAME.cpuprofile. */
export async function withProfile<T>(
  context: PartContext,
  world: World,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  if (context.profileDir === undefined) return work();
  const inspector = await Inspector.open(world, "n1");
  try {
    await inspector.call("Profiler.enable");
    await inspector.call("Profiler.start");
    const result = await work();
    const { profile } = (await inspector.call("Profiler.stop")) as { profile: unknown }; // the shape of Profiler.stop
    mkdirSync(context.profileDir, { recursive: true });
    writeFileSync(join(context.profileDir, `${name}.cpuprofile`), JSON.stringify(profile));
    return result;
  } finally {
    inspector.close();
  }
}
