import { createTransport, type Transporter } from "nodemailer";
import type { AlertSink, News } from "./ports.ts";
import { type Place, placeOf, reach } from "./reach.ts";
import { headline, letter } from "./wording.ts";

const CONNECT_LIMIT_MS = 5_000;
const SILENCE_LIMIT_MS = 10_000;

export interface MailSettings {
  /** `smtp://user:password@host:587` or `smtps://…`; never logged. With a password the connection must become TLS, except on this machine. */
  readonly url: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly domain: string;
}

/** Sends the news by mail (RFC 5321); the server's final 250 means that it arrived. */
export class Mail implements AlertSink {
  readonly name = "mail";
  readonly #settings: MailSettings;
  readonly #transport: Transporter;
  readonly #place: Place;
  readonly #greets: boolean;

  constructor(settings: MailSettings) {
    this.#settings = settings;
    const { hostname, protocol, username } = new URL(settings.url);
    // How far a certificate is trusted is the mailer's matter (tls.* in the URL): there a connection has to do.
    this.#greets = protocol !== "smtps:";
    // Ports as the mailer takes them when there is none.
    this.#place = { ...placeOf(settings.url, { "smtp:": 587, "smtps:": 465 }), isSecure: false };
    const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
    this.#transport = createTransport({
      url: settings.url,
      connectionTimeout: CONNECT_LIMIT_MS,
      greetingTimeout: CONNECT_LIMIT_MS,
      socketTimeout: SILENCE_LIMIT_MS,
      requireTLS: username !== "" && !isHere,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async tell(news: News): Promise<void> {
    const { from, to, domain } = this.#settings;
    try {
      await this.#transport.sendMail({
        from,
        to: [...to],
        subject: `[Parlance ${domain}] ${headline(news)}`,
        text: letter(news, domain),
        headers: { "Auto-Submitted": "auto-generated" }, // RFC 3834 §5: nobody's absence notice is wanted
      });
    } catch (error) {
      throw new Error(reasonOf(error));
    }
  }

  reach(): Promise<void> {
    return reach(this.#place, this.#greets);
  }
}

/** Code and status only: the server's words may repeat addresses or credentials. */
function reasonOf(error: unknown): string {
  const { code, responseCode } = (error ?? {}) as { code?: unknown; responseCode?: unknown }; // what nodemailer adds to its errors
  const status = typeof responseCode === "number" ? ` ${responseCode}` : "";
  return `not accepted (${typeof code === "string" ? code : "unknown"}${status})`;
}
