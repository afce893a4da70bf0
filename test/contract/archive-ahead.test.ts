import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { ComplianceEvent } from "../../src/chat/compliance-event.ts";
import type { IntakeRow, SealedBatch, StoredCheckpoint } from "../../src/compliance/archive-ports.ts";
import { OpenLog } from "../../src/compliance/open-log.ts";
import type { Lease } from "../../src/compliance/ports.ts";
import { MysqlArchiveStore } from "../../src/store/mysql/archive-store.ts";
import { ArchiveLab, makeSealer, newSigner } from "../support/archive-lab.ts";
import { eventMaker } from "../support/compliance-events.ts";
import { countRows } from "../support/compliance-lab.ts";
import { until } from "../support/until.ts";

const lab = new ArchiveLab();
const signer = newSigner();
let make = eventMaker("");
let tests = 0;

beforeEach(async () => {
  await lab.empty();
  make = eventMaker(`ahead${++tests}-`);
});

/** Tells what is asked of the database, and does something else where a test says so. */
class WatchedStore extends MysqlArchiveStore {
  /** First number of each batch that was to be written. */
  readonly begun: number[] = [];
  readonly checkpoints: number[] = [];
  pagesRead = 0;
  onSeal: (write: () => Promise<void>, which: number) => Promise<void> = (write) => write();

  override async intake(after: string | null, rows: number): Promise<IntakeRow[]> {
    const page = await super.intake(after, rows);
    this.pagesRead += 1;
    return page;
  }

  override async seal(lease: Lease, batch: SealedBatch, leaseMs: number): Promise<void> {
    this.begun.push(batch.leaves[0]?.seq ?? -1);
    await this.onSeal(() => super.seal(lease, batch, leaseMs), this.begun.length);
  }

  override async saveCheckpoint(lease: Lease, checkpoint: StoredCheckpoint): Promise<void> {
    assert.equal(await this.size(), checkpoint.size, "a checkpoint says what is in the database");
    await super.saveCheckpoint(lease, checkpoint);
    this.checkpoints.push(checkpoint.size);
  }
}

function chats(count: number): ComplianceEvent[] {
  return Array.from({ length: count }, (_, index) => make({ roomId: 1 + (index % 5) }));
}

async function sealedOnce(events: readonly ComplianceEvent[]): Promise<void> {
  assert.deepEqual((await lab.sealedIds()).sort(), events.map(({ eventId }) => eventId).sort());
  assert.equal(await countRows(lab.database, "archive_content"), events.length);
  assert.equal(await countRows(lab.database, "archive_intake"), 0);
  const verified = await lab.verify({ keys: [signer] });
  assert.deepEqual([verified.finding, verified.signed], [undefined, events.length]);
}

describe("a sealer with a backlog", { timeout: 120_000 }, () => {
  test("reads the next page while one is written, and writes one after the other", async () => {
    const events = chats(500);
    await lab.record(events);
    const store = new WatchedStore(lab.database);
    let writing = 0;
    store.onSeal = async (write, which) => {
      assert.equal(++writing, 1);
      await until("the next page is read", () => store.pagesRead > which);
      await write();
      writing -= 1;
    };
    const { sealer } = makeSealer(lab.database, signer, { store, batch: 100, everyLeaves: 200 });
    assert.deepEqual(await sealer.sealNow(), { sealed: 500, end: "done" });
    assert.deepEqual(store.begun, [0, 100, 200, 300, 400]);
    assert.deepEqual(store.checkpoints, [100, 300, 500], "the first at once, then every 200");
    await sealer.stop();
    await sealedOnce(events);
  });

  test("throws away what it prepared on top of a batch that could not be written, and seals all of it the next time", async () => {
    const events = chats(500);
    await lab.record(events);
    const store = new WatchedStore(lab.database);
    store.onSeal = async (write, which) => {
      await until("the next page is read", () => store.pagesRead > which);
      if (which === 3) throw new Error("no disk");
      await write();
    };
    const { sealer, seen } = makeSealer(lab.database, signer, { store, batch: 100, everyLeaves: 100 });
    assert.deepEqual(await sealer.sealNow(), { sealed: 200, end: "failed" });
    assert.deepEqual([store.begun, seen.troubles], [[0, 100, 200], ["seal: no disk"]]);
    assert.deepEqual([await store.size(), await countRows(lab.database, "archive_intake")], [200, 300]);
    store.onSeal = (write) => write();
    assert.deepEqual(await sealer.sealNow(), { sealed: 300, end: "done" });
    assert.equal(store.begun[3], 200);
    await sealer.stop();
    await sealedOnce(events);
  });

  test("whose batch was written though it was told otherwise seals nothing twice", async () => {
    const events = chats(400);
    await lab.record(events);
    const store = new WatchedStore(lab.database);
    store.onSeal = async (write, which) => {
      await write();
      if (which === 2) throw new Error("the answer was lost");
    };
    const { sealer, seen } = makeSealer(lab.database, signer, { store, batch: 100 });
    assert.deepEqual(await sealer.sealNow(), { sealed: 100, end: "failed" });
    assert.deepEqual([await store.size(), store.begun], [200, [0, 100]]);
    assert.deepEqual(await sealer.sealNow(), { sealed: 200, end: "done" });
    assert.deepEqual(seen.conflicts, []);
    await sealer.stop();
    await sealedOnce(events);
  });

  test("that cannot read the next page still ends the one being written, before the turn is over", async () => {
    const events = chats(300);
    await lab.record(events);
    const store = new WatchedStore(lab.database);
    const read = store.intake.bind(store);
    let written = false;
    store.intake = (after, rows) => (after === null ? read(after, rows) : Promise.reject(new Error("away")));
    store.onSeal = async (write) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await write();
      written = true;
    };
    const { sealer, seen } = makeSealer(lab.database, signer, { store, batch: 100 });
    assert.deepEqual(await sealer.sealNow(), { sealed: 100, end: "failed" });
    assert.deepEqual([written, seen.troubles], [true, ["seal: away"]]);
    store.intake = read;
    assert.deepEqual(await sealer.sealNow(), { sealed: 200, end: "done" });
    await sealer.stop();
    await sealedOnce(events);
  });

  test("that loses its lease between two pages writes neither the one prepared nor a checkpoint", async () => {
    const events = chats(500);
    await lab.record(events);
    const store = new WatchedStore(lab.database);
    const other = makeSealer(lab.database, signer, { batch: 100 });
    store.onSeal = async (write, which) => {
      await until("the next page is read", () => store.pagesRead > which);
      if (which === 3) {
        await lab.database.change("UPDATE compliance_lease SET expires_ms = 0");
        assert.deepEqual(await other.sealer.sealNow(), { sealed: 300, end: "done" });
      }
      await write();
    };
    const { sealer } = makeSealer(lab.database, signer, { store, batch: 100, everyLeaves: 100 });
    assert.deepEqual(await sealer.sealNow(), { sealed: 200, end: "not-ours" });
    assert.deepEqual(
      [store.begun, store.checkpoints],
      [
        [0, 100, 200],
        [100, 200],
      ],
    );
    await other.sealer.stop();
    store.onSeal = (write) => write();
    const more = chats(250);
    await lab.record(more);
    assert.deepEqual(await sealer.sealNow(), { sealed: 250, end: "done" });
    await sealer.stop();
    await sealedOnce([...events, ...more]);
  });

  test("that is stopped ends the page in hand and leaves the others", async () => {
    const events = chats(500);
    await lab.record(events);
    const store = new WatchedStore(lab.database);
    const { sealer } = makeSealer(lab.database, signer, { store, batch: 100 });
    let stopping: Promise<void> | undefined;
    store.onSeal = async (write, which) => {
      if (which === 2) stopping = sealer.stop();
      await write();
    };
    const { sealed, end } = await sealer.sealNow();
    await stopping;
    assert.equal(end, "stopped");
    assert.deepEqual(
      [await store.size(), await countRows(lab.database, "archive_intake")],
      [sealed, 500 - sealed],
    );
    assert.ok(sealed >= 200 && sealed < 500);
    assert.equal(store.checkpoints.at(-1), sealed, "a last checkpoint");
    const next = makeSealer(lab.database, signer);
    assert.deepEqual(await next.sealer.sealNow(), { sealed: 500 - sealed, end: "done" });
    await next.sealer.stop();
    await sealedOnce(events);
  });
});

describe("an open log", () => {
  test("goes on behind what is prepared and not written, also when it has forgotten the heads of streams", async () => {
    const events = chats(300);
    await lab.record(events);
    const store = new MysqlArchiveStore(lab.database);
    const lease = await store.takeLease("test", 60_000);
    assert.ok(lease);
    const log = await OpenLog.open(store, 0);
    const pages = [];
    for (let at = 0; at < 3; at++) {
      const after = at === 0 ? null : (events[at * 100 - 1]?.eventId ?? null);
      pages.push(await log.prepare(await store.intake(after, 100)));
    }
    const [first, second, third] = pages;
    assert.ok(first && second && third);
    assert.deepEqual(
      pages.map(({ batch, waiting, repeats }) => [batch.leaves[0]?.seq, waiting.length, repeats.length]),
      [
        [0, 0, 0],
        [100, 0, 0],
        [200, 0, 0],
      ],
    );
    assert.equal(log.size, 0, "nothing is in the database");
    assert.throws(() => log.accept(second), /not the next one/);
    for (const [at, prepared] of pages.entries()) {
      await store.seal(lease, prepared.batch, 60_000);
      log.accept(prepared);
      assert.equal(log.size, (at + 1) * 100);
    }
    assert.equal(await countRows(lab.database, "archive_stream"), 5);
    assert.equal((await OpenLog.open(store)).root().toString("hex"), log.root().toString("hex"));
    assert.equal((await lab.verify({ keys: [signer] })).finding, undefined);
  });
});
