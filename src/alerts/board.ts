import { type Alert, type Finding, keyOf } from "./alert.ts";

export interface Change {
  readonly raised: readonly Alert[];
  readonly cleared: readonly Alert[];
}

/** Alerts of all kinds at most, so that neither a mail nor the memory grows with the trouble. */
const MOST_ALERTS = 200;

/** What is the matter, as one process knows it. */
export class AlertBoard {
  readonly #owners = new Map<string, Map<string, Alert>>();

  /** What an owner's look has found replaces what it found before. An alert that goes on keeps its beginning. */
  update(owner: string, findings: readonly Finding[], nowMs: number): Change {
    const before = this.#owners.get(owner) ?? new Map<string, Alert>();
    const after = new Map<string, Alert>();
    for (const finding of findings.slice(0, MOST_ALERTS)) {
      const key = keyOf(finding);
      after.set(key, { ...finding, owner, sinceMs: before.get(key)?.sinceMs ?? nowMs });
    }
    this.#owners.set(owner, after);
    return {
      raised: [...after].filter(([key]) => !before.has(key)).map(([, alert]) => alert),
      cleared: [...before].filter(([key]) => !after.has(key)).map(([, alert]) => alert),
    };
  }

  /** Alerts of an earlier life go on where they were: what is over is cleared by the next look. */
  adopt(owner: string, alerts: readonly Alert[]): void {
    const known = this.#owners.get(owner) ?? new Map<string, Alert>();
    for (const alert of alerts) known.set(keyOf(alert), { ...alert, owner });
    this.#owners.set(owner, known);
  }

  of(owner: string): Alert[] {
    return [...(this.#owners.get(owner)?.values() ?? [])];
  }

  all(): Alert[] {
    return [...this.#owners.values()].flatMap((alerts) => [...alerts.values()]);
  }
}
