import { UsageError } from "../command-line.ts";
import type { CliCommand } from "../configured.ts";
import { oneOf, text, verb, wholeNumber } from "../verb.ts";

const DAY_MS = 86_400_000;

export const reportCommands: Readonly<Record<string, CliCommand>> = {
  "room report": verb(
    "show how the rooms are used: busiest rooms and users, rooms without life, messages by day or week",
    "parlance room report [--from DATE] [--to DATE] [--by day|week] [--top N] [--inactive-since DATE] [--json]",
    [],
    ["from", "to", "by", "top", "inactive-since"],
    async ({ administration }, _words, values, progress) => {
      const now = Date.now();
      const fromMs = moment(values.from, "--from") ?? now - 30 * DAY_MS;
      const toMs = lastMoment(values.to) ?? now;
      if (fromMs >= toMs) throw new UsageError("--from must be before --to");
      const inactiveSinceMs = moment(values["inactive-since"], "--inactive-since") ?? fromMs;
      const top = wholeNumber(values.top, "--top", 1, 100_000) ?? 10;
      const by = oneOf(values.by, ["day", "week"] as const, "--by") ?? "day";
      const report = await administration.report({ fromMs, toMs, inactiveSinceMs }, (done, all) =>
        progress("messages", done, all),
      );
      const trend = new Map<string, number>();
      for (const { dayMs, messages } of report.byDay) {
        const key = isoDay(by === "day" ? dayMs : mondayOf(dayMs));
        trend.set(key, (trend.get(key) ?? 0) + messages);
      }
      return {
        totals: [
          {
            from: new Date(fromMs).toISOString(),
            to: new Date(toMs).toISOString(),
            rooms: report.rooms,
            "rooms in use": report.byRoom.length,
            users: report.byUser.length,
            messages: report.messages,
          },
        ],
        "busiest rooms": report.byRoom
          .slice(0, top)
          .map(({ name, uri, messages }) => ({ room: name, uri, messages })),
        "busiest users": report.byUser
          .slice(0, top)
          .map(({ uri, name, messages }) => ({ user: uri, name, messages })),
        "inactive rooms": report.inactive.map(({ name, uri, lastMs }) => ({
          room: name,
          uri,
          "last message": lastMs === null ? "never" : new Date(lastMs).toISOString(),
        })),
        trend: [...trend].map(([day, messages]) => ({ [by === "day" ? "day" : "week of"]: day, messages })),
      };
    },
    {
      details: [
        "DATE is a day such as 2026-11-25, or so many days before now: 30d. Days are those of UTC; --to includes its day.",
        "Unless said otherwise: the last 30 days, the 10 busiest, and rooms without a message in that time.",
        "Posts into rooms that keep no history are not counted; such a room counts as alive all the same.",
        "e.g. parlance room report --from 90d --by week",
        "e.g. parlance room report --inactive-since 365d --json",
      ],
    },
  ),
};

/** @throws {UsageError} */
function moment(value: string | boolean | undefined, name: string): number | undefined {
  const said = text(value);
  if (said === undefined) return undefined;
  const days = /^([0-9]{1,5})d$/.exec(said)?.[1];
  if (days !== undefined) return Date.now() - Number(days) * DAY_MS;
  const ms = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(said) ? Date.parse(`${said}T00:00:00Z`) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new UsageError(`${name}: "${said}" is no day such as 2026-11-25, and no number of days such as 30d`);
}

function lastMoment(value: string | boolean | undefined): number | undefined {
  const ms = moment(value, "--to");
  return ms !== undefined && !String(value).endsWith("d") ? ms + DAY_MS : ms;
}

const isoDay = (ms: number) => new Date(ms).toISOString().slice(0, 10);

function mondayOf(dayMs: number): number {
  return dayMs - ((new Date(dayMs).getUTCDay() + 6) % 7) * DAY_MS;
}
