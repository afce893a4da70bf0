import { parseArgs } from "node:util";
import { openCampaign } from "./campaign.ts";
import { STRIKES, type StrikeKind } from "./strikes.ts";

/** `npm run chaos -- [--seed N] [--only node,redis] [--rounds 15] [--posts 2000]`: strikes of each kind, judged one by one. */
const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    only: { type: "string" },
    rounds: { type: "string", default: "15" },
    /** Acknowledged posts that each kind must have seen. */
    posts: { type: "string", default: "2000" },
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 1e6) : Number(values.seed);
const rounds = Number(values.rounds);
const posts = Number(values.posts);
const wanted = values.only?.split(",") ?? STRIKES;
const kinds = STRIKES.filter((kind) => wanted.includes(kind));
const say = (line: string) => void process.stdout.write(`${line}\n`);

if (![seed, rounds, posts].every(Number.isSafeInteger) || kinds.length !== wanted.length) {
  say(`usage: npm run chaos -- [--seed NUMBER] [--only ${STRIKES.join(",")}] [--rounds 15] [--posts 2000]`);
  process.exit(64);
}
say(`seed ${seed}; again with: npm run chaos -- --seed ${seed} --only ${kinds.join(",")} --rounds ${rounds}`);
const broken: StrikeKind[] = [];
for (const kind of kinds) if (!(await survives(kind))) broken.push(kind);
say(broken.length === 0 ? "all promises kept" : `BROKEN PROMISES: ${broken.join(", ")}`);
process.exitCode = broken.length === 0 ? 0 : 1;

/** Each kind has a pool of its own: what one leaves behind does not colour the next. */
async function survives(kind: StrikeKind): Promise<boolean> {
  const campaign = await openCampaign(seed, [kind], say);
  let survived = false;
  try {
    const reports = await campaign.play(kind, rounds);
    const acknowledged = reports.reduce((sum, report) => sum + report.acknowledged, 0);
    const clean = reports.every(({ faults }) => faults.length === 0);
    survived = clean && acknowledged >= posts;
    const verdict = clean
      ? survived
        ? "all promises kept"
        : `fewer than ${posts} acknowledged`
      : "BROKEN PROMISES";
    say(`${kind}: ${reports.length} strikes, ${acknowledged} posts acknowledged: ${verdict}`);
  } catch (error) {
    say(`${kind}: ${error instanceof Error ? error.stack : String(error)}`);
  }
  if (!survived) say(`logs: ${campaign.keepLogs()}`);
  await campaign.close();
  return survived;
}
