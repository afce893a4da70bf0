/**
 * A life of node n1 with a spool. Arguments: what it does, database URL, folder, room's domain and guid, user.
 * `answered`: reads three times and dies by SIGKILL at once; `committed`: dies when these are committed and nothing else has happened;
 * `replay`: records what earlier lives left, and ends; `replay-committed`: dies when it has committed that.
 */
import type { Aor } from "../../src/chat/user.ts";
import type { SpoolJournal } from "../../src/reading-ports.ts";
import { openStores } from "../../src/store/mysql/stores.ts";
import { recordEarlier } from "../../src/store/spool/earlier-spools.ts";
import { ReadingSpool } from "../../src/store/spool/reading-spool.ts";
import { recorder } from "./mysql.ts";

const [what = "", url = "", folder = "", domain = "", guid = "", address = ""] = process.argv.slice(2);
const die = (): never => {
  process.kill(process.pid, "SIGKILL");
  for (;;); // the signal ends us here
};

const stores = await openStores({ url, domain: "example.com", compliance: true, connections: 2 });
const life = await stores.leases.begin("n1");
const journal = stores.journal(life);
const deadly: SpoolJournal = {
  read: (...given) => journal.read(...given),
  searched: (...given) => journal.searched(...given),
  spooled: async (...given) => {
    await journal.spooled(...given);
    if (what.endsWith("committed")) die();
  },
};
const place = { folder, life, store: stores.storeId, journal: deadly };
const fail = (why: unknown) => {
  throw new Error(String(why));
};

if (what.startsWith("replay")) {
  const onRecorded = () => {};
  await recordEarlier({ ...place, node: "n1", lives: stores.leases, onRecorded, onAside: fail });
  await stores.close();
} else {
  const room = await stores.rooms.find(domain, guid);
  const user = await stores.users.find(address as Aor); // as the store gave it
  if (!room || !user) throw new Error("no such room or user");
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  const most = { entries: 1_000, bytes: 1_000_000 };
  const spool = new ReadingSpool({ ...place, clock, most, onStrict: fail, onError: fail });
  for (const to of [1, 2, 3]) await spool.read(recorder(user), room, { from: 1, to, count: to, limit: 30 });
  process.stdout.write(`${life}\n`);
  if (what === "answered") die();
}
