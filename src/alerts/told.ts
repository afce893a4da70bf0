import { type Alert, keyOf } from "./alert.ts";
import type { News } from "./ports.ts";

/**
 * What one sink has been told. Its news follow from what is the matter now, not from a queue of changes: whatever came and went
 * while the sink was away is not told, and nothing piles up.
 */
export class Told {
  readonly #told = new Map<string, { alert: Alert; atMs: number }>();

  /** @param repeatMs what goes on is told again so often */
  news(current: readonly Alert[], nowMs: number, repeatMs: number): News {
    const keys = new Set(current.map(placeOf));
    return {
      firing: current.filter((alert) => {
        const known = this.#told.get(placeOf(alert));
        return known === undefined || nowMs - known.atMs >= repeatMs;
      }),
      resolved: [...this.#told].filter(([place]) => !keys.has(place)).map(([, { alert }]) => alert),
    };
  }

  arrived({ firing, resolved }: News, atMs: number): void {
    for (const alert of firing) this.remember(alert, atMs);
    for (const alert of resolved) this.#told.delete(placeOf(alert));
  }

  remember(alert: Alert, atMs: number): void {
    this.#told.set(placeOf(alert), { alert, atMs });
  }

  /** Another process tells of these from now on. */
  forget(owner: string): void {
    for (const [place, { alert }] of this.#told) if (alert.owner === owner) this.#told.delete(place);
  }
}

function placeOf(alert: Alert): string {
  return `${alert.owner} ${keyOf(alert)}`;
}
