/** How soon somebody should look. */
export type Severity = "critical" | "warning";

export interface AlertKind {
  readonly severity: Severity;
  /** What is the matter, for a person who has not read anything. */
  readonly summary: string;
  /** What to do. */
  readonly advice: string;
}

/**
 * Every alert there is: one for each class of failure. Each is raised within a minute of when it can be seen, which for what
 * only a run, a heartbeat or a comparison shows is later (docs/operator.md), and clears by itself once the failure is over.
 */
export const ALERTS = {
  "database-away": {
    severity: "critical",
    summary: "The database does not answer, or takes nothing: nobody can post or read.",
    advice:
      "See the database's own log; is its disk full? Nothing that was acknowledged is lost; chat goes on by itself when it is back.",
  },
  "redis-away": {
    severity: "warning",
    summary:
      "Redis does not answer: participants of other nodes are not shown, messages between nodes take up to 2 s.",
    advice: "See Redis's own log. No message and no archive entry depends on it.",
  },
  "redis-emptied": {
    severity: "warning",
    summary:
      "Redis lost what was in it while it ran: somebody emptied it, or it throws away what it should keep.",
    advice:
      "Nothing is lost by it, everything is written there anew. Was it FLUSHALL? Is its maxmemory-policy noeviction?",
  },
  "kamailio-away": {
    severity: "critical",
    summary: "A Kamailio and a node do not reach each other: its users hear 503 from this node.",
    advice:
      "Is Kamailio running? Do link.edges of parlance.yaml and the connections of its configuration name each other?",
  },
  "sending-behind": {
    severity: "warning",
    summary: "Messages wait in a node for more than 5 s before Kamailio takes them.",
    advice: "See the load of Kamailio's machine; a second Kamailio or node shares it.",
  },
  "node-dead": {
    severity: "critical",
    summary:
      "A node ended without saying so and has not come back. Another one serves its users, if one is left.",
    advice:
      'See its last log lines, start it again. One that shall not come back: "parlance alert forget NAME".',
  },
  "worker-dead": {
    severity: "critical",
    summary: "A compliance worker ended without saying so and has not come back.",
    advice:
      'See its last log lines, start it again. One that shall not come back: "parlance alert forget NAME".',
  },
  "capture-behind": {
    severity: "critical",
    summary:
      "Recorded events are not taken over by the archive: no compliance worker runs, or it does not keep up.",
    advice:
      "Start the worker, or see its log. The events are safe in the database and are archived afterwards.",
  },
  "capture-silent": {
    severity: "critical",
    summary: "A node serves users and records nothing: what they say and read may be missing in the archive.",
    advice: "Is compliance.enabled off in its configuration? See its log; restart it.",
  },
  "record-missing": {
    severity: "critical",
    summary: "Something was recorded, or said, and the archive does not have it.",
    advice:
      'See "parlance compliance reconcile" for the numbers. Restore the missing rows of the database from a backup, or explain them.',
  },
  "archive-differs": {
    severity: "critical",
    summary: "Chat and archive do not say the same: somebody changed one of them behind the other's back.",
    advice: 'See "parlance compliance reconcile", and check the archive: "parlance compliance verify".',
  },
  "reconciliation-behind": {
    severity: "warning",
    summary: "Chat and archive have not been compared for three times the reconcile-interval.",
    advice: "Is a compliance worker running? See its log.",
  },
  "delivery-failing": {
    severity: "critical",
    summary: "The adapter cannot write its files: events wait in the database.",
    advice:
      "See the detail: usually the disk is full or the folder may not be written. It is tried again by itself.",
  },
  "delivery-behind": {
    severity: "warning",
    summary: "Archived events wait for the adapter for much longer than its run-interval.",
    advice: "See the worker's log; a shorter run-interval, or a faster disk.",
  },
  "event-quarantined": {
    severity: "critical",
    summary: "Recorded events could not be archived as they are and were put aside.",
    advice:
      'See the reasons with "parlance compliance quarantine list": then try again with "retry", or "accept" it with a reason.',
  },
  "seal-behind": {
    severity: "critical",
    summary: "Archived events are not being sealed.",
    advice:
      "Is a worker running, and what does its log say? The events are safe, but changes to them would not be seen yet.",
  },
  "checkpoint-unsigned": {
    severity: "critical",
    summary: "How far the archive reaches cannot be signed.",
    advice:
      "See the detail: usually the key file is gone or others can read it, or the signing command fails. Sealing goes on.",
  },
  "checkpoint-unpublished": {
    severity: "warning",
    summary: "Copies of checkpoints do not leave the database.",
    advice:
      "See the detail: the file of checkpoints, or compliance.archive.checkpoint-command. Missed ones follow by themselves.",
  },
  "archive-broken": {
    severity: "critical",
    summary:
      "The archive is not the one that was signed: somebody changed it, or an old backup was restored. Nothing is sealed.",
    advice: 'Keep everything as it is and run "parlance compliance verify".',
  },
  "archive-tampered": {
    severity: "critical",
    summary: "A check of the archive found that it was changed, or is incomplete.",
    advice:
      'See "parlance compliance status"; cleared by a check that begins there, or before, and finds it right.',
  },
  "alert-undelivered": {
    severity: "critical",
    summary: "Somebody who is told of alerts, by webhook or mail, cannot be reached.",
    advice:
      'See the detail, then "parlance alert test". Alerts stand in /metrics, in "parlance alert list" and in the log meanwhile.',
  },
  "disk-nearly-full": {
    severity: "warning",
    summary: "The disk of the archive's files has less than 5 % or 500 MB left.",
    advice: "Make room. When it is full, delivery stops and events wait in the database.",
  },
  "clock-jumped": {
    severity: "warning",
    summary: "A machine's clock was set by more than 30 s, or differs so much from the database's.",
    advice:
      "See its time service. Message numbers and the archive's order do not depend on clocks; the times shown do.",
  },
} as const satisfies Readonly<Record<string, AlertKind>>;

export type AlertName = keyof typeof ALERTS;

/** Something that is the matter now. */
export interface Finding {
  readonly name: AlertName;
  /** What it concerns: a node, an edge, an adapter. */
  readonly subject: string;
  /** What was seen: figures and reasons, never message text. */
  readonly detail: string;
}

/** One who looks after himself, or all who look after what is everybody's. */
export const POOL = "pool";

/** A finding that is being watched. */
export interface Alert extends Finding {
  /** Whose look found it: a process, or `POOL`. */
  readonly owner: string;
  readonly sinceMs: number;
}

export function severityOf({ name }: Pick<Finding, "name">): Severity {
  return ALERTS[name].severity;
}

/** Two findings of one key are one alert. */
export function keyOf({ name, subject }: Pick<Finding, "name" | "subject">): string {
  return `${name} ${subject}`;
}
