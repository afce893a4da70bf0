import type { StackPorts } from "./remembered-ports.ts";
import type { Secrets } from "./state.ts";

export type Part = "mariadb" | "redis" | "nodes" | "worker" | "kamailio";

export const allParts: readonly Part[] = ["mariadb", "redis", "nodes", "worker", "kamailio"];

export interface StackOptions {
  /** Absent: a temporary folder that is removed at the end; its servers are killed with the starting process. */
  readonly stateDir?: string;
  /** What to start; everything when absent. Nodes and the worker need mariadb and redis. */
  readonly parts?: readonly Part[];
  /** Application nodes n1, n2, …; 1 when absent. */
  readonly nodes?: number;
  /** example.com when absent; a state folder keeps its first one. */
  readonly domain?: string;
  readonly sipPort?: number | undefined;
  readonly httpPort?: number | undefined;
  /** Prefer 5060 and 8080. */
  readonly wellKnownPorts?: boolean;
  /** Options of mariadbd, such as { "innodb-buffer-pool-size": "1G" }. */
  readonly mariadbOptions?: Readonly<Record<string, string>>;
  /** Run TypeScript sources through tsx; otherwise dist/. Default: true for a temporary stack without PARLANCE_RUN_BUILD. */
  readonly fromSources?: boolean;
  readonly logLevel?: string;
  /** Source addresses whose P-Asserted-Identity Kamailio believes; none when absent. */
  readonly peers?: readonly string[];
  /** The servers go on when the starting process ends. */
  readonly outliveStarter?: boolean;
  /** Aborting it during the start ends everything and throws its reason. */
  readonly signal?: AbortSignal;
  /** Told after each step. */
  readonly report?: (step: StackStep) => void;
}

export interface StackStep {
  readonly text: string;
  readonly elapsedMs: number;
}

/** A running stack. Names of processes: mariadb, redis, n1, n2, …, worker, kamailio. */
export interface Stack {
  readonly stateDir: string;
  readonly domain: string;
  readonly poolUri: string;
  readonly ports: StackPorts;
  readonly secrets: Secrets;
  /** With password; never to be logged. */
  readonly mysqlUrl: string;
  readonly redisUrl: string;
  /** Database of Kamailio with its subscriber table. */
  readonly edgeMysqlUrl: string;
  /** Configuration file by node name (n1, n2, …). */
  readonly configFiles: Readonly<Record<string, string>>;
  /** Process id by name, of what runs now. */
  pids(): Record<string, number>;
  /** Sends a signal; SIGKILL also reaches what the process forked, and returns when all of it is gone. */
  kill(name: string, signal: NodeJS.Signals): Promise<void>;
  /** Starts a process again on its data and ports, ending it first if it still runs; returns when it answers. */
  restart(name: string): Promise<void>;
  /** Lets the servers go on without this process (with `outliveStarter`); `stop` does nothing any more. */
  leave(): void;
  /** Ends everything in reverse order; a temporary folder is removed. Calling it again does nothing. */
  stop(): Promise<void>;
}
