/** Each process looks so often; the next look begins when the last one has ended. */
export const LOOK_MS = 5_000;
/** What a probe may take of a look. */
export const PROBE_LIMIT_MS = 3_000;
/** One look that finds no database may have met it at a bad moment; nor is one refused transaction the matter. */
export const DATABASE_AWAY_MS = 8_000;
/** A refused transaction is believed so long, unless one was taken since: a node that records writes more often. */
export const REFUSED_MS = 30_000;
/** After an outage everybody has been silent: who is dead is known once the others have had time to say that they live. */
export const SETTLED_MS = 20_000;
/** Four looks of a process that says at each that it lives; the pool's watch goes to another one as soon. */
export const SILENT_MS = 20_000;
/** Redis and Kamailio come back from a restart sooner. */
export const AWAY_MS = 10_000;
/** Copies that wait for Kamailio. */
export const BEHIND_MS = 5_000;
/** The worker moves an event within a second; the sweeper what it missed within 15. */
export const OUTBOX_MS = 30_000;
/** The sealer looks twice a second. */
export const INTAKE_MS = 45_000;
/** An event waits in the intake for one before it that long: that one is missing. */
export const GAP_MS = 45_000;
/** A run takes its time, and one that failed waits for its turn. */
export const HANDOVER_GRACE_MS = 10 * 60_000;
/** A comparison takes its time. */
export const RECONCILE_GRACE_MS = 5 * 60_000;
/** So many heartbeats, comparisons or checkpoints are overdue. */
export const OVERDUE = 3;
/** A folder is tried often enough to be told of within a minute; one that hangs, as a lost network share does, is as bad as a full one. */
export const FOLDER = { everyMs: 15_000, forMs: 0, lateMs: 10_000 };
/** Once a quarter of a minute somebody looks whether a sink is there: without news nobody would know that it is not. */
export const REACHED = { everyMs: 15_000, forMs: 20_000, lateMs: 10_000 };
/** A mail server that is started again is back sooner. */
export const UNTOLD_MS = 20_000;
