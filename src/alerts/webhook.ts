import { createHash } from "node:crypto";
import { ALERTS, type Alert, keyOf, severityOf } from "./alert.ts";
import type { AlertSink, News } from "./ports.ts";
import { placeOf, reach } from "./reach.ts";
import { MOST_TOLD } from "./wording.ts";

const LIMIT_MS = 10_000;
/** Prometheus writes the time of what goes on so. */
const NOT_YET = "0001-01-01T00:00:00Z";

export interface WebhookSettings {
  readonly url: string;
  /** Sent as a bearer token (RFC 6750 §2.1); never logged. */
  readonly token: string | undefined;
  readonly domain: string;
}

/**
 * Posts the news as JSON in the form of Prometheus Alertmanager's webhook, version 4, which most receivers understand. Any status from 200 to 299 means that
 * it arrived.
 */
export class Webhook implements AlertSink {
  readonly name = "webhook";
  readonly #settings: WebhookSettings;
  readonly #nowMs: () => number;

  constructor(settings: WebhookSettings, nowMs: () => number) {
    this.#settings = settings;
    this.#nowMs = nowMs;
  }

  async tell(news: News): Promise<void> {
    const { url, token, domain } = this.#settings;
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "parlance",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(payload(news, domain, this.#nowMs())),
      redirect: "error",
      signal: AbortSignal.timeout(LIMIT_MS),
    }).catch((error: unknown) => {
      throw new Error(reasonOf(error)); // never the address: it may hold a secret
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`answered ${response.status}`);
  }

  reach(): Promise<void> {
    const { url } = this.#settings;
    const place = placeOf(url, { "http:": 80, "https:": 443 });
    return reach({ ...place, isSecure: new URL(url).protocol === "https:" }, false);
  }
}

function payload({ firing, resolved }: News, domain: string, nowMs: number) {
  const alerts = [
    ...firing.map((alert) => written(alert, domain, undefined)),
    ...resolved.map((alert) => written(alert, domain, nowMs)),
  ];
  return {
    version: "4",
    groupKey: `parlance/${domain}`,
    truncatedAlerts: Math.max(0, alerts.length - MOST_TOLD),
    status: firing.length > 0 ? "firing" : "resolved",
    receiver: "parlance",
    groupLabels: {},
    commonLabels: { service: "parlance", domain },
    commonAnnotations: {},
    externalURL: "",
    alerts: alerts.slice(0, MOST_TOLD),
  };
}

function written(alert: Alert, domain: string, endedMs: number | undefined) {
  const { summary, advice } = ALERTS[alert.name];
  return {
    status: endedMs === undefined ? "firing" : "resolved",
    labels: {
      alertname: alert.name,
      severity: severityOf(alert),
      service: "parlance",
      domain,
      subject: alert.subject,
      source: alert.owner,
    },
    annotations: { summary, description: alert.detail, advice },
    startsAt: new Date(alert.sinceMs).toISOString(),
    endsAt: endedMs === undefined ? NOT_YET : new Date(endedMs).toISOString(),
    generatorURL: "",
    fingerprint: createHash("sha256")
      .update(`${domain} ${alert.owner} ${keyOf(alert)}`)
      .digest("hex")
      .slice(0, 16),
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "could not be reached";
  const cause = error.cause as { code?: unknown } | undefined; // what undici puts there
  if (error.name === "TimeoutError") return `no answer within ${LIMIT_MS / 1_000} s`;
  return typeof cause?.code === "string" ? `could not be reached (${cause.code})` : "could not be reached";
}
