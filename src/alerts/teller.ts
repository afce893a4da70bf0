import { type Alert, type Finding, keyOf } from "./alert.ts";
import { Lasting } from "./lasting.ts";
import type { AlertSink, AlertStore, AlertWatch, Probe } from "./ports.ts";
import { triedProbe } from "./probes.ts";
import { REACHED, UNTOLD_MS } from "./times.ts";
import { Told } from "./told.ts";

export interface TellerPorts {
  readonly process: string;
  readonly store: Pick<AlertStore, "told">;
  readonly watch: Pick<AlertWatch, "delivered" | "undelivered">;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly settings: { readonly repeatMs: number };
}

/** Tells one sink, one thing after the other, and knows whether it hears. */
export class Teller {
  readonly #sink: AlertSink;
  readonly #ports: TellerPorts;
  readonly #told = new Told();
  readonly #untold: Lasting;
  readonly #reached: Probe;
  #busy = false;
  /** Why the last news did not arrive. */
  #failure: string | undefined;

  constructor(sink: AlertSink, ports: TellerPorts) {
    this.#sink = sink;
    this.#ports = ports;
    const monotonicMs = () => ports.clock.monotonicMs();
    this.#untold = new Lasting(UNTOLD_MS, monotonicMs);
    this.#reached = triedProbe(this.#finding(), () => sink.reach(), REACHED, monotonicMs);
  }

  /** That this sink hears nothing is for the other ones, for metrics and log. */
  readonly probe: Probe = async () => {
    const unreached = await this.#reached();
    const untold = this.#untold.see(this.#failure !== undefined);
    return untold ? [{ ...this.#finding(), detail: this.#failure ?? "" }] : unreached;
  };

  remember(alert: Alert, toldMs: number): void {
    if (!this.#isAboutItself(alert)) this.#told.remember(alert, toldMs);
  }

  forget(owner: string): void {
    this.#told.forget(owner);
  }

  /** @param alerts what is the matter now */
  async tell(alerts: readonly Alert[]): Promise<void> {
    if (this.#busy) return;
    const { clock, settings, store, watch } = this.#ports;
    const others = alerts.filter((alert) => !this.#isAboutItself(alert));
    const news = this.#told.news(others, clock.nowMs(), settings.repeatMs);
    if (news.firing.length + news.resolved.length === 0) {
      this.#failure = undefined;
      return;
    }
    this.#busy = true;
    try {
      await this.#sink.tell(news);
      this.#told.arrived(news, clock.nowMs());
      this.#failure = undefined;
      watch.delivered(this.#sink.name);
      await store.told(news.firing, clock.nowMs()).catch(() => {}); // told again by the next life at worst
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (this.#failure === undefined) watch.undelivered(this.#sink.name, why);
      this.#failure = why;
    } finally {
      this.#busy = false;
    }
  }

  /** Whoever could not be reached need not hear of it once he can. */
  #isAboutItself(alert: Alert): boolean {
    return keyOf(alert) === keyOf(this.#finding());
  }

  #finding(): Finding {
    return {
      name: "alert-undelivered",
      subject: `${this.#sink.name} and ${this.#ports.process}`,
      detail: "",
    };
  }
}
