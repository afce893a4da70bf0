/** One pass over a sealed log in a process of its own, so that its memory can be told: `verify-process.ts JSON`. */
import { createHash } from "node:crypto";
import { readVerifierKey } from "../../src/compliance/log/note.ts";
import { verifyLog } from "../../src/compliance/verify/verify.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import { Database } from "../../src/store/mysql/database.ts";
import type { VerifyDone } from "./part-verify.ts";

export interface VerifyWork {
  readonly work: "read" | "verify";
  readonly url: string;
  readonly key: string;
}

const { work, url, key }: VerifyWork = JSON.parse(process.argv[2] ?? "{}");
const database = new Database({ url, connections: 3 });
const reader = new MysqlArchiveReader(database);
const from = performance.now();
const before = process.cpuUsage();
let events = 0;
let finding: string | undefined;
if (work === "read") {
  for await (const leaves of reader.leaves(0, await reader.size())) {
    for (const { leaf, salts, body } of leaves) {
      const hash = createHash("sha256").update(leaf);
      if (salts && body) hash.update(salts).update(body);
      if (hash.digest().length === 32) events += 1;
    }
  }
} else {
  const found = await verifyLog(reader, { keys: [readVerifierKey(key)] });
  finding = found.finding && JSON.stringify(found.finding);
  events = found.signed;
}
const { user, system } = process.cpuUsage(before);
const done: VerifyDone = {
  microseconds: user + system,
  seconds: (performance.now() - from) / 1_000,
  events,
  megabytes: process.resourceUsage().maxRSS / 1_000,
  finding,
};
await database.close();
process.send?.(done);
process.disconnect?.();
