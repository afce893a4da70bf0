import { type AlertName, type Finding, keyOf } from "./alert.ts";
import type { Probe } from "./ports.ts";

/** What parts of this process say is the matter when it happens, until they say that it is over. */
export class Reported {
  readonly #found = new Map<string, Finding>();

  raise(name: AlertName, subject: string, detail: string): void {
    const finding = { name, subject, detail };
    this.#found.set(keyOf(finding), finding);
  }

  over(name: AlertName, subject: string): void {
    this.#found.delete(keyOf({ name, subject }));
  }

  readonly probe: Probe = () => [...this.#found.values()];
}
