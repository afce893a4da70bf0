/**
 * A sealer that dies by SIGKILL at a chosen moment. Arguments: database URL, signing key, point, how often the point is passed first.
 * Points: `seal` (in the middle of a batch's transaction), `sealed`, `signing`, `signed` (before and after a checkpoint is saved).
 */
import type { SealedBatch, StoredCheckpoint } from "../../src/compliance/archive-ports.ts";
import { readSecretKey } from "../../src/compliance/log/note.ts";
import type { Lease } from "../../src/compliance/ports.ts";
import { MysqlArchiveStore } from "../../src/store/mysql/archive-store.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { makeSealer } from "./archive-lab.ts";

const [url = "", key = "", point = "", passes = "0"] = process.argv.slice(2);
const MIDDLE_MS = 3;
let left = Number(passes);

function isTime(here: string): boolean {
  return here === point && left-- === 0;
}

function die(): never {
  process.kill(process.pid, "SIGKILL");
  for (;;); // the signal ends us here
}

class DeadlyStore extends MysqlArchiveStore {
  override async seal(lease: Lease, batch: SealedBatch, leaseMs: number): Promise<void> {
    if (isTime("seal")) setTimeout(die, MIDDLE_MS);
    await super.seal(lease, batch, leaseMs);
    if (isTime("sealed")) die();
  }

  override async saveCheckpoint(lease: Lease, checkpoint: StoredCheckpoint): Promise<void> {
    if (isTime("signing")) die();
    await super.saveCheckpoint(lease, checkpoint);
    if (isTime("signed")) die();
  }
}

const database = new Database({ url, connections: 4 });
const store = new DeadlyStore(database);
const options = { store, batch: 40, everyLeaves: 90, leaseMs: 400 };
const { sealer } = makeSealer(database, readSecretKey(key), options);
await sealer.sealNow();
await sealer.stop();
await database.close();
