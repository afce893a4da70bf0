import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ComplianceEvent } from "../../src/chat/compliance-event.ts";
import { generateSecretKey, readSecretKey } from "../../src/compliance/log/note.ts";
import { ArchiveLab, makeSealer, ORIGIN } from "../support/archive-lab.ts";
import { eventMaker, seeded } from "../support/compliance-events.ts";
import { countRows } from "../support/compliance-lab.ts";
import { until } from "../support/until.ts";

const lab = new ArchiveLab();
const child = fileURLToPath(new URL("../support/sealer-child.ts", import.meta.url));
const POINTS = ["seal", "sealed", "signing", "signed"] as const;
const SEED = 2_026;

test("a sealer killed by SIGKILL at seeded moments, again and again: every event is sealed once, and the log is whole", {
  timeout: 240_000,
}, async () => {
  const key = generateSecretKey(ORIGIN);
  const random = seeded(SEED);
  const make = eventMaker("kills-");
  const events: ComplianceEvent[] = [];
  for (let round = 0; round < 2 * POINTS.length; round++) {
    const more = Array.from({ length: 300 + Math.floor(random() * 200) }, (_, index) =>
      make({ roomId: 1 + (index % 7) }),
    );
    events.push(...more);
    await lab.record(more);
    const point = POINTS[round % POINTS.length] ?? "seal";
    const passes = Math.floor(random() * 3);
    const args = ["--import", "tsx", child, lab.stack.mysqlUrl, key, point, String(passes)];
    const sealer = spawn(process.execPath, args, { stdio: "inherit" });
    const [code, signal] = await once(sealer, "exit");
    assert.deepEqual([code, signal], [null, "SIGKILL"], `died at ${point}`);
    await until("the dead sealer's lease lapsed", async () => {
      const [row] = await lab.database.rows<{ held: number }>(
        "SELECT COUNT(*) AS held FROM compliance_lease WHERE expires_ms > UNIX_TIMESTAMP(NOW(3)) * 1000",
      );
      return Number(row?.held) === 0;
    });
  }
  const { sealer, seen } = makeSealer(lab.database, readSecretKey(key));
  await until("sealed", async () => {
    await sealer.sealNow();
    return (await countRows(lab.database, "archive_intake")) === 0;
  });
  await sealer.stop();
  assert.deepEqual([seen.broken, seen.conflicts], [[], []]);
  assert.deepEqual((await lab.sealedIds()).sort(), events.map(({ eventId }) => eventId).sort());
  const verified = await lab.verify({ keys: [readSecretKey(key)] });
  assert.equal(verified.finding, undefined);
  assert.deepEqual([verified.size, verified.signed], [events.length, events.length]);
});
