import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Campaign, openCampaign } from "../chaos/campaign.ts";
import { mayMount } from "../chaos/small-disk.ts";
import { needsSmallDisk, type StrikeKind } from "../chaos/strikes.ts";

/**
 * People post, read, search, come and go in 20 rooms on two nodes while something is killed. Clients' logs, the database, the copies
 * received, the archive's files and the sealed log are compared by `test/chaos/referee.ts`. `npm run chaos` does the same fifteen times each.
 */
const STRIKES_OF_A_KIND = 3;
/** Of a strike: with fewer it would say little. */
const FEWEST_EVENTS = 100;
/** What strikes the archive, disks and clocks. */
const OTHER_STRIKES = 1;
const OTHERS: readonly StrikeKind[] = [
  "flushall",
  "adapter",
  "sealer",
  "clock",
  "disk-adapter",
  "disk-mariadb",
];
const seed = Math.floor(Math.random() * 1e6);

const TOO_LITTLE_RIGHTS = "a disk that can be filled has to be mounted, and this machine does not allow it";

/** Two pools side by side: most of the time of a pause or a takeover is waiting. */
const POOLS: readonly (readonly [name: string, kinds: readonly (readonly [StrikeKind, string])[]])[] = [
  [
    "a pool of which nodes sleep, and workers and stores die",
    [
      [
        "pause",
        "a node asleep for 20 s is taken over; awake it ends itself and commits nothing; workers killed meanwhile archive everything once",
      ],
      ["mariadb", "MariaDB killed: what was acknowledged is there, everything else was answered 503"],
      ["redis", "Redis killed: no dialog ends, every post is acknowledged and reaches everybody"],
    ],
  ],
  [
    "a pool of which nodes and ways die",
    [
      ["node", "a node killed: its dialogs go on elsewhere, at most the last second comes twice"],
      ["node+redis", "a node and Redis killed together: the same"],
      ["kamailio", "Kamailio killed: everybody comes back and has the rest by history"],
    ],
  ],
  [
    "a pool whose archive and clocks are struck",
    [
      ["worker", "the worker killed: nobody notices, and each event is archived once"],
      ["flushall", "Redis emptied: nobody notices, and nothing is missing in the archive"],
      ["adapter", "the adapter's process killed again and again: each event is in its files once"],
      ["sealer", "the sealer killed: the log goes on where it was, without a gap, and every signature fits"],
      ["clock", "a clock an hour wrong: at worst 503, and nothing is missing or twice"],
      [
        "disk-adapter",
        "the archive's disk full: nobody notices, and the files are written when there is room",
      ],
      ["disk-mariadb", "the database's disk full: 503 for what cannot be stored, and it goes on by itself"],
    ],
  ],
];

describe(`kills (seed ${seed})`, { concurrency: 2 }, () => {
  for (const [name, kinds] of POOLS) {
    describe(name, { concurrency: 1 }, () => {
      let campaign: Campaign;
      const lines: string[] = [];
      before(async () => {
        campaign = await openCampaign(
          seed,
          kinds.map(([kind]) => kind),
          (line) => void lines.push(line),
        );
      });
      after(() => campaign?.close());

      for (const [kind, promise] of kinds) {
        test(promise, { skip: needsSmallDisk(kind) && !mayMount() && TOO_LITTLE_RIGHTS }, async (t) => {
          try {
            const reports = await campaign.play(
              kind,
              OTHERS.includes(kind) ? OTHER_STRIKES : STRIKES_OF_A_KIND,
            );
            const faults = reports.flatMap((report) => report.faults);
            assert.deepEqual(faults, [], `again with: npm run chaos -- --seed ${seed} --only ${kind}`);
            for (const { events } of reports) assert.ok(events >= FEWEST_EVENTS, `${events} events`);
            // A busy machine may ask to come again; nobody is sent away.
            if (kind === "redis")
              assert.ok(reports.every(({ acknowledged, offered }) => acknowledged === offered));
          } catch (error) {
            t.diagnostic(`logs: ${campaign.keepLogs()}`);
            throw error;
          } finally {
            for (const line of lines.splice(0)) t.diagnostic(line);
          }
        });
      }
    });
  }
});
