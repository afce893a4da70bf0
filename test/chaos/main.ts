import { parseArgs } from "node:util";
import { type Campaign, openCampaign } from "./campaign.ts";
import { STRIKES, type StrikeKind } from "./strikes.ts";

/** `npm run chaos -- [--seed N] [--only node,redis] [--rounds 15] [--posts 2000] [--rate 450]`: strikes of each kind, judged one by one. */
/** Of which over 500 events a second become, where the machine has time. */
const RATE = 450;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    only: { type: "string" },
    /** What people do in a second, together: posts, readings, searches, visits. */
    rate: { type: "string", default: String(RATE) },
    rounds: { type: "string", default: "15" },
    /** Acknowledged posts that each kind must have seen. */
    posts: { type: "string", default: "2000" },
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 1e6) : Number(values.seed);
const rounds = Number(values.rounds);
const rate = Number(values.rate);
const posts = Number(values.posts);
const wanted = values.only?.split(",") ?? STRIKES;
const kinds = STRIKES.filter((kind) => wanted.includes(kind));
const say = (line: string) => void process.stdout.write(`${line}\n`);

if (![seed, rounds, posts, rate].every(Number.isSafeInteger) || kinds.length !== wanted.length) {
  say(
    `usage: npm run chaos -- [--seed NUMBER] [--only ${STRIKES.join(",")}] [--rounds 15] [--posts 2000] [--rate ${RATE}]`,
  );
  process.exit(64);
}
say(
  `seed ${seed}; again with: npm run chaos -- --seed ${seed} --only ${kinds.join(",")} --rounds ${rounds} --rate ${rate}`,
);
const broken: StrikeKind[] = [];
for (const kind of kinds) if (!(await survives(kind))) broken.push(kind);
say(broken.length === 0 ? "all promises kept" : `BROKEN PROMISES: ${broken.join(", ")}`);
process.exitCode = broken.length === 0 ? 0 : 1;

/** Each kind has a pool of its own: what one leaves behind does not colour the next. */
async function survives(kind: StrikeKind): Promise<boolean> {
  let campaign: Campaign | undefined;
  let survived = false;
  try {
    campaign = await openCampaign(seed, [kind], say, rate);
    const reports = await campaign.play(kind, rounds);
    const acknowledged = reports.reduce((sum, report) => sum + report.acknowledged, 0);
    const events = reports.reduce((sum, report) => sum + report.events, 0);
    const clean = reports.every(({ faults }) => faults.length === 0);
    survived = clean && acknowledged >= posts;
    const verdict = clean
      ? survived
        ? "all promises kept"
        : `fewer than ${posts} acknowledged`
      : "BROKEN PROMISES";
    say(
      `${kind}: ${reports.length} strikes, ${events} events under load, ${acknowledged} posts acknowledged: ${verdict}`,
    );
  } catch (error) {
    say(`${kind}: ${error instanceof Error ? error.stack : String(error)}`);
  }
  if (campaign && !survived) say(`logs: ${campaign.keepLogs()}`);
  await campaign?.close();
  return survived;
}
