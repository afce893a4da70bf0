import { ALERTS, type Alert, severityOf } from "./alert.ts";
import type { News } from "./ports.ts";

/** Alerts written out in one mail or request; the rest is counted. */
export const MOST_TOLD = 50;

/** The first line: what is the matter, or no longer. */
export function headline({ firing, resolved }: News): string {
  const [first] = firing.length > 0 ? firing : resolved;
  const others = Math.max(0, (firing.length > 0 ? firing.length : resolved.length) - 1);
  const state = firing.length > 0 ? (firing.some(isCritical) ? "CRITICAL" : "warning") : "resolved";
  const more = others > 0 ? ` and ${others} more` : "";
  return `${state}: ${first ? `${first.name} (${first.subject})` : "nothing"}${more}`;
}

/** What a person reads. Times are UTC. */
export function letter(news: News, domain: string): string {
  const lines = [`Parlance for ${domain}`, ""];
  const { firing, resolved } = news;
  for (const alert of firing.slice(0, MOST_TOLD)) lines.push(...paragraph(alert, "is the matter"), "");
  for (const alert of resolved.slice(0, MOST_TOLD)) lines.push(...paragraph(alert, "is over"), "");
  const left =
    firing.length +
    resolved.length -
    Math.min(firing.length, MOST_TOLD) -
    Math.min(resolved.length, MOST_TOLD);
  if (left > 0) lines.push(`And ${left} more: see "parlance alert list".`, "");
  return lines.join("\n");
}

function paragraph(alert: Alert, state: "is the matter" | "is over"): string[] {
  const { summary, advice } = ALERTS[alert.name];
  const head = `${severityOf(alert).toUpperCase()} ${alert.name} (${alert.subject}) ${state}`;
  const since = `  since ${new Date(alert.sinceMs).toISOString()}`;
  return state === "is over"
    ? [head, since]
    : [head, `  ${summary}`, `  Seen: ${alert.detail}`, `  To do: ${advice}`, since];
}

function isCritical(alert: Alert): boolean {
  return severityOf(alert) === "critical";
}
