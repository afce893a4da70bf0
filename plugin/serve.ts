import { createLogger, type Logger } from "../src/telemetry.ts";
import { EXIT } from "./command-line.ts";
import type { Config } from "./config.ts";
import { configOf, expectWords, type Values } from "./configured.ts";
import { startNode } from "./wire.ts";
import { startWorker } from "./wire-worker.ts";

export function serveNode(words: readonly string[], values: Values): Promise<number> {
  return serve(words, values, "node", (config, log) =>
    startNode(config, log, (why) => {
      log.fatal({ why }, "stopped: it may not speak for its clients any more, and begins anew");
      process.exit(EXIT.software);
    }),
  );
}

export function serveWorker(words: readonly string[], values: Values): Promise<number> {
  return serve(words, values, "worker", startWorker);
}

/** Runs until a signal, then stops in order. */
async function serve(
  words: readonly string[],
  values: Values,
  kind: string,
  start: (config: Config, log: Logger) => Promise<{ stop: () => Promise<void> }>,
): Promise<number> {
  expectWords(words, [], `parlance ${kind === "node" ? "serve" : kind} --config FILE`);
  const config = configOf(values);
  const log = createLogger(config.log.level, kind === "node" ? config.node.name : kind);
  // A failure nobody caught is ours: said once, and the process begins anew under its supervisor.
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event);
      process.exit(EXIT.software);
    });
  }
  const running = await start(config, log);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  log.info("stopping");
  setTimeout(() => {
    log.error("did not stop in time");
    process.exit(EXIT.software);
  }, 10_000).unref();
  await running.stop();
  return EXIT.ok;
}
