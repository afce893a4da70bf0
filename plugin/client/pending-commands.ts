import { ClientError } from "./client-error.ts";
import { attribute, child, type XmlElement } from "./xml-reader.ts";

/** The `rpl` to a command. */
export interface Reply {
  /** Name of the reply without "rpl:". */
  readonly name: string;
  /** `resp@code`; 500 when there is none. */
  readonly code: number;
  readonly text: string;
  /** The `data` element. */
  readonly data: XmlElement;
}

interface PendingCommand {
  readonly replies: Reply[];
  readonly complete: (replies: readonly Reply[]) => boolean;
  readonly resolve: (replies: Reply[]) => void;
  readonly reject: (error: ClientError) => void;
  readonly timer: NodeJS.Timeout;
}

/** How many answered commands are remembered to notice a second answer. */
const REMEMBERED = 256;

/** Commands on their way, found by envid and seqid: what `commandid` of the reply refers back to. */
export class PendingCommands {
  private readonly pending = new Map<string, PendingCommand>();
  /** True: answered in full; false: given up, so that a late reply is no fault of the server's. */
  private readonly finished = new Map<string, boolean>();

  /**
   * Waits for the reply (or replies: a bjoin may be split) to a command.
   * @throws ClientError kind "timeout"
   */
  expect(
    envid: number | string,
    seqid: number | string,
    timeoutMs: number,
    complete: (replies: readonly Reply[]) => boolean = () => true,
  ): Promise<Reply[]> {
    const key = `${envid}/${seqid}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.finish(key, false);
        reject(new ClientError("timeout", `command: no reply within ${timeoutMs} ms`));
      }, timeoutMs);
      this.pending.set(key, { replies: [], complete, resolve, reject, timer });
    });
  }

  /** The command was refused, or its dialog is gone: nobody waits any more. */
  cancel(envid: number | string, seqid: number | string, error: ClientError): void {
    const key = `${envid}/${seqid}`;
    this.pending.get(key)?.reject(error);
    this.finish(key, false);
  }

  cancelAll(error: ClientError): void {
    for (const [key, command] of [...this.pending]) {
      command.reject(error);
      this.finish(key, false);
    }
  }

  /** Takes one received `rpl`. Returns a complaint when it answers nothing, or answers something twice. */
  take(item: XmlElement): string | undefined {
    const id = child(item, "commandid");
    const name = attribute(item, "id").replace(/^rpl:/i, "");
    if (!id) return `rpl:${name}: no commandid`;
    const resp = child(item, "resp");
    if (!resp) return `rpl:${name}: no resp`;
    const key = `${attribute(id, "envid")}/${attribute(id, "seqid")}`;
    const command = this.pending.get(key);
    if (!command) {
      const answered = this.finished.get(key);
      if (answered === undefined) return `rpl:${name}: refers to no command of this client`;
      return answered ? `rpl:${name}: a second reply to one command` : undefined;
    }
    const data = child(item, "data") ?? EMPTY_DATA;
    command.replies.push({ name, code: Number(attribute(resp, "code")) || 500, text: resp.text, data });
    if (command.complete(command.replies)) {
      command.resolve(command.replies);
      this.finish(key, true);
    }
    return undefined;
  }

  private finish(key: string, answered: boolean): void {
    const command = this.pending.get(key);
    if (!command) return;
    clearTimeout(command.timer);
    this.pending.delete(key);
    this.finished.set(key, answered);
    if (this.finished.size <= REMEMBERED) return;
    for (const oldest of this.finished.keys()) {
      this.finished.delete(oldest);
      break;
    }
  }
}

const EMPTY_DATA: XmlElement = { name: "data", namespace: "", attributes: {}, children: [], text: "" };
