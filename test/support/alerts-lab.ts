import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before } from "node:test";
import { SMTPServer } from "smtp-server";
import { type Lab, type LabSettings, openLab } from "./lab.ts";
import { until } from "./until.ts";

/** The promise: a failure is told within a minute. Some more for a machine that has other things to do. */
export const TOLD_WITHIN_MS = 90_000;
export const TOKEN = "a-token-of-the-test";

export interface Told {
  readonly status: "firing" | "resolved";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export type Failure = readonly [alert: string, subject: RegExp | string];

/** A pool with one room and Alice in it, and somebody real who is told of its alerts: a webhook, and with `mail` a mail server. */
export class AlertsLab {
  readonly told: Told[] = [];
  readonly letters: { to: string[]; text: string }[] = [];
  readonly authorizations = new Set<string | undefined>();
  /** Statuses that the webhook answers first. */
  readonly answers: number[] = [];
  #lab: Lab | undefined;
  #mail: SMTPServer | undefined;
  readonly #webhook = createServer((request, response) => this.#hear(request, response));

  constructor(plan: { nodes: number; mail: boolean; settings?: LabSettings; prepare?: () => void }) {
    before(async () => {
      plan.prepare?.();
      this.#webhook.listen(0, "127.0.0.1");
      this.#lab = await openLab({
        nodes: plan.nodes,
        users: ["alice"],
        rooms: [{ name: "Hall", members: ["alice"] }],
      });
      const webhook = {
        "webhook-url-file": this.#secret(
          "webhook.url",
          `http://127.0.0.1:${await portOf(this.#webhook)}/alerts`,
        ),
        "webhook-token-file": this.#secret("webhook.token", TOKEN),
      };
      const mail = plan.mail ? await this.#mailSettings() : {};
      for (const node of Object.keys(this.lab.stack.configFiles))
        await this.lab.configure(node, { ...plan.settings, alerts: { ...webhook, ...mail } });
      await this.lab.stack.restart("worker");
    });
    after(async () => {
      await this.#lab?.close();
      this.#webhook.close();
      await this.endMail();
    });
  }

  get lab(): Lab {
    if (!this.#lab) throw new Error("not started");
    return this.#lab;
  }

  get config(): string {
    return this.lab.stack.configFiles.n1 ?? "";
  }

  /** @returns its port */
  async endMail(): Promise<number> {
    const mail = this.#mail;
    this.#mail = undefined;
    if (!mail) return 0;
    const { port } = mail.server.address() as AddressInfo; // by TCP
    await new Promise<void>((resolve) => mail.close(resolve));
    return port;
  }

  beginMail(port: number): SMTPServer {
    this.#mail = new SMTPServer({
      authOptional: true,
      disabledCommands: ["AUTH", "STARTTLS"],
      onData: (stream, session, done) => {
        const parts: Buffer[] = [];
        stream.on("data", (part: Buffer) => parts.push(part));
        stream.on("end", () => {
          const to = session.envelope.rcptTo.map(({ address }) => address);
          this.letters.push({ to, text: Buffer.concat(parts).toString() });
          done();
        });
      },
    });
    this.#mail.listen(port, "127.0.0.1");
    return this.#mail;
  }

  async say(text: string): Promise<void> {
    const alice = await this.lab.signedIn("alice");
    await alice.join(this.lab.room("Hall"));
    assert.equal(await alice.post(this.lab.room("Hall"), text), 200);
  }

  isTold(status: Told["status"], alert: string, subject: RegExp | string): boolean {
    return this.told.some(
      ({ status: said, labels }) =>
        said === status &&
        labels.alertname === alert &&
        (typeof subject === "string" ? labels.subject === subject : subject.test(labels.subject ?? "")),
    );
  }

  async untilTold(status: Told["status"], ...alerts: readonly Failure[]): Promise<void> {
    for (const [alert, subject] of alerts)
      await until(`${alert} ${subject} ${status}`, () => this.isTold(status, alert, subject), TOLD_WITHIN_MS);
  }

  /** As it was told last. */
  describedAs(alert: string, subject?: string): string {
    const [last] = this.told
      .filter(
        ({ labels }) => labels.alertname === alert && (subject === undefined || labels.subject === subject),
      )
      .slice(-1);
    return last?.annotations.description ?? "";
  }

  /** A node knows what another process says of itself as of its last look. */
  async untilInMetrics(node: number, alert: string, subject: string): Promise<void> {
    const line = `parlance_alert{alert="${alert}",subject="${subject}",`;
    await until(`${alert} in the metrics`, async () => (await this.metrics(node)).includes(line));
  }

  async metrics(node: number): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.lab.stack.ports.http[node]}/metrics`);
    return response.text();
  }

  #hear(request: IncomingMessage, response: ServerResponse): void {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const status = this.answers.shift() ?? 200;
      this.authorizations.add(request.headers.authorization);
      if (status === 200)
        this.told.push(...(JSON.parse(Buffer.concat(parts).toString()) as { alerts: Told[] }).alerts);
      response.writeHead(status).end();
    });
  }

  async #mailSettings() {
    const { server } = this.beginMail(0);
    return {
      "smtp-url-file": this.#secret("smtp.url", `smtp://127.0.0.1:${await portOf(server)}`),
      "mail-from": "parlance@example.com",
      "mail-to": ["ops@example.com", "audit@example.com"],
    };
  }

  #secret(name: string, text: string): string {
    writeFileSync(join(this.lab.stack.stateDir, "secret", name), `${text}\n`, { mode: 0o600 });
    return `./secret/${name}`;
  }
}

async function portOf(server: { address(): AddressInfo | string | null }): Promise<number> {
  await until("listening", () => server.address() !== null);
  return (server.address() as AddressInfo).port; // by TCP
}
