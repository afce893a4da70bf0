import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Demo } from "./demo.ts";
import { readVersion } from "./repository.ts";
import type { Stack } from "./stack-options.ts";

/** Content of DIR/ready.json: everything a program needs to connect. */
export interface ReadyFile {
  readonly version: string;
  readonly domain: string;
  readonly poolUri: string;
  readonly sip: { readonly host: string; readonly tcp: number; readonly tls: number };
  readonly http: { readonly url: string };
  readonly users: readonly { uri: string; login: string; password: string; displayName: string }[];
  readonly rooms: readonly { name: string; uri: string; members: readonly string[] }[];
  readonly pids: Readonly<Record<string, number>>;
}

export function describeReady(stack: Stack, demo: Demo): ReadyFile {
  return {
    version: readVersion(),
    domain: stack.domain,
    poolUri: stack.poolUri,
    sip: { host: "127.0.0.1", tcp: stack.ports.sip, tls: stack.ports.tls },
    http: { url: `http://127.0.0.1:${stack.ports.http[0]}` },
    users: demo.users,
    rooms: demo.rooms,
    pids: stack.pids(),
  };
}

/** Written in one step: who sees the file sees all of it. It holds the demo passwords, so only the owner may read it. */
export function writeReadyFile(stateDir: string, ready: ReadyFile): void {
  const file = join(stateDir, "ready.json");
  writeFileSync(`${file}.new`, `${JSON.stringify(ready, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function removeReadyFile(stateDir: string): void {
  rmSync(join(stateDir, "ready.json"), { force: true });
}
