import { CallTimedOut, ConnectionLost } from "../kamailio/jsonrpc/errors.ts";
import { ChatError } from "../src/chat/errors.ts";
import type { Logger, Metrics } from "../src/telemetry.ts";

export type OnError = (error: unknown, what: string) => void;

/** Counts a failure and says it in one line. */
export function failuresOn(log: Logger, metrics: Metrics): OnError {
  return (error, what) => {
    metrics.errors.inc({ what });
    // A condition that has a name and passes, such as a database that is busy: where in the program it was met says nothing.
    if (error instanceof ChatError) log.warn({ what, why: error.code }, "put off");
    else if (error instanceof ConnectionLost || error instanceof CallTimedOut)
      log.warn({ what, why: error.message }, "away");
    else log.error({ err: error, what }, "failed");
  };
}
