import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { SMTPServer } from "smtp-server";
import type { Lab } from "../support/lab.ts";

/** The SMTP server that alerts are mailed to. It can be struck: connections break, and nobody listens until it comes back. */
export class MailSink {
  /** Letters taken, in all. */
  letters = 0;
  private server: SMTPServer | undefined;
  private readonly sockets = new Set<Socket>();
  private port = 0;

  /** Of a pool whose nodes and worker mail their alerts to it; the worker does when it starts next. */
  static async of(lab: Lab): Promise<MailSink> {
    const sink = new MailSink();
    await sink.open();
    writeFileSync(join(lab.stack.stateDir, "secret", "smtp.url"), `smtp://127.0.0.1:${sink.port}\n`, {
      mode: 0o600,
    });
    const alerts = {
      "smtp-url-file": "./secret/smtp.url",
      "mail-from": "parlance@example.com",
      "mail-to": ["ops@example.com"],
    };
    for (const node of Object.keys(lab.stack.configFiles)) await lab.configure(node, { alerts });
    return sink;
  }

  async open(): Promise<void> {
    const smtp = new SMTPServer({
      authOptional: true,
      disabledCommands: ["AUTH", "STARTTLS"],
      onData: (stream, _session, done) => {
        stream.resume().on("end", () => {
          this.letters += 1;
          done();
        });
      },
    });
    smtp.on("error", () => undefined); // a client's connection that breaks
    smtp.server.on("connection", (socket: Socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    smtp.listen(this.port, "127.0.0.1");
    await once(smtp.server, "listening");
    this.port = (smtp.server.address() as AddressInfo).port; // by TCP
    this.server = smtp;
  }

  async kill(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server) return;
    const closed = once(server.server, "close");
    server.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
