/**
 * A compliance worker that dies by SIGKILL at a chosen point. Arguments: database URL, archive folder, point.
 * Points: `move`, `begun`, `file-<n>` (n files are there), `written` (files there, rows not deleted), `finished` (rows deleted), `none`.
 */
import type { ArchiveFolder, HandoverStore, OutboxStore } from "../../src/compliance/ports.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { MysqlHandoverStore } from "../../src/store/mysql/handover-store.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { lyncAdapter, makeWorker } from "./compliance-lab.ts";

const [url = "", root = "", point = "none"] = process.argv.slice(2);
const die = (): never => {
  process.kill(process.pid, "SIGKILL");
  for (;;); // the signal ends us here
};

const database = new Database({ url, connections: 4 });
const outbox = new MysqlOutboxStore(database, false);
const handover = new MysqlHandoverStore(database, true);

const deadlyFolder = (folder: ArchiveFolder): ArchiveFolder => ({
  delivered: (runId) => folder.delivered(runId),
  discard: (runId) => folder.discard(runId),
  write: async (runId, files, lease) => {
    const most = /^file-(\d+)$/.exec(point)?.[1];
    if (most === undefined) return folder.write(runId, files, lease);
    let there = 0;
    const orDie = async () => {
      if (there++ === Number(most)) die(); // asked before each file
    };
    const manifest = await folder.write(runId, files, { keep: orDie, check: orDie });
    await orDie();
    return manifest;
  },
});
const deadlyOutbox: OutboxStore = {
  overdue: (...args) => outbox.overdue(...args),
  waiting: (atMost) => outbox.waiting(atMost),
  move: async (eventIds) => {
    const moving = outbox.move(eventIds);
    if (point === "move") setTimeout(die, 3);
    return moving;
  },
};
const deadlyHandover: HandoverStore = new Proxy(handover, {
  get(store, name) {
    if (name === "finishRun" && point === "written") return die;
    if (name === "finishRun" && point === "finished")
      return async (...args: Parameters<HandoverStore["finishRun"]>) => {
        await store.finishRun(...args);
        die();
      };
    if (name === "rows" && point === "begun") return die;
    const value: unknown = Reflect.get(store, name);
    return typeof value === "function" ? value.bind(store) : value;
  },
});

const { worker } = makeWorker(database, lyncAdapter(root, deadlyFolder), {
  outbox: deadlyOutbox,
  handover: deadlyHandover,
});
await worker.sweepNow();
await worker.archiveNow();
await worker.stop();
await database.close();
